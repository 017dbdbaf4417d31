"""How much memory a process needs for a flatbuffer."""

import json
import subprocess
import sys
from collections.abc import Sequence

from qatflow.errors import ConversionError
from qatflow.evaluation import memory_probe

TIMEOUT_S = 300


def peak_memory(models: Sequence[bytes]) -> list[int]:
    """Return for each model by how many bytes the peak resident set grows when it is loaded and run once.

    Measured in a fresh process, over LiteRT and NumPy imported; the pages of LiteRT's own code that the model is the
    first to touch, some megabytes, count too.

    Raises:
        ConversionError: If a model ends that process.
    """
    sizes = [str(len(model)) for model in models]
    command = [sys.executable, "-P", memory_probe.__file__, *sizes]
    probe = subprocess.run(command, input=b"".join(models), capture_output=True, timeout=TIMEOUT_S, check=False)
    if probe.returncode:
        reason = probe.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise ConversionError(f"The model cannot run in a fresh process: {''.join(reason)}")
    return [int(size) for size in json.loads(probe.stdout)]
