"""Measures what flows between the operators of a flatbuffer."""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from qatflow.artifacts import Array
from qatflow.errors import DataError
from qatflow.tflite.session import Session


def mean_tensors(model: bytes, samples: Iterable[Array], tensors: Iterable[int]) -> dict[int, npt.NDArray[np.float64]]:
    """Return the mean of each tensor, by its index, as the tensor stores it (not dequantized).

    Integers are summed exactly, so the result does not depend on the order of the samples.

    Args:
        model: One input, one output.
        samples: Each (*input shape) float32.
        tensors: Indices in the first subgraph; none of constants.

    Raises:
        ConversionError: If LiteRT cannot run the model.
        DataError: If there are no samples, or they have another shape than the input.
    """
    sums: dict[int, Array] = {}
    count = 0
    for values in tensors_of(model, samples, tuple(tensors)):
        count += 1
        for index, value in values.items():
            wide = value.astype(np.int64 if value.dtype.kind == "i" else np.float64)
            sums[index] = sums[index] + wide if index in sums else wide
    if not count:
        raise DataError("There are no samples to measure activations with; at least one is needed")
    return {index: total / count for index, total in sums.items()}


def tensors_of(model: bytes, samples: Iterable[Array], tensors: tuple[int, ...]) -> Iterator[dict[int, Array]]:
    """Yield the tensors, each (1, *shape) as it is stored, for one sample after the other; see `mean_tensors`."""
    source = Session(model).input
    # The default delegate would hide what lies between the operators it fuses.
    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(
        model_content=model, experimental_preserve_all_tensors=True, experimental_op_resolver_type=resolver
    )
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]["index"]
    for sample in samples:
        if np.shape(sample) != source.shape:
            raise DataError(f"A sample has shape {np.shape(sample)}; the model takes {source.shape}")
        interpreter.reset_all_variables()
        interpreter.set_tensor(entry, source.quantize(np.asarray(sample, np.float32)[None]))
        interpreter.invoke()
        yield {index: interpreter.get_tensor(index) for index in tensors}
