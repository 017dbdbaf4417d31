"""Prepared digits, a small sample of them."""

import pytest

from qatflow.artifacts import stage_output
from qatflow.data.prepare import prepare_data
from qatflow.data.prepared import open_prepared
from qatflow.params.data import DataParams


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """Give 130 digits in each split."""
    root = tmp_path_factory.mktemp("digits") / "prepare"
    with stage_output(root, "prepare") as out:
        prepare_data(DataParams(max_samples=130), "unit", 0, out)
    return open_prepared(root)
