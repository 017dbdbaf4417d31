"""Each extra alone, and what it includes, does its job; no other package can be imported meanwhile."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.extras.alone import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
QUANTIZE = """
import numpy as np, qatflow
from tf_keras import Sequential, layers
rng = np.random.default_rng(0)
x, y = rng.random((200, 4)).astype("float32"), rng.integers(2, size=200)
model = Sequential([layers.Dense(8, "relu", input_shape=(4,)), layers.Dense(2, "softmax")])
model.compile("adam", "sparse_categorical_crossentropy")
result = qatflow.quantize(model, (x, y), "ptq_w8a8")
bundle = qatflow.load_bundle(qatflow.save_bundle(result, "bundle"))
print(bundle.predict(x[:3])["scores"].shape)
"""
SWEEP = """
import sys
from pathlib import Path
sys.path.insert(0, "demo")
from qatflow.params.root import Params
from qatflow.params.sweep import SweepParams
from qatflow.pipeline.dask_trials import task_runner
from qatflow.sweep.study import Search
from flows import sweep
chosen = SweepParams(optimizers=("adam",), strategies=("qat_w4a8",), models=("mlp",), search="optuna", trials=1)
print(type(task_runner(chosen)).__name__, Search(Params(sweep=chosen), Path("study"), {"code": "c", "data": "d"}).ask())
"""
ONLINE = """
import sys
sys.path.insert(0, "demo")
from flows import online
from qatflow.errors import StreamError
from qatflow.online.streams import open_stream
print(len(open_stream("spool:s").read(None, 100)))
try:
    open_stream("redis://127.0.0.1:1/s").read(None, 1)
except StreamError as error:
    print(error)
"""
PIPELINE = """
from pathlib import Path
from qatflow.pipeline.graph import Graph
from qatflow.pipeline.project import flow_program
root = Path("demo").resolve()
print(*Graph(root).stages())
for name in ("canary", "monitor", "online", "renew", "retrain"):
    assert callable(flow_program(root, name))
"""


def test_images_reads_pictures(bundle, tmp_path, only):
    Image.fromarray(np.full((8, 8), 200, np.uint8)).save(tmp_path / "x.png")

    assert len(json.loads(only("images")("-m", "qatflow", "infer", bundle, tmp_path / "x.png"))["scores"]) == 10


def test_serve_signs_and_checks_archives(bundle, tmp_path, only):
    run = only("serve")
    run("-m", "qatflow", "keygen", tmp_path / "key")
    run("-m", "qatflow", "deploy", bundle, "--target", "archive", "--to", tmp_path, "--key", tmp_path / "key")
    (archive,) = tmp_path.glob("*.qatflow")

    assert "signed by key" in run("-m", "qatflow", "verify", archive, "--key", tmp_path / "key.pub")
    run("-c", "import uvloop")


def test_evaluate_measures_compares_and_draws(bundle, tmp_path, only):
    run = only("evaluate")

    assert "accuracy" in run("-m", "qatflow", "evaluate", bundle, "--data", "digits")
    compared = run("-c", f"import qatflow; print(qatflow.compare({str(bundle)!r}, {str(bundle)!r}, 'digits'))")
    assert "Accuracy" in compared
    run("-m", "qatflow", "visualize", bundle, "--data", "digits", "--out", tmp_path / "pictures")
    assert list((tmp_path / "pictures").glob("*.png"))


def test_quantize_makes_a_bundle_of_a_keras_model(only):
    assert "(3, 2)" in only("quantize")("-c", QUANTIZE)


def test_explain_says_why(bundle, tmp_path, only):
    words = ("explain", bundle, "--data", "digits", "--index", 0, "--players", 4, "--out", tmp_path / "why")

    assert "sample" in only("explain")("-m", "qatflow", *words)
    assert (tmp_path / "why" / "sample-0.png").is_file()


def test_pipeline_reads_a_projects_graph_and_flows(only, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # those that are blocked
    run = only("pipeline")
    run("-m", "qatflow", "init", "demo")

    assert "prepare" in run("-c", PIPELINE).split()
    assert "3 passed" in run("-m", "pytest", "-q", "demo/tests")


def test_sweep_has_a_cluster_and_a_search(only):
    run = only("sweep")
    run("-m", "qatflow", "init", "demo")

    assert "DaskTaskRunner Trial(optimizer='adam'" in run("-c", SWEEP)


def test_online_fills_and_reads_streams(only):
    run = only("online")
    run("-m", "qatflow", "init", "demo")
    run("-m", "qatflow", "stream", "append", "spool:s", "--from", "digits", "--count", "10")

    read, refused = run("-c", ONLINE).splitlines()
    assert read == "10"
    assert "127.0.0.1:1" in refused


def test_the_tests_are_of_this_checkout(only):
    assert str(ROOT / "src" / "qatflow") in only("")("-c", "import qatflow; print(qatflow.__file__)")
