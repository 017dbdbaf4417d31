"""QATFlow: from a Keras model or a data set to a verified int8/int4 TFLite model. Importing it imports no TensorFlow.

`__all__` is the public interface, and docs/api.md shows each name at work; all else may change. The examples there use

    >>> import numpy as np
    >>> import qatflow
    >>> from sklearn.datasets import load_digits
    >>> from tf_keras import Sequential, layers
    >>> digits = load_digits()
    >>> x, y = (digits.images[..., None] / 16).astype("float32"), digits.target
    >>> stack = [layers.Flatten(input_shape=(8, 8, 1)), layers.Dense(32, "relu", name="hidden")]
    >>> model = Sequential([*stack, layers.Dense(10, "softmax", name="classes")])
    >>> model.compile("adam", "sparse_categorical_crossentropy")
    >>> _ = model.fit(x, y, epochs=15, verbose=0)
"""

from importlib import import_module
from typing import TYPE_CHECKING

from qatflow.quiet import hushed

if TYPE_CHECKING:
    from qatflow.errors import ArtifactError, ConversionError, DataError, ModelError, ParamsError, QATFlowError
    from qatflow.release.bundle import Bundle, load_bundle
    from qatflow.release.explained import explain
    from qatflow.release.quantized import save_bundle
    from qatflow.release.scored import evaluate
    from qatflow.report.compare.comparison import compare
    from qatflow.search.api import auto_quantize, quantize
    from qatflow.search.options import Goal, Options
    from qatflow.search.result import SearchResult

__version__ = "0.2.0"

__all__ = [
    "ArtifactError",
    "Bundle",
    "ConversionError",
    "DataError",
    "Goal",
    "ModelError",
    "Options",
    "ParamsError",
    "QATFlowError",
    "SearchResult",
    "__version__",
    "auto_quantize",
    "compare",
    "evaluate",
    "explain",
    "load_bundle",
    "quantize",
    "save_bundle",
]

_HOMES = {
    "quantize": "search.api",
    "auto_quantize": "search.api",
    "Goal": "search.options",
    "Options": "search.options",
    "SearchResult": "search.result",
    "Bundle": "release.bundle",
    "load_bundle": "release.bundle",
    "save_bundle": "release.quantized",
    "evaluate": "release.scored",
    "explain": "release.explained",
    "compare": "report.compare.comparison",
}


if not TYPE_CHECKING:  # a type checker would take every misspelt name for a public one

    def __getattr__(name: str) -> object:
        """Return a public name from the module it lives in, imported only now: importing the package stays quick."""
        if name not in __all__:
            raise AttributeError(f"module 'qatflow' has no attribute '{name}'")
        from qatflow.extras import named

        with named(f"qatflow.{name}"), hushed():  # TensorFlow has something to say whenever it is imported
            return getattr(import_module(f"qatflow.{_HOMES.get(name, 'errors')}"), name)


def __dir__() -> list[str]:
    """Name what is public."""
    return sorted(__all__)
