"""QATFlow: from a Keras model or a data set to a verified int8/int4 TFLite model. Does not import TensorFlow.

`quantize`, `auto_quantize`, `Goal`, `Options` and `save_bundle` are loaded when they are first asked for.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "quantize": "qatflow.search.api",
    "auto_quantize": "qatflow.search.api",
    "Goal": "qatflow.search.options",
    "Options": "qatflow.search.options",
    "save_bundle": "qatflow.release.quantized",
}


def __getattr__(name: str) -> Any:
    """Return a public function from the room it lives in; importing the package itself stays quick."""
    if name not in _HOMES:
        raise AttributeError(f"module 'qatflow' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Name what can be asked for."""
    return [*globals(), *_HOMES]
