"""A program for `memory`: writes by how many bytes memory peaks when each model on stdin is loaded and run once.

    python -P memory_probe.py SIZE... < models, one behind the other

It imports LiteRT and NumPy only, never this package, so that what it measures is what a device process would need.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from functools import partial

import numpy as np
from ai_edge_litert.interpreter import Interpreter

UNIT = 1 if sys.platform == "darwin" else 1024


def peak(work: Callable[[], None]) -> int:
    """Return the highest resident set, in bytes, of a fork of this process that does `work`.

    A fork, because it starts with its own mark: that of a spawned process still holds its parent's memory.
    """
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    _, status, usage = os.wait4(child, 0)
    if os.WIFSIGNALED(status):
        sys.exit(f"killed by {signal.Signals(os.WTERMSIG(status)).name}")
    if status:
        sys.exit(1)
    return usage.ru_maxrss * UNIT


def run_once(model: bytes) -> None:
    """Load a model on one thread and run it on zeros."""
    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    tensor = interpreter.get_input_details()[0]
    interpreter.set_tensor(tensor["index"], np.zeros(tensor["shape"], tensor["dtype"]))
    interpreter.invoke()


def main() -> None:
    """Measure one model after the other."""
    bare = peak(lambda: None)
    growths = [peak(partial(run_once, sys.stdin.buffer.read(int(size)))) - bare for size in sys.argv[1:]]
    sys.stdout.write(json.dumps(growths))


if __name__ == "__main__":
    main()
