"""Bundles that differ in their bytes, and one that differs in what it says."""

import pytest

from tests.unit.release import fabricate
from tests.unit.serving.asgi import Asked


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    return fabricate.bundle(tmp_path_factory.mktemp("int8"))


@pytest.fixture(scope="session")
def other(tmp_path_factory):
    """Another digest, the same answers."""
    return fabricate.bundle(tmp_path_factory.mktemp("other"), fabricate.flatbuffer("int8", padding=4))


@pytest.fixture(scope="session")
def coarse(tmp_path_factory):
    """Other answers."""
    return fabricate.bundle(tmp_path_factory.mktemp("int4"), fabricate.flatbuffer("int4"))


@pytest.fixture
def server(bundle):
    return Asked(bundle)
