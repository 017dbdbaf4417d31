"""The target mlflow: a model folder that MLflow loads, right for every one of many threads."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import numpy as np
import pytest

from qatflow.adapters.mlflow_target import deploy_mlflow
from qatflow.deploy.base import Place
from qatflow.errors import ArtifactError, DeployError
from qatflow.release.bundle import load_bundle
from qatflow.tflite.runtime import Runner
from tests.unit.release.fabricate import bundle, digits, flatbuffer

pytestmark = pytest.mark.slow
THREADS, CALLS = 8, 1500


def test_mlflow_loads_what_current_points_to_and_each_of_eight_threads_gets_its_own_answers(tmp_path: Path):
    deploy_mlflow(bundle(tmp_path / "old", flatbuffer("int4")), Place(tmp_path / "place"))
    deploy_mlflow(bundle(tmp_path), Place(tmp_path / "place"))
    x = digits().test.arrays(64)[0] * 16
    expected = Runner(flatbuffer("int8")).predict(x / 16)

    model = mlflow.pyfunc.load_model(str(tmp_path / "place" / "current"))

    def wrong(thread: int) -> int:
        rows = np.random.default_rng(thread).integers(0, len(x), CALLS)
        return sum(not np.array_equal(model.predict(x[[row]])["scores"][0], expected[row]) for row in rows)

    with ThreadPoolExecutor(THREADS) as pool:
        assert sum(pool.map(wrong, range(THREADS))) == 0
    assert len(list((tmp_path / "place" / "versions").iterdir())) == 2


def test_an_altered_model_folder_is_not_pointed_to(tmp_path: Path):
    place = Place(tmp_path / "place")
    old, new = bundle(tmp_path / "old", flatbuffer("int4")), bundle(tmp_path)
    deploy_mlflow(new, place)
    altered = (place.path / "current").resolve()
    deploy_mlflow(old, place)
    before = (place.path / "current").readlink()

    (altered / "MLmodel").unlink()
    with pytest.raises(DeployError, match="is not the MLflow model of"):
        deploy_mlflow(new, place)
    (altered / "artifacts" / "bundle" / "model.tflite").write_bytes(b"")
    with pytest.raises(ArtifactError, match="was altered"):
        deploy_mlflow(new, place)

    assert (place.path / "current").readlink() == before
    assert load_bundle(place.path / "current" / "artifacts" / "bundle").model == flatbuffer("int4")
