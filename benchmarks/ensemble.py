"""Three int8 or int4 variants of ResNet-8 on CIFAR-10 as one flatbuffer: accuracy, calibration, price, significance.

`python -m benchmarks.ensemble --data FOLDER --model pretrainedResnet.h5 [--cache FOLDER] [--out FOLDER]` prints two
Markdown tables, then deploys the best ensemble's bundle and asks it through `qatflow infer`.

Each variant is quantized from a float model of its own: the pretrained one, tuned to these JPEG images with another
seed. Variants of one and the same float model err together, and members that do so are worth no more than one of them.
At last one int8 student learns from the ensemble, and one from the float model, for as many steps.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.qat_accuracy import base_model, prepared_data
from qatflow.artifacts import digest, read_json
from qatflow.backend import keras, start
from qatflow.data.prepared import PreparedData
from qatflow.deploy import TARGETS
from qatflow.ensemble.build import RECORD, Ingredients, build_ensemble
from qatflow.ensemble.combine import COMBINERS
from qatflow.ensemble.distil import distil
from qatflow.ensemble.figures import judge
from qatflow.evaluation.result import Evaluation, Timings
from qatflow.models.files import load_model_file
from qatflow.params.ensemble import EnsembleParams
from qatflow.params.evaluate import EvaluateParams
from qatflow.params.pretrain import PretrainParams
from qatflow.params.quantize import QatParams, QuantizeParams
from qatflow.quantization.base import Work
from qatflow.quantization.run import make
from qatflow.release.base import Candidate
from qatflow.release.bundle import build_bundle
from qatflow.release.manifest import Lineage
from qatflow.screen import hushed
from qatflow.tflite.convert import convert_float
from qatflow.tflite.runtime import Runner
from qatflow.training.fit import fit

CANDIDATES = (("ptq_w8a8", 0), ("ptq_w8a8", 1), ("ptq_w8a8", 2), ("ptq_w8a8", 3), ("ptq_w4a8", 1))
"""Strategy and seed of the tuning."""
TUNING = PretrainParams(epochs=3, batch_size=128, learning_rate=0.001)
"""As `base_model` tunes, whose seed is 0."""
STUDENT = QatParams(epochs=2, batch_size=128, learning_rate=0.0003)
SIZE = 3
STRATEGY = "qat_w8a8_per_channel"


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    with hushed(), tempfile.TemporaryDirectory() as folder:
        data = prepared_data(arguments, Path(folder) / "data", arguments.samples)
        base = base_model(arguments, data)
        given = _ingredients(arguments, base, data)
        print(f"\n{data.test.count} test samples, chosen on {data.val.count} validation samples\n")
        _print_singles(given)
        records = {name: _ensemble(given, name, Path(folder) / name) for name in COMBINERS}
        _print_ensembles(records)
        best = max(records, key=lambda name: (bool(records[name]["members"]), records[name].get("score", 0.0)))
        if records[best]["members"]:
            _serve(given, Path(folder) / best, arguments.out or Path(folder) / "out")
            _print_students(base, data, (Path(folder) / best / "model.tflite").read_bytes())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="CIFAR-10 as an image folder")
    parser.add_argument("--model", type=Path, required=True, help="pretrainedResnet.h5")
    parser.add_argument("--cache", type=Path, help="folder that keeps the float model between runs")
    parser.add_argument("--samples", type=int, help="of each split; by default as in benchmarks.qat_accuracy")
    parser.add_argument("--out", type=Path, help="folder for bundle and deployment")
    return parser.parse_args(namespace=argparse.Namespace(case="resnet8"))


def _ingredients(arguments: argparse.Namespace, base: keras.Model, data: PreparedData) -> Ingredients:
    x, _ = data.test.arrays()
    tuned = {0: base} | {seed: _tuned(arguments, data, seed) for seed in {seed for _, seed in CANDIDATES if seed}}
    models = {
        f"{strategy}-{seed}": make(strategy, tuned[seed], data, QuantizeParams(), seed=seed).flatbuffer
        for strategy, seed in CANDIDATES
    }
    outputs = {name: Runner(model, threads=2).predict(x) for name, model in models.items()}
    return Ingredients(models, outputs, convert_float(base), data)


def _tuned(arguments: argparse.Namespace, data: PreparedData, seed: int) -> keras.Model:
    start(seed)
    model = load_model_file(arguments.model)
    fit(model, data, TUNING, seed, f"tuning {seed}")
    return model


def _print_singles(given: Ingredients) -> None:
    print("| flatbuffer | accuracy % | ECE % | bytes |\n| --- | ---: | ---: | ---: |")
    x, _ = given.data.test.arrays()
    floats = {"float": given.float_model}, {"float": Runner(given.float_model, threads=2).predict(x)}
    for models, outputs in (floats, (given.models, given.outputs)):
        for name, model in models.items():
            found = judge("classification", given.data.test, model, outputs[name], given.data.class_names)
            print(f"| {name} | {100 * found.score:.2f} | {100 * (found.ece or 0):.2f} | {len(model)} |")


def _ensemble(given: Ingredients, combine: str, out: Path) -> dict[str, Any]:
    out.mkdir()
    build_ensemble(EnsembleParams(size=SIZE, combine=combine), given, EvaluateParams(), out)
    record: dict[str, Any] = read_json(out / RECORD)
    if record["members"]:
        record["latency_ratio"] = Timings.read(out).latency_ratio
    return record


def _print_ensembles(records: dict[str, dict[str, Any]]) -> None:
    print("\n| ensemble | members (weight) | accuracy % | ECE % | against the best one | p | bytes | disagreement % |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, record in records.items():
        print(_line(name, record) if record["members"] else f"| {name} | none: {record['reason']} | | | | | | |")


def _line(name: str, record: dict[str, Any]) -> str:
    members = ", ".join(f"{member} ({facts['weight']:.2f})" for member, facts in record["members"].items())
    best = record["best"]
    against = record["against"][best]
    return (
        f"| {name} | {members} | {100 * record['score']:.2f} | {100 * record['ece']:.2f} | "
        f"{100 * against['gain']:+.2f} points against {best} | {against['p']:.2g} | "
        f"{record['size_bytes']} ({record['size_ratio']:.1f}x) | {100 * record['disagreement']:.1f} |"
    )


def _serve(given: Ingredients, made: Path, out: Path) -> None:
    """Deploy the ensemble's bundle and hold what `qatflow infer` answers against the ensemble's own outputs."""
    record, data = read_json(made / RECORD), given.data
    candidate = Candidate(
        variant="ensemble",
        trained=False,
        evaluation=Evaluation.read(made),
        timings=Timings.read(made),
        correct=None,
        model=(made / "model.tflite").read_bytes(),
        ensemble=record,
    )
    members = {name: member["sha256"] for name, member in record["members"].items()}
    lineage = _lineage(data, members)
    receipt = TARGETS["local"](build_bundle(out / "bundle", candidate, data, lineage), out / "deployed")
    x, _ = data.test.arrays(limit=100)
    raw = (x - np.float32(data.preprocessing.offset)) / np.float32(data.preprocessing.scale)
    np.save(out / "samples.npy", raw)
    answers = list(_infer(out / "deployed" / "current", out / "samples.npy"))
    same = np.mean(np.array(answers) == Runner(candidate.model).predict(x))
    ratio = candidate.timings.latency_ratio
    print(f"\ndeployed {receipt['version']}: `qatflow infer` gives {same:.1%} of the flatbuffer's own values exactly")
    print(f"latency: {candidate.latency_us:.0f} µs, {ratio:.2f} times the float model's")


def _print_students(base: keras.Model, data: PreparedData, ensemble: bytes) -> None:
    settings = QuantizeParams(training=STUDENT)
    x, _ = data.test.arrays()
    students = {
        "float model": make(STRATEGY, base, data, settings, seed=1).flatbuffer,
        "ensemble": distil(STRATEGY, base, ensemble, Work(data, settings, 1)),
    }
    print(f"\n| {STRATEGY}, taught by | accuracy % | ECE % | bytes |\n| --- | ---: | ---: | ---: |")
    for teacher, model in students.items():
        outputs = Runner(model, threads=2).predict(x)
        found = judge("classification", data.test, model, outputs, data.class_names)
        print(f"| {teacher} | {100 * found.score:.2f} | {100 * (found.ece or 0):.2f} | {len(model)} |", flush=True)


def _lineage(data: PreparedData, members: dict[str, str]) -> Lineage:
    return Lineage(
        git_commit=None,
        params_sha256=digest(members),
        data_sha256=data.card.sha256,
        data_md5=None,
        stages={},
        members=members,
    )


def _infer(bundle: Path, samples: Path) -> Iterator[list[float]]:
    command = [sys.executable, "-c", "from qatflow.cli import main; main()", "infer", str(bundle), str(samples)]
    for line in subprocess.check_output(command, text=True).splitlines():
        yield json.loads(line)["scores"]


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"\n{time.monotonic() - started:.0f} s")
