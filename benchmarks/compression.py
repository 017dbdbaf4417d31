"""Compressed flatbuffers against plain ones, from the same float model: accuracy, bytes, latency, and what they keep.

`python -m benchmarks.compression digits|resnet8|mobilenet [--data FOLDER] [--model FILE] [--cache FOLDER]` prints a
Markdown table; see `qat_accuracy` for the data. Peers are plain QAT, trained for as many epochs, and tfmot's chains.
"""

import argparse
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.qat_accuracy import accuracy_of, arguments_parser, base_model, base_training, prepared_data, tuned
from benchmarks.stock import convert_stock
from benchmarks.stock_compression import CHAINS, stock_chain
from qatflow.artifacts import digest
from qatflow.backend import keras, start
from qatflow.data.prepared import PreparedData
from qatflow.errors import QATFlowError
from qatflow.evaluation.latency import interleaved_latency
from qatflow.evaluation.sizes import sparsity, zstd_bytes
from qatflow.params.compression import CompressionParams
from qatflow.params.quantize import QatParams, QuantizeParams
from qatflow.quantization.deployed import Deployable
from qatflow.quantization.run import Made, make
from qatflow.screen import hushed
from qatflow.search.clock import Clock
from qatflow.search.loop import Search
from qatflow.search.names import compressions_of
from qatflow.search.options import Goal, Options
from qatflow.tflite.convert import convert_float

RUNS = 300
COLUMNS = (
    *("flatbuffer", "accuracy %", "bytes", "zstd", "zstd, QAT = 100", "float / zstd", "latency, QAT = 1"),
    *("zeros %", "values"),
)
HEADER = f"| {' | '.join(COLUMNS)} |\n| --- |{' ---: |' * (len(COLUMNS) - 1)}"
OURS = {
    "PTQ int8": "ptq_w8a8",
    "QAT int8": "qat_w8a8_per_channel",
    "PQAT int8": "pqat_w8a8",
    "CQAT int8": "cqat_w8a8",
    "PCQAT int8": "pcqat_w8a8",
    "structured int8": "qat_w8a8_structured",
    "PTQ int4": "ptq_w4a8",
    "QAT int4": "qat_w4a8",
    "PQAT int4": "pqat_w4a8",
    "structured int4": "qat_w4a8_structured",
}
"""Label -> strategy, with the settings of the case's plan."""
HALF = {"sparsity": 0.5, "scope": "layer"}
HALVES = {"PQAT int8, 50 %": HALF, "PQAT int8, 2:4": HALF | {"pattern": "2:4"}}
"""Label -> what `pqat_w8a8` is asked for in place of that."""


@dataclass(frozen=True)
class Plan:
    """How a case is trained: epochs in float and with fake-quants, and what compression is asked for."""

    epochs: int
    qat_epochs: int
    learning_rate: float
    compression: Mapping[str, Any]
    taught: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int = 128
    base: Mapping[str, Any] = field(default_factory=dict)
    """Changes to how the float model is trained that all start from."""
    rows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Label of a row -> its own settings of compression."""
    peer_epochs: int | None = None
    """Of plain QAT; None for as many as float training and QAT of the others together."""

    def settings(self, **changes: Any) -> QuantizeParams:
        """Return the engine's settings, with other ones of compression."""
        training = QatParams(
            epochs=self.qat_epochs, batch_size=self.batch_size, learning_rate=self.learning_rate, **self.taught
        )
        compression = CompressionParams(**{"epochs": self.epochs, **self.compression, **changes})
        return QuantizeParams(training=training, compression=compression)

    def as_long(self) -> QatParams:
        """Return the training of peers."""
        training = self.settings().training
        return training.model_copy(update={"epochs": self.peer_epochs or self.epochs + self.qat_epochs})


VIEWS = {"augment": ("flip", "shift")}
FITTING = {"reestimate_batches": 50}
STRONG_TEACHER = {"distillation": 0.9, "distillation_temperature": 4.0}
"""Where the float model was trained well, sparse ones recover more from its soft targets; see docs/compression.md."""
PLANS = {
    "digits": Plan(10, 10, 1e-3, {"sparsity": 0.65, "channels": 0.5, "multiple_of": 4}, batch_size=64),
    "resnet8": Plan(
        *(30, 3, 2e-4),
        {"learning_rate": 2e-3, "growth": 0.4, "sparsity": 0.58},
        STRONG_TEACHER | VIEWS | FITTING,
        base=VIEWS | {"epochs": 6},
        rows={
            **{
                label: {"epochs": 16, "branches": 1, "channels": 0.37}
                for label in ("structured int8", "structured int4")
            },
            "PQAT int4": {"epochs": 16, "learning_rate": 1e-3, "growth": 0.5, "sparsity": 0.69},
            "PQAT int8, 50 %": {"epochs": 8},
            "PQAT int8, 2:4": {"epochs": 8},
        },
        peer_epochs=3,
    ),
    "mobilenet": Plan(10, 3, 1e-3, {"sparsity": 0.7, "scope": "layer", "clusters": 8, "channels": 0.6}, FITTING),
}
WHOLE = 50_000


def main() -> None:
    """Measure and print."""
    parser = arguments_parser(__doc__ or "")
    parser.add_argument("--only", nargs="*", help="labels of rows, besides float and QAT")
    arguments = parser.parse_args()
    with hushed(), tempfile.TemporaryDirectory() as folder:
        data = prepared_data(arguments, Path(folder) / "data", WHOLE)
        training = base_training(arguments.case).model_copy(update=dict(PLANS[arguments.case].base))
        base = base_model(arguments, data, training)
        rows = dict(_rows(arguments, base, data))
        sample, _ = data.test.arrays(limit=1)
        times = interleaved_latency(list(rows.values()), sample, threads=1, runs=RUNS)
        latencies = {label: each.p50 for label, each in zip(rows, times, strict=True)}
        print(f"\n{arguments.case}: {data.test.count} test samples, {PLANS[arguments.case]}\n")
        print(HEADER)
        for label, flatbuffer in rows.items():
            print(_line(label, flatbuffer, rows, latencies, accuracy_of(flatbuffer, data)))
        print(f"\nThe search takes {_best(rows, PLANS[arguments.case], base, data)}")


def _rows(arguments: argparse.Namespace, base: keras.Model, data: PreparedData) -> Iterator[tuple[str, bytes]]:
    """Yield each flatbuffer as it is made."""
    plan, started = PLANS[arguments.case], time.monotonic()
    makers = _makers(plan, base, data)
    wanted = list(makers) if arguments.only is None else ["float", "QAT int8", *arguments.only]
    for label in wanted:
        start(0)
        try:
            flatbuffer = _kept(arguments, label, makers[label])
        except (QATFlowError, ValueError) as error:
            print(f"  {label}: {error}", flush=True)
            continue
        print(f"  {label}: {accuracy_of(flatbuffer, data):.4f} {len(flatbuffer)} {zstd_bytes(flatbuffer)}", flush=True)
        print(f"  {time.monotonic() - started:.0f} s", flush=True)
        yield label, flatbuffer


def _kept(arguments: argparse.Namespace, label: str, maker: Callable[[], bytes]) -> bytes:
    """Return a flatbuffer, from an earlier run with the same plan for it if `--cache` has it."""
    if arguments.cache is None:
        return maker()
    plan = PLANS[arguments.case]
    own = replace(plan, rows={label: plan.rows.get(label, {})})
    slug = re.sub(r"\W+", "-", label)
    path = arguments.cache / f"{arguments.case}-{slug}-{digest([label, asdict(own)])[:16]}.tflite"
    if not path.exists():
        path.write_bytes(maker())
    return Path(path).read_bytes()


def _makers(plan: Plan, base: keras.Model, data: PreparedData) -> dict[str, Callable[[], bytes]]:
    compressed: dict[str, Any] = {}

    def ours(strategy: str, **changes: Any) -> bytes:
        settings = plan.settings(**changes)
        if not compressions_of(strategy):
            settings = settings.model_copy(update={"training": plan.as_long()})
        return make(strategy, base, data, settings, seed=0, compressed=compressed).flatbuffer

    def peer(name: str) -> bytes:
        network = stock_chain(name, base, data, plan.settings())
        return convert_stock(network, data.train.arrays(limit=300)[0])

    return {
        "float": lambda: convert_float(base),
        **{label: partial(ours, strategy, **plan.rows.get(label, {})) for label, strategy in OURS.items()},
        **{label: partial(ours, "pqat_w8a8", **asked, **plan.rows.get(label, {})) for label, asked in HALVES.items()},
        "float, trained as long": lambda: convert_float(tuned(base, data, plan.as_long(), 0)),
        **{name: partial(peer, name) for name in CHAINS},
    }


def _best(rows: Mapping[str, bytes], plan: Plan, base: keras.Model, data: PreparedData) -> str:
    """Return what the search takes, by bytes that travel, among the rows that are strategies of ours."""
    made = {strategy: rows[label] for label, strategy in OURS.items() if label in rows}

    def again(strategy: str, *_: Any, **__: Any) -> Made:
        return Made(strategy, made[strategy], base, [], {}, (), quantized=Deployable(base))

    options = Options(settings=plan.settings(), latency_runs=1)
    search = Search(base, data, Goal(compressed=True), options, make=again, clock=Clock())
    found = search.auto(list(made), exhaustive=True)
    return f"{found.strategy}: {found.reason}"


def _line(
    label: str, flatbuffer: bytes, rows: Mapping[str, bytes], latencies: Mapping[str, float], accuracy: float
) -> str:
    """Return a row; zeros and distinct values are those of the layer in the middle, of the stored integers."""
    zstd, found = zstd_bytes(flatbuffer), sparsity(flatbuffer)["layers"]
    zeros = np.median([100 * layer["zeros"] / layer["weights"] for layer in found])
    values = np.median([layer["distinct"] for layer in found])
    share, slower = 100 * zstd / zstd_bytes(rows["QAT int8"]), latencies[label] / latencies["QAT int8"]
    figures = f"{100 * accuracy:.2f} | {len(flatbuffer)} | {zstd} | {share:.1f} | {len(rows['float']) / zstd:.1f}"
    return f"| {label} | {figures} | {slower:.2f} | {zeros:.0f} | {values:.0f} |"


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"\n{time.monotonic() - started:.0f} s")
