"""What a flatbuffer computes on. What was asked for is used, or it is said why not; never silently another device."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ai_edge_litert.interpreter import load_delegate

from qatflow.errors import DeployError, lookup

GPU_LIBRARY = "libtensorflowlite_gpu_delegate.so"
GPU_VARIABLE = "QATFLOW_GPU_DELEGATE"
Delegates = list[Any]


def _cpu() -> Delegates:
    return []


def _gpu() -> Delegates:
    """Load LiteRT's GPU delegate. Its wheels for Python bring none, so that the system or the user must."""
    library = os.environ.get(GPU_VARIABLE, GPU_LIBRARY)
    try:
        _ = ctypes.CDLL(library).tflite_plugin_create_delegate  # LiteRT looks too late to clean up after itself
        return [load_delegate(library)]
    except (OSError, ValueError, AttributeError) as error:
        said = " ".join(str(error).split())[:200]
        raise DeployError(
            f"There is no GPU delegate for LiteRT here ({said}); put the path of {GPU_LIBRARY}, built for this "
            f"machine, into {GPU_VARIABLE}, or choose the device cpu"
        ) from None


DEVICES: Mapping[str, Callable[[], Delegates]] = {"cpu": _cpu, "gpu": _gpu}


def open_device(name: str) -> Delegates:
    """Return delegates for one new interpreter; empty for the CPU, which needs none.

    Raises:
        ParamsError: If there is no such device.
        DeployError: If this machine has none.
    """
    return lookup("device", name, DEVICES)()


def check_all_delegated(name: str, operators: Sequence[Mapping[str, Any]], source: int, sink: int) -> None:
    """Check that one delegate computes from the model's input to its output, and not the CPU in part.

    Args:
        name: Of the device.
        operators: As the interpreter lists them after tensors were allocated.
        source: Index of the input tensor.
        sink: Index of the output tensor.

    Raises:
        DeployError: If the CPU would have to compute some or all.
    """
    taken = [op for op in operators if op["op_name"] == "DELEGATE"]
    if len(taken) == 1 and source in taken[0]["inputs"] and sink in taken[0]["outputs"]:
        return
    how = "none" if not taken else "only some"
    raise DeployError(
        f"The device {name} takes {how} of this model's operators, and the CPU would compute the others; "
        "choose the device cpu, or a model that the device takes whole"
    )
