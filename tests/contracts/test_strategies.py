"""Every strategy: prepare, train an epoch, convert, run, keep and reload, for every task, with repeatable bytes."""

import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest

from qatflow.artifacts import sha256_bytes, stage_output
from qatflow.backend import start
from qatflow.data.prepare import prepare_data
from qatflow.data.prepared import open_prepared
from qatflow.models import ARCHITECTURES
from qatflow.params.compression import CompressionParams
from qatflow.params.data import DataParams
from qatflow.params.quantize import CorrectionParams, MixedParams, QatParams, QuantizeParams
from qatflow.quantization import STRATEGIES
from qatflow.quantization.run import make
from qatflow.quantization.store import load_quantized, save_quantized
from qatflow.tflite.inspect import inventory, layer_weights
from qatflow.tflite.rewrite import parse
from qatflow.tflite.runtime import Runner

CASES = {
    "classification": ("small_cnn", (8, 8, 1)),
    "regression": ("mlp", (12,)),
    "anomaly": ("autoencoder", (4, 5, 2)),
}
SETTINGS = QuantizeParams(
    calibration_samples=32,
    corrections=CorrectionParams(rounding_iterations=100),
    training=QatParams(epochs=1, batch_size=32),
    mixed=MixedParams(probe_samples=16, size_ratio=0.95),
    compression=CompressionParams(epochs=1, channels=0.2, multiple_of=2, energy=0.3),
)


@cache
def case(task):
    """Return the prepared data and the float model of a task; the same in every process."""
    architecture, shape = CASES[task]
    folder = Path(mkdtemp())
    rng = np.random.default_rng(0)
    y = {
        "classification": np.arange(100) % 2,
        "regression": rng.normal(size=(100, 2)),
        "anomaly": np.arange(100) % 5 == 0,
    }
    np.savez(folder / "data.npz", x=rng.random((100, *shape), np.float32), y=y[task] * 1)
    with stage_output(folder / "prepare", "prepare") as out:
        prepare_data(DataParams(source="arrays", path=str(folder / "data.npz"), task=task), "none", 0, out)
    data = open_prepared(folder / "prepare")
    start(0)
    return data, ARCHITECTURES[architecture](data.input_shape, data.num_outputs, 1.0, task)


@cache
def made(name, task):
    """Return what a strategy makes of a task."""
    data, model = case(task)
    return make(name, model, data, SETTINGS, seed=3)


def scales(flatbuffer):
    """Return how many scales each constant of 8 or 4 bits has, by its number of dimensions."""
    tree = parse(flatbuffer)
    found = {}
    for tensor in tree.subgraphs[0].tensors:
        if tree.buffers[tensor.buffer].data is not None and tensor.type in {9, 17}:
            found.setdefault(len(tensor.shape), []).append(len(tensor.quantization.scale))
    return found


def check_promises(name, flatbuffer):
    """Check what a name says of number formats and granularity."""
    contents, runner = inventory(flatbuffer), Runner(flatbuffer)
    ends = {runner.input.dtype, runner.output.dtype}
    weights = {layer.dtype for layer in layer_weights(flatbuffer)}
    if "a8" in name or name in {"qat_mixed", "qat_progressive"}:
        assert ends == {"int8"}
        assert not [dtype for dtype in contents["tensor_dtypes"] if dtype.startswith("FLOAT")]
    if "a16" in name:
        assert ends == {"int16"}
    if "w8" in name or name == "dynamic_range":
        assert "INT8" in weights
        assert "INT4" not in weights
    if "w4" in name or name == "qat_progressive":
        assert weights == {"INT4"}
    if name == "qat_mixed":
        assert "INT4" in weights
    if name in {"float32", "float16", "dynamic_range"}:
        assert ends == {"float32"}
        assert ("FLOAT16" in weights) == (name == "float16")


def epochs_of(name):
    """Return how often a strategy trains an epoch: with fake-quants, and before that where it removes weights."""
    removing = set(STRATEGIES[name].compressions) - {"cluster"}
    return int(STRATEGIES[name].trained) + bool(removing)


@pytest.mark.slow
@pytest.mark.parametrize("task", CASES)
@pytest.mark.parametrize("name", STRATEGIES)
def test_keeps_its_promises_for_every_task(name, task):
    data, model = case(task)
    before = model.get_weights()
    found = made(name, task)

    x = data.test.arrays()[0]
    outputs = Runner(found.flatbuffer).predict(x)
    assert outputs.shape == model(x).shape
    assert np.isfinite(outputs).all()
    check_promises(name, found.flatbuffer)
    assert [epoch["epoch"] for epoch in found.history] == [1, 2][: epochs_of(name)]
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    if found.quantized.plan.outputs:
        difference = np.abs(outputs - found.model(x).numpy()) / Runner(found.flatbuffer).output.scale
        short = bool(STRATEGIES[name].compressions)  # short ranges of outputs, see `deployed.shortened`, cost some
        off = difference >= 0.5
        off = off[:, :1] if task == "classification" else off  # one of two shares decides the other
        assert int(off.sum()) <= max(1, (0.03 if short else 0.02) * off.size)


@pytest.mark.slow
@pytest.mark.parametrize("name", STRATEGIES)
def test_what_is_kept_between_stages_converts_to_the_same_bytes(name, tmp_path):
    found, data = made(name, "classification"), case("classification")[0]
    save_quantized(found.quantized, tmp_path)

    calibration = data.train.arrays(limit=SETTINGS.calibration_samples)[0]
    assert STRATEGIES[name].convert(load_quantized(tmp_path), calibration) == found.flatbuffer


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in STRATEGIES if name.startswith(("qat", "ptq"))])
def test_granularity_is_that_of_the_name(name):
    found = scales(made(name, "classification").flatbuffer)

    assert all((count == 1) == ("per_tensor" in name) for count in found[4])
    if name.startswith("qat") and "a16" not in name:
        per_output = name == "qat_mixed" or (
            "w8" in name and "per_tensor" not in name
        )  # 4-bit dense ones have one step
        assert (2 in found[2]) == per_output


PROGRAM = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_strategies import STRATEGIES, made, sha256_bytes
for name in sys.argv[1:]:
    print(name, sha256_bytes(made(name, "classification").flatbuffer))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "names", [("ptq_w8a8", "ptq_w4a8", "qat_w4a8"), pytest.param(tuple(STRATEGIES), marks=pytest.mark.long)]
)
def test_two_processes_give_the_same_bytes_in_any_order(names):
    program = [sys.executable, "-c", PROGRAM, *reversed(names)]
    run = subprocess.run(program, capture_output=True, text=True, check=True)

    other = dict(line.split() for line in run.stdout.splitlines() if line.split()[0] in STRATEGIES)
    assert other == {name: sha256_bytes(made(name, "classification").flatbuffer) for name in names}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ptq_w8a8", "ptq_w4a8", "qat_mixed", "qat_progressive"])
def test_one_process_repeats_its_bytes(name):
    data, model = case("regression")

    assert make(name, model, data, SETTINGS, seed=3).flatbuffer == made(name, "regression").flatbuffer
