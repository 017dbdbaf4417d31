"""What the target micro promises beside what TFLite Micro itself says: arena bytes, and outputs of the self-test.

`python -m benchmarks.micro --tflm PYTHON [MODEL ...]`; PYTHON is the interpreter of an environment of its own with
`tflite-micro` and NumPy (`pip install tflite-micro numpy`). Models are the golden ones unless named. Prints a table and
writes `benchmarks/results/micro.md`.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from qatflow.artifacts import Array
from qatflow.errors import ConversionError
from qatflow.evaluation.arena import estimate_arena
from qatflow.tflite.runtime import Runner
from qatflow.tflite.session import Kernels

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "micro.md"
SAMPLES = 300
SCRIPT = """
import sys
import numpy as np
from tflite_micro.python.tflite_micro import runtime
interpreter = runtime.Interpreter.from_file(sys.argv[1], arena_size=1 << 24)
interpreter.print_allocations()
outputs = []
for sample in np.load(sys.argv[2]):
    interpreter.set_input(sample[None], 0)
    interpreter.invoke()
    outputs.append(np.array(interpreter.get_output(0))[0])
np.save(sys.argv[3], np.stack(outputs))
"""
HEAD = """| model | activations planned | TFLM | all, estimated | TFLM | reference kernels | XNNPACK |
| --- | ---: | ---: | ---: | ---: | --- | --- |"""
NOTE = f"""Bytes; *TFLM* is what its RecordingMicroAllocator tells on x86-64. Right: how
many output values of {SAMPLES} digits (else random samples) differ from TFLM's, and the largest difference in steps (of
float outputs the difference itself)."""


def micro(python: Path, model: Path, q: Array) -> tuple[int, int, Array]:
    """Run a model in TFLite Micro; return bytes of activations and of all, and outputs.

    Raises:
        ConversionError: If TFLite Micro cannot run it.
    """
    with tempfile.TemporaryDirectory() as folder:
        inputs, outputs = Path(folder) / "q.npy", Path(folder) / "y.npy"
        np.save(inputs, q)
        command = [python, "-c", SCRIPT, model, inputs, outputs]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ConversionError((done.stdout + done.stderr).strip().splitlines()[0][:120].replace("|", "/"))
        told = dict(re.findall(r"Arena allocation (\w+) (\d+) bytes", done.stdout + done.stderr))
        return int(told["head"]), int(told["total"]), np.load(outputs)


def difference(model: bytes, kernels: Kernels, x: Array, expected: Array) -> str:
    """Say how LiteRT's outputs differ from TFLite Micro's."""
    try:
        found = Runner(model, kernels=kernels).raw(x)
    except ConversionError:
        return "cannot run it"
    apart = np.abs(found.astype(float) - expected.astype(float))
    return f"{int((apart > 0).sum())} of {apart.size}, {apart.max():.2g}"


def row(python: Path, model: Path) -> str:
    """Return a model's line of the table."""
    content = model.read_bytes()
    name = model.stem if model.stem != "model" else model.parent.name
    runner, arena = Runner(content), estimate_arena(content)
    x = (load_digits().images[:SAMPLES] / 16).astype(np.float32)
    if np.prod(runner.input.shape) != x[0].size:
        x = np.random.default_rng(0).random((SAMPLES, *runner.input.shape), np.float32)
    x = x.reshape(SAMPLES, *runner.input.shape)
    try:
        head, total, expected = micro(python, model, runner.input.quantize(x))
    except ConversionError as error:
        return f"| {name} | {arena.activations} | | {arena.total} | | TFLM: {error} | |"
    apart = " | ".join(difference(content, kernels, x, expected) for kernels in ("reference", "xnnpack"))
    return f"| {name} | {arena.activations} | {head} | {arena.total} | {total} | {apart} |"


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tflm", type=Path, required=True, help="Python with tflite-micro")
    parser.add_argument("model", nargs="*", type=Path)
    options = parser.parse_args()
    models = options.model or sorted((ROOT / "tests" / "golden").glob("*.tflite"))
    table = "\n".join([HEAD, *(row(options.tflm, model) for model in models)])
    print(table)
    RESULTS.write_text(f"# TFLite Micro\n\n`python -m benchmarks.micro`. {NOTE}\n\n{table}\n")


if __name__ == "__main__":
    main()
