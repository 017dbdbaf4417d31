import numpy as np
import pytest

from qatflow.artifacts import read_json, sha256_file
from qatflow.ensemble.build import Ingredients, build_ensemble
from qatflow.evaluation.metrics import judged, measure, score_of
from qatflow.evaluation.significance import mcnemar
from qatflow.params.ensemble import EnsembleParams
from qatflow.params.evaluate import EvaluateParams
from qatflow.tflite.rewrite import pack, parse
from qatflow.tflite.runtime import Runner

pytestmark = pytest.mark.slow  # each measures latency and memory
FAST = EvaluateParams(latency_runs=5)


def shifted(model, seed):
    """Return the model with some of its 8-bit weights off by a few steps."""
    tree = parse(model)
    for tensor in tree.subgraphs[0].tensors:
        data = tree.buffers[tensor.buffer].data
        if data is not None and tensor.type == 9 and len(tensor.shape) == 2:  # INT8
            steps = np.random.default_rng(seed).integers(-9, 10, data.size)
            values = np.clip(data.view(np.int8).astype(int) + steps, -127, 127).astype(np.int8)
            tree.buffers[tensor.buffer].data = values.view(np.uint8)
    return pack(tree)


def built(models, data, out, **wanted):
    x, _ = data.test.arrays()
    outputs = {name: Runner(model).predict(x).reshape(len(x), -1) for name, model in models.items()}
    given = Ingredients(models, outputs, next(iter(models.values())), data)
    build_ensemble(EnsembleParams.model_validate(wanted), given, FAST, out)
    return read_json(out / "ensemble.json")


@pytest.mark.parametrize(("task", "combine"), [("regression", "mean"), ("regression", "weighted"), ("anomaly", "mean")])
def test_other_tasks(golden, brightness, strange_digits, tmp_path, task, combine):
    data, name = {"regression": (brightness, "regressor"), "anomaly": (strange_digits, "autoencoder")}[task]
    models = {f"{name}{seed}": shifted(golden[name], seed) for seed in (1, 2, 3)}

    record = built(models, data, tmp_path, members=tuple(models), combine=combine)

    x, y = data.test.arrays()
    values = judged(task, x, Runner((tmp_path / "model.tflite").read_bytes()).predict(x))
    assert record["score"] == score_of(task, measure(task, y, values, ()))
    assert record["ece"] is None
    assert record["losses"]["ensemble"] < np.mean([record["losses"][name] for name in models])
    assert read_json(tmp_path / "evaluation.json")["score"] == record["score"]


def test_classification_says_what_the_flatbuffers_say(diverse, digits, tmp_path):
    record = built(diverse, digits, tmp_path, combine="weighted")
    x, y = digits.test.arrays()
    own = Runner((tmp_path / "model.tflite").read_bytes()).predict(x).argmax(axis=1) == y
    best = Runner(diverse[record["best"]]).predict(x).argmax(axis=1) == y

    assert record["score"] == own.mean()
    assert record["against"][record["best"]]["p"] == mcnemar(own, best)
    assert record["against"][record["best"]]["gain"] == pytest.approx(own.mean() - best.mean())
    assert read_json(tmp_path / "evaluation.json")["sha256"] == sha256_file(tmp_path / "model.tflite")
    assert np.array_equal(
        np.load(tmp_path / "outputs.npy"), Runner((tmp_path / "model.tflite").read_bytes()).predict(x)
    )
