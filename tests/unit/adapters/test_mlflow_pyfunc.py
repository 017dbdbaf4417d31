"""A bundle as an MLflow model: without pickle, and right for every one of many callers at once."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qatflow.adapters.mlflow_pyfunc import save_pyfunc, signature
from qatflow.adapters.mlflow_registry import MlflowRegistry
from qatflow.adapters.mlflow_tracking import MlflowTracker
from qatflow.release.bundle import load_bundle
from qatflow.release.log import PromotionLog
from qatflow.release.release import Desk, release_candidates
from qatflow.tflite.runtime import Runner
from tests.unit.release.fabricate import COLUMNS, PARAMS, bundle, candidate, digits, flatbuffer, inputs, regressor

pytestmark = pytest.mark.slow
CLIENTS, REQUESTS = 8, 100


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pyfunc")
    save_pyfunc(load_bundle(bundle(folder)), folder / "model")
    return folder / "model"


def pixels(count: int) -> np.ndarray:
    return digits().test.arrays(count)[0] * 16


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(arguments: list[str], path: str, **env: str) -> Iterator[int]:
    """Run an `mlflow` command with a server and wait for `path` to answer; give its port."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", *arguments, "--host", "127.0.0.1", "--port", str(port)]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"} | env
    server = subprocess.Popen(
        command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 120
        while not answers(port, path):
            assert server.poll() is None, f"{command} ended with {server.returncode}"
            assert time.monotonic() < deadline, f"{command} never answered"
            time.sleep(0.2)
        yield port
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def test_the_model_holds_the_bundle_and_nothing_pickled(model: Path):
    names = {path.relative_to(model).as_posix() for path in model.rglob("*") if path.is_file()}

    assert {"artifacts/bundle/model.tflite", "code/bundle_runtime.py", "pyfunc_model.py"} <= names
    assert [name for name in names if name.endswith((".pkl", ".pickle", ".cloudpickle"))] == []
    assert load_bundle(model / "artifacts" / "bundle").model == flatbuffer("int8")


def test_its_requirements_are_pinned_to_what_it_was_tested_with(model: Path):
    pins = (model / "requirements.txt").read_text().split()

    assert sorted(pins) == [f"{name}=={version(name)}" for name in ("ai-edge-litert", "mlflow", "numpy")]


def test_it_loads_in_a_process_without_qatflow_and_answers_as_the_flatbuffer_does(model: Path, tmp_path: Path):
    np.save(tmp_path / "x.npy", pixels(30))
    script = (
        "import sys; sys.modules['qatflow'] = None\n"
        "import mlflow, numpy as np\n"
        "answer = mlflow.pyfunc.load_model(sys.argv[1]).predict(np.load(sys.argv[2]))\n"
        "np.savez(sys.argv[3], **answer)\n"
    )
    command = [sys.executable, "-I", "-c", script, model, tmp_path / "x.npy", tmp_path / "y.npz"]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "y.npz") as answer:
        expected = Runner(flatbuffer("int8")).predict(pixels(30) / 16)
        assert np.array_equal(answer["scores"], expected)
        assert answer["labels"].tolist() == [str(label) for label in expected.argmax(axis=1)]


def test_a_model_of_named_columns_takes_frames_in_any_order(tmp_path: Path, brightness):
    import mlflow
    import pandas
    from mlflow.exceptions import MlflowException

    save_pyfunc(load_bundle(regressor(tmp_path, brightness)), tmp_path / "model")
    loaded, (x, _) = mlflow.pyfunc.load_model(str(tmp_path / "model")), brightness.test.arrays(4)
    frame = pandas.DataFrame(x, columns=list(COLUMNS))

    expected = Runner(flatbuffer("regressor")).predict(x)

    for given in (frame, frame[list(COLUMNS[::-1])].astype(float)):
        assert np.array_equal(loaded.predict(given)["scores"], expected)
    with pytest.raises(MlflowException, match="missing inputs"):
        loaded.predict(frame.rename(columns={"pixel 3": "other"}))


def test_saving_leaves_no_module_behind(tmp_path: Path):
    sys.modules.pop("bundle_runtime", None)  # another test may have loaded a model
    save_pyfunc(load_bundle(bundle(tmp_path)), tmp_path / "model")

    assert "bundle_runtime" not in sys.modules


@pytest.mark.parametrize(
    ("task", "labels", "output", "expected"),
    [
        ("classification", tuple("0123456789"), (10,), {"scores": (-1, 10), "labels": (-1,)}),
        ("regression", (), (2,), {"scores": (-1, 2)}),
        ("anomaly", (), (8, 8, 1), {"scores": (-1,)}),
    ],
)
def test_the_signature_follows_the_task(tmp_path: Path, task: str, labels: tuple, output: tuple, expected: dict):
    manifest = load_bundle(bundle(tmp_path)).manifest
    changed = manifest.model_copy(
        update={"task": task, "labels": labels, "output": manifest.output.model_copy(update={"shape": output})}
    )

    found = signature(changed)

    assert found.inputs.inputs[0].shape == (-1, 8, 8, 1)
    assert found.inputs.inputs[0].type == np.float32
    assert {spec.name: spec.shape for spec in found.outputs.inputs} == expected


def test_under_mlflow_models_serve_eight_clients_at_once_get_only_right_answers(model: Path):
    x = pixels(CLIENTS * REQUESTS)
    x = np.resize(x, (CLIENTS * REQUESTS, *x.shape[1:]))
    expected = Runner(flatbuffer("int8")).predict(x / 16)

    def client(number: int, port: int) -> list[str]:
        """Send every sample of this client's share and return what was wrong with the answers."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        faults = []
        for row in range(number * REQUESTS, (number + 1) * REQUESTS):
            body = json.dumps({"inputs": x[row : row + 1].tolist()})
            connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
            reply = connection.getresponse()
            content = reply.read()
            if reply.status != 200:
                faults.append(f"{reply.status}: {content[:200]!r}")
            elif not is_right(json.loads(content)["predictions"], expected[row]):
                faults.append(f"row {row}: {content[:200]!r}")
        return faults

    with serving(["models", "serve", "-m", str(model), "--env-manager", "local"], "/ping") as port:
        with ThreadPoolExecutor(CLIENTS) as pool:
            faults = [fault for found in pool.map(lambda n: client(n, port), range(CLIENTS)) for fault in found]
        bad_shape = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        bad_shape.request("POST", "/invocations", '{"inputs": [[1.0]]}', {"Content-Type": "application/json"})
        assert bad_shape.getresponse().status == 400

    assert faults == []


def is_right(prediction: dict[str, Any], expected: np.ndarray) -> bool:
    return np.array_equal(np.float32(prediction["scores"][0]), expected) and prediction["labels"] == [
        str(expected.argmax())
    ]


def test_a_release_works_against_a_tracking_server(tmp_path: Path):
    database = f"sqlite:///{tmp_path}/server.db"
    arguments = ["server", "--backend-store-uri", database, "--artifacts-destination", str(tmp_path / "files")]
    with serving([*arguments, "--workers", "1"], "/health") as port:
        tracker = MlflowTracker(f"http://127.0.0.1:{port}", "qatflow", tmp_path)
        registry = MlflowRegistry(tracker, "digits")
        desk = Desk(PARAMS, registry, PromotionLog(tmp_path, "digits"), "test")
        (tmp_path / "out").mkdir()

        receipt = release_candidates(desk, inputs(candidate()), tmp_path / "out")

        assert (receipt.decision, registry.aliases()) == ("promoted", {"champion": 1})
        assert load_bundle(tmp_path / "out" / "bundle").model == flatbuffer("int8")
        assert not (tmp_path / "mlartifacts").exists()
