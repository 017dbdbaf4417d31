import pytest


@pytest.fixture(scope="session")
def digits(make_data):
    return make_data("auto", source="digits")
