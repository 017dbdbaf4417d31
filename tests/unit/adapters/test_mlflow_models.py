"""The Keras model behind a released version comes back from a real MLflow, and every wrong address is explained."""

from pathlib import Path

import numpy as np
import pytest

from qatflow.adapters.mlflow_models import fetch_backbone, fetch_model
from qatflow.adapters.mlflow_registry import MlflowRegistry
from qatflow.adapters.mlflow_tracking import MlflowTracker
from qatflow.backend import keras, start
from qatflow.errors import TrackingError
from qatflow.models.files import load_model_file
from qatflow.models.store import load_model, save_model
from qatflow.params.tracking import TrackingParams
from qatflow.params.transfer import TransferParams
from qatflow.release.bundle import load_bundle
from tests.unit.release.fabricate import bundle, flatbuffer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("project")


@pytest.fixture(scope="module")
def tracker(root: Path) -> MlflowTracker:
    """A server with three versions of `net`: with a Keras model, without one, and of MLflow's own Keras flavor."""
    tracker = MlflowTracker("sqlite:///mlflow.db", "qatflow", root)
    registry = MlflowRegistry(tracker, "net")
    for padding, kept in ((0, _saved(root / "float")), (4, None)):
        made = bundle(root / str(padding), flatbuffer("int8", padding))
        facts = {"model_sha256": load_bundle(made).sha256, "variant": "a", "score": "0.9", "latency_us": "1.0"}
        registry.register(registry.log_model(made, facts, {}, kept))
    registry.set_alias("champion", 1)
    (root / "flavor" / "data").mkdir(parents=True)
    _model().save(root / "flavor" / "data" / "model.keras")
    foreign = tracker.client.create_logged_model(tracker.experiment_id, name="foreign")
    tracker.client.log_model_artifacts(foreign.model_id, str(root / "flavor"))
    tracker.client.finalize_logged_model(foreign.model_id, "READY")
    tracker.client.create_model_version("net", f"models:/{foreign.model_id}", model_id=foreign.model_id)
    return tracker


def _model() -> keras.Model:
    start(0)
    inputs = keras.layers.Input((3,), name="input")
    return keras.Model(inputs, keras.layers.Dense(2, name="outputs")(inputs), name="net")


def _saved(folder: Path) -> Path:
    folder.mkdir()
    save_model(_model(), folder)
    return folder


@pytest.mark.parametrize("address", ["models:/net@champion", "models:/net/1"])
def test_the_float_model_comes_back(tracker: MlflowTracker, tmp_path: Path, address: str) -> None:
    path, facts = fetch_model(tracker, address, tmp_path)

    assert (facts["name"], facts["version"]) == ("net", "1")
    x = np.ones((1, 3), np.float32)
    np.testing.assert_array_equal(load_model(path)(x), _model()(x))


def test_a_model_of_mlflows_own_flavor_is_found(tracker: MlflowTracker, tmp_path: Path) -> None:
    path, _ = fetch_model(tracker, "models:/net/3", tmp_path)

    x = np.ones((1, 3), np.float32)
    np.testing.assert_array_equal(load_model_file(path)(x), _model()(x))


def test_it_is_a_file_to_transfer_from(tracker: MlflowTracker, root: Path, tmp_path: Path) -> None:
    wanted = TransferParams(source="registry", model="models:/net@champion", cut="input")

    found, facts = fetch_backbone(wanted, TrackingParams(), root, tmp_path)

    assert (found.source, found.cut, facts["version"]) == ("file", "input", "1")
    assert load_model(Path(found.path)).name == "net"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("net@champion", "is no address of a registered model"),
        ("models:/nett@champion", "no registered model 'nett'. Registered: net. Did you mean 'net'"),
        ("models:/net@chmpion", "no alias 'chmpion'. Its aliases: champion. Did you mean 'champion'"),
        ("models:/net/9", "net has no version 9. Its versions: 1, 2, 3"),
        ("models:/net/2", r"models:/net/2 \(version 2\) holds no Keras model"),
    ],
)
def test_a_wrong_address_is_explained(tracker: MlflowTracker, tmp_path: Path, address: str, message: str) -> None:
    with pytest.raises(TrackingError, match=message):
        fetch_model(tracker, address, tmp_path)
