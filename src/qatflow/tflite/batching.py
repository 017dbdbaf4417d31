"""Whether a flatbuffer answers samples in batches as it answers them one by one."""

from collections.abc import Callable

import numpy as np

from qatflow.artifacts import Array
from qatflow.errors import ConversionError
from qatflow.tflite.session import Session, TensorSpec


def largest_batch(open_session: Callable[[int], Session], single: Session, wanted: int) -> int:
    """Return `wanted` if the model answers two samples at once as one by one, bit for bit; else 1.

    Converters may fix the batch, in an operator somewhere inside, though the input can be resized: such a model fails,
    or mixes the samples.

    Args:
        open_session: Loads the model for so many samples.
        single: It, loaded for one.
    """
    if wanted == 1:
        return 1
    q = _varied(single.input)
    try:
        together = open_session(2).run(q)
        alone = [single.run(q[:1]), single.run(q[1:])]
    except ConversionError:
        return 1
    return wanted if np.array_equal(together, np.concatenate(alone), equal_nan=together.dtype.kind == "f") else 1


def _varied(spec: TensorSpec) -> Array:
    """Return two samples of all values that the tensor can hold; of floats 0 to 1, which an embedding takes too."""
    rng, shape = np.random.default_rng(0), (2, *spec.shape)
    if spec.dtype == "float32":
        return rng.random(shape, np.float32)
    limits = np.iinfo(spec.dtype)
    return rng.integers(limits.min, limits.max, shape, spec.dtype, endpoint=True)
