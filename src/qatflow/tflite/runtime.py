"""Runs a flatbuffer with LiteRT: whole arrays in batches, on any number of threads, bit for bit as one by one."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from qatflow.artifacts import Array
from qatflow.errors import DataError
from qatflow.tflite.batching import largest_batch
from qatflow.tflite.session import Kernels, Session, TensorSpec, one_line

__all__ = ["Runner", "TensorSpec"]


class Runner:
    """A loaded flatbuffer with one input and one output. Safe to call from several threads.

    Args:
        model: The flatbuffer.
        threads: Worker threads, each with sessions of one thread.
        kernels: See `Session`.
        device: See `Session`.
        batch_size: Samples in one invoke; what is left over runs one by one. A model that answers batches otherwise
            runs all samples one by one.

    Raises:
        ConversionError: See `Session`.
    """

    input: TensorSpec
    output: TensorSpec

    def __init__(
        self,
        model: bytes,
        *,
        threads: int = 1,
        kernels: Kernels = "xnnpack",
        device: str = "cpu",
        batch_size: int = 32,
    ) -> None:
        self._open: Callable[[int], Session] = lambda batch: Session(model, kernels=kernels, batch=batch, device=device)
        single = self._open(1)
        self.input, self.output = single.input, single.output
        self._threads, self._batch_size = threads, largest_batch(self._open, single, batch_size)
        self._idle = {self._batch_size: deque[Session](), 1: deque([single])}

    def raw(self, x: Array) -> Array:
        """Return the outputs (n, *output.shape) in the flatbuffer's own dtype for inputs (n, *input.shape) float32.

        Raises:
            DataError: If `x` has another shape, or holds NaN or infinity.
            ConversionError: If the model fails while it runs.
        """
        x = _checked(x, self.input)
        y = np.empty((len(x), *self.output.shape), self.output.dtype)

        def work(rows: slice) -> None:
            with self._leased(rows.stop - rows.start) as session, np.errstate(over="ignore"):
                y[rows] = session.run(self.input.quantize(x[rows]))

        jobs = list(_slices(len(x), self._batch_size))
        if self._threads == 1 or len(jobs) < 2:
            for rows in jobs:
                work(rows)
        else:
            with ThreadPoolExecutor(self._threads) as pool:
                list(pool.map(work, jobs))
        return y

    def predict(self, x: Array) -> npt.NDArray[np.float32]:
        """Return the outputs as real values, (n, *output.shape) float32; see `raw`."""
        return self.output.dequantize(self.raw(x))

    @contextmanager
    def _leased(self, batch: int) -> Iterator[Session]:
        """Lend a session to this thread alone; one that failed does not come back."""
        try:
            session = self._idle[batch].pop()
        except IndexError:
            session = self._open(batch)
        yield session
        self._idle[batch].append(session)


def _checked(x: Array, spec: TensorSpec) -> npt.NDArray[np.float32]:
    try:
        with np.errstate(over="ignore"):
            x = np.ascontiguousarray(x, np.float32)
    except (TypeError, ValueError) as error:
        raise DataError(f"Inputs are no array of numbers: {one_line(error)}") from None
    if x.shape[1:] != spec.shape:
        raise DataError(f"Inputs have shape {list(x.shape)}; the model takes {['n', *spec.shape]}".replace("'", ""))
    if not np.isfinite(x).all():
        row = int(np.isfinite(x).reshape(len(x), -1).all(axis=1).argmin())
        raise DataError(f"Input {row} holds NaN, infinity or a value beyond float32")
    return x


def _slices(count: int, batch_size: int) -> Iterator[slice]:
    whole = count - count % batch_size
    for start in range(0, whole, batch_size):
        yield slice(start, start + batch_size)
    for start in range(whole, count):
        yield slice(start, start + 1)
