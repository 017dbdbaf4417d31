"""A program for test_runtime: loads, runs and inspects damaged copies of a model; a crash in LiteRT ends it.

    python corrupt.py MODEL SEED

It writes, as JSON, how many copies were refused with which error and how many still ran.
"""

import json
import resource
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from qatflow.errors import QATFlowError
from qatflow.tflite.inspect import inventory, layer_weights
from qatflow.tflite.runtime import Runner

TRUNCATIONS = 60
FLIPS = 200
MEMORY_BYTES = 2 << 30


def damaged(model: bytes, seed: int) -> Iterator[bytes]:
    """Yield truncated copies, then copies with one bit flipped."""
    for length in np.linspace(0, len(model) - 1, TRUNCATIONS).astype(int):
        yield model[:length]
    for bit in np.random.default_rng(seed).integers(0, 8 * len(model), FLIPS):
        copy = bytearray(model)
        copy[bit // 8] ^= 1 << (bit % 8)
        yield bytes(copy)


def use(model: bytes) -> str:
    """Load, run and inspect; only errors meant for users may come out."""
    try:
        runner = Runner(model, batch_size=2)
        runner.predict(np.zeros((3, *runner.input.shape)))
        inventory(model)
        layer_weights(model)
    except (QATFlowError, MemoryError) as error:  # a flipped bit can make an honest model of gigantic tensors
        return type(error).__name__
    return "ran"


def main() -> None:
    """Report on one model."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    outcomes = Counter(map(use, damaged(Path(sys.argv[1]).read_bytes(), int(sys.argv[2]))))
    json.dump(outcomes, sys.stdout)


if __name__ == "__main__":
    main()
