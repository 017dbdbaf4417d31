"""One network of the zoo on its whole way: a few steps of training, quantized, saved, served, made into C sources."""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from benchmarks.zoo_nets import Net
from qatflow.artifacts import Array
from qatflow.deploy.base import Place
from qatflow.deploy.micro import deploy_micro
from qatflow.errors import QATFlowError
from qatflow.params.quantize import CorrectionParams, QatParams, QuantizeParams
from qatflow.params.serving import ServingParams
from qatflow.quantization.parity import measure_parity
from qatflow.quantization.run import Made, make
from qatflow.release.bundle import load_bundle
from qatflow.release.quantized import save_bundle
from qatflow.search.clock import Clock
from qatflow.search.inputs import take_inputs
from qatflow.search.loop import Search
from qatflow.search.options import Goal, Options
from qatflow.serving.inference import OPEN_INFERENCE, Inference, Models, Request
from qatflow.serving.loader import Loader
from qatflow.serving.meter import Meter
from qatflow.tflite.inspect import inventory
from qatflow.tflite.runtime import Runner

STRATEGIES, TRAINED = ("ptq_w8a8", "ptq_w4a8"), ("qat_w8a8_per_channel", "qat_w4a8")
TRAIN, TEST, STEPS, BATCH = 160, 120, 60, 32
SIGNAL, NOISE = 0.4, 1.0
COMPILED_BYTES = 1 << 20
"""C sources of larger models are written, but not compiled: that takes minutes and gigabytes."""


@dataclass
class Outcome:
    """What became of a network.

    Attributes:
        refused: A sentence, if it was not even taken.
        strategies: Strategy -> accuracy, agreement with float, parity, operators in float, bytes, how it was served,
            what `micro` did; or the sentence of a refusal.
    """

    name: str
    refused: str = ""
    parameters: int = 0
    layers: int = 0
    float_score: float = 0.0
    strategies: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: float = 0.0
    peak_mb: int = 0


def run(name: str, net: Net, folder: Path) -> dict[str, Any]:
    """Take a network through everything; what goes wrong is in the outcome, unless it is no error of ours."""
    started, outcome = monotonic(), Outcome(name)
    x, y = (net.data or _Patterns(net))()
    parts = x[:TRAIN], y[:TRAIN], x[TRAIN : TRAIN + TEST], y[TRAIN : TRAIN + TEST]
    model = net.build()
    outcome.parameters, outcome.layers = model.count_params(), len(model.layers)
    _train(model, net, parts[0], parts[1])
    try:
        for strategy, found in _quantized(model, net, parts, folder):
            outcome.strategies[strategy] = found
            outcome.float_score = found.pop("float_score", outcome.float_score)
    except QATFlowError as error:
        outcome.refused = str(error)
    outcome.seconds = round(monotonic() - started, 1)
    outcome.peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return asdict(outcome)


@dataclass(frozen=True)
class _Patterns:
    """A pattern of blocks for each class, in noise."""

    net: Net

    def __call__(self) -> tuple[Array, Array]:
        rng, shape = np.random.default_rng(0), self.net.shape
        y = rng.integers(0, max(self.net.classes, 2), TRAIN + TEST)
        patterns = rng.normal(size=(y.max() + 1, *(-(-side // 4) for side in shape[:-1]), shape[-1]))
        for axis, side in enumerate(shape[:-1], start=1):
            patterns = np.take(np.repeat(patterns, 4, axis=axis), range(side), axis=axis)
        z = SIGNAL * patterns[y] + NOISE * rng.normal(size=(len(y), *shape))
        x = np.clip(np.rint(z * 40 + 127.5), 0, 255) if self.net.pixels else z
        return x.astype(np.float32), y


def _train(model: Any, net: Net, x: Array, y: Array) -> None:
    """A few steps, with statistics of batch normalization that follow them."""
    for layer in model.layers:
        if hasattr(layer, "momentum"):
            layer.momentum = 0.7
    model.compile("adam", "sparse_categorical_crossentropy" if net.classes else "mse")
    model.fit(x, y if net.classes else x, batch_size=BATCH, epochs=STEPS * BATCH // TRAIN, verbose=0)
    for part in np.array_split(x, 6):
        model(part, training=True)


def _quantized(model: Any, net: Net, parts: tuple[Array, ...], folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    settings = QuantizeParams(
        calibration_samples=64,
        corrections=CorrectionParams(adaround=False),
        training=QatParams(epochs=1, batch_size=BATCH, learning_rate=2e-4),
    )
    kept: dict[str, Made] = {}

    def keeping(strategy: str, *given: Any, **named: Any) -> Made:
        kept[strategy] = make(strategy, *given, **named)
        return kept[strategy]

    options = Options(settings=settings, latency_runs=1)
    inputs = take_inputs(model, parts if net.classes else np.concatenate([parts[0], parts[2]]), options)
    search = Search(inputs.model, inputs.data, Goal(), options, make=keeping, clock=Clock())
    for strategy in (*STRATEGIES, *(TRAINED if net.small else ())):
        started = monotonic()
        try:
            result = search.only(strategy)
        except QATFlowError as error:
            yield strategy, {"refused": str(error)}
            continue
        made, x = kept[strategy], inputs.data.test.arrays()[0]
        found = {"score": result.evaluation["score"], "agreement": result.evaluation["agreement_float"]}
        found |= {"float_score": result.evaluation["float"]["score"], "bytes": len(result.flatbuffer)}
        if made.quantized.plan.outputs:
            found["parity"] = measure_parity(made.flatbuffer, made.model, x, inputs.data.task).figures()
        found |= {"alarm": str(made.alarm or ""), "notes": result.chosen.notes, "float": _floats(made.flatbuffer)}
        if strategy in STRATEGIES:
            bundle = save_bundle(result, folder / strategy)
            found |= {"served": _served(bundle, x[:3]), "micro": _micro(bundle, folder / f"{strategy}-micro")}
        yield strategy, found | {"seconds": round(monotonic() - started, 1)}


def _floats(flatbuffer: bytes) -> int:
    return inventory(flatbuffer)["tensor_dtypes"].get("FLOAT32", 0)


def _served(bundle: Path, x: Array) -> str:
    """Ask the server's inference for one sample and for three; say whether it answers as the flatbuffer does."""
    try:
        model = Loader()(bundle)
    except QATFlowError as error:
        return str(error)
    told = Runner(load_bundle(bundle).model).predict(x)
    inference = Inference("net", Models(model), ServingParams(max_body_bytes=1 << 26), Meter())
    for count in (1, 3):
        reply = asyncio.run(_asked(inference, x[:count]))
        scores = np.reshape(json.loads(reply.body)["outputs"][0]["data"], (count, -1))
        expected = told[:count].reshape(count, -1)
        if model.manifest.task == "anomaly":
            expected = np.mean((told[:count] - x[:count]) ** 2, axis=1, keepdims=True)
        if reply.status != 200 or not np.allclose(scores, expected, atol=1e-5):
            return f"status {reply.status} for {count}"
    return "yes"


async def _asked(inference: Inference, x: Array) -> Any:
    tensor = {"name": "input", "shape": x.shape, "datatype": "FP32", "data": x.ravel().tolist()}
    body = json.dumps({"inputs": [tensor]}).encode()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return await inference.respond(Request("POST", "/v2/models/net/infer", {}, receive, None), OPEN_INFERENCE)


def _micro(bundle: Path, place: Path) -> str:
    """Write C sources and compile them."""
    try:
        deploy_micro(bundle, Place(place, "net"))
    except QATFlowError as error:
        return str(error)
    if len(load_bundle(bundle).model) > COMPILED_BYTES:
        return "written"
    sources = sorted((place / "current").glob("*.c"))
    command = ["gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-c", *map(str, sources)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=place)
    except FileNotFoundError:
        return "written, no gcc"
    return "compiles" if done.returncode == 0 else done.stderr[:200]
