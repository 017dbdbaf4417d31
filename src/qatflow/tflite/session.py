"""One flatbuffer loaded into one LiteRT interpreter: its tensors, and one batch at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from qatflow.artifacts import Array
from qatflow.errors import ConversionError
from qatflow.tflite.devices import check_all_delegated, open_device

Kernels = Literal["xnnpack", "reference"]
RESOLVERS: Mapping[Kernels, OpResolverType] = {"xnnpack": OpResolverType.AUTO, "reference": OpResolverType.BUILTIN_REF}
DELEGATED = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
DTYPES = ("float32", "int8", "uint8", "int16")
STATEFUL = frozenset(
    {
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        "BIDIRECTIONAL_SEQUENCE_LSTM",
        "UNIDIRECTIONAL_SEQUENCE_RNN",
        "BIDIRECTIONAL_SEQUENCE_RNN",
        "LSTM",
        "RNN",
        "SVDF",
    }
)
"""Operators that remember; without a reset a sample would be answered in the light of the one before."""
LIMITS = {name: (np.float32(np.iinfo(name).min), np.float32(np.iinfo(name).max)) for name in DTYPES[1:]}


@dataclass(frozen=True)
class TensorSpec:
    """The input or output tensor of a flatbuffer.

    Attributes:
        name: As in the file.
        shape: Of one sample, without the batch.
        dtype: NumPy name, one of `DTYPES`.
        scale: One step of the quantized value; `real = scale * (q - zero_point)`. 0 for float tensors.
        zero_point: The quantized value of real 0. 0 for float tensors.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float
    zero_point: int

    def quantize(self, x: npt.NDArray[np.float32]) -> Array:
        """Return finite float32 values as this tensor stores them, clipped to its range.

        Ties round to even, as XNNPACK's QUANTIZE does; LiteRT's reference kernel rounds them away from zero.
        """
        if self.dtype == "float32":
            return x
        q = x / np.float32(self.scale)
        np.rint(q, out=q)
        q += np.float32(self.zero_point)
        low, high = LIMITS[self.dtype]
        np.maximum(q, low, out=q)
        np.minimum(q, high, out=q)
        return q.astype(self.dtype)

    def dequantize(self, q: Array) -> npt.NDArray[np.float32]:
        """Return the real values, float32."""
        if self.dtype == "float32":
            return q
        return (q.astype(np.float32) - np.float32(self.zero_point)) * np.float32(self.scale)


class Session:
    """A flatbuffer loaded for one batch size. For one thread at a time: LiteRT's interpreters are not thread-safe.

    Args:
        model: The flatbuffer. Bytes, never a path: LiteRT maps files, and a mapped file that shrinks kills the process.
        kernels: `reference` are LiteRT's portable C++ kernels. They round otherwise than XNNPACK: some tensors differ
            by 1 LSB, which a softmax behind them can stretch to several.
        batch: Samples in one invoke.
        threads: Threads inside one invoke.
        device: One of `devices.DEVICES`. Another than `cpu` must take the whole model; `kernels` is not looked at then.

    Raises:
        DeployError: If this machine has no such device, or it does not take the whole model.
        ConversionError: If LiteRT refuses the bytes, has no kernel for an operator or cannot take such a batch, or the
            model has several inputs or outputs or a type other than `DTYPES`.
    """

    input: TensorSpec
    output: TensorSpec

    def __init__(
        self, model: bytes, *, kernels: Kernels = "xnnpack", batch: int = 1, threads: int = 1, device: str = "cpu"
    ) -> None:
        if model[4:8] != b"TFL3":
            raise ConversionError(f"These {len(model)} bytes are no TFLite model: bytes 4 to 8 must be TFL3")
        delegates = open_device(device)
        try:
            self._interpreter = Interpreter(
                model_content=model,
                num_threads=threads,
                experimental_op_resolver_type=DELEGATED if delegates else RESOLVERS[kernels],
                experimental_delegates=delegates,
            )
            source = _only(self._interpreter.get_input_details(), "input")
            self._interpreter.resize_tensor_input(source["index"], [batch, *source["shape"][1:]])
            self._interpreter.allocate_tensors()
            sink = _only(self._interpreter.get_output_details(), "output")
            operators = self._interpreter._get_ops_details()  # noqa: SLF001 (no public call tells)
        except (ValueError, RuntimeError, MemoryError) as error:
            raise ConversionError(f"LiteRT refuses the model with {kernels} kernels: {one_line(error)}") from None
        self._batch, self._source, self._sink = batch, source["index"], sink["index"]
        self._remembers = any(operator["op_name"] in STATEFUL for operator in operators)
        if delegates:
            check_all_delegated(device, operators, self._source, self._sink)
        self.input = _spec(source, "input")
        if tuple(sink["shape"][:1]) != (batch,):
            sink = self._called(sink)
        self.output = _spec(sink, "output")

    def run(self, q: Array) -> Array:
        """Return outputs (batch, *output.shape) for inputs (batch, *input.shape), both as the tensors store them.

        Raises:
            ConversionError: If an operator fails, or the model gives another shape than it said.
        """
        try:
            self._interpreter.set_tensor(self._source, q)
            self.repeat()
            y = np.asarray(self._interpreter.get_tensor(self._sink))
        except (ValueError, RuntimeError) as error:
            raise ConversionError(f"The model fails while it runs: {one_line(error)}") from None
        if y.shape != (self._batch, *self.output.shape):
            raise ConversionError(f"The model gave shape {y.shape} for {self._batch} samples of {self.output.shape}")
        return y

    def _called(self, sink: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the output as it is after a call: models that compute shapes from shapes do not know it before."""
        try:
            self._interpreter.set_tensor(self._source, np.zeros((self._batch, *self.input.shape), self.input.dtype))
            self._interpreter.invoke()
            shape = self._interpreter.get_tensor(self._sink).shape
        except (ValueError, RuntimeError) as error:
            raise ConversionError(f"The model takes no batch of {self._batch}: {one_line(error)}") from None
        if shape[:1] != (self._batch,):
            raise ConversionError(f"The model gives outputs of shape {shape} for a batch of {self._batch}")
        return {**sink, "shape": shape}

    def repeat(self) -> None:
        """Compute the outputs of the last `run` again, from empty states, and copy nothing: for timing."""
        if self._remembers:
            self._interpreter.reset_all_variables()
        self._interpreter.invoke()


def _only(details: Sequence[Mapping[str, Any]], role: str) -> Mapping[str, Any]:
    if len(details) != 1:
        raise ConversionError(f"The model has {len(details)} {role}s; QATFlow runs models with exactly one")
    return details[0]


def _spec(tensor: Mapping[str, Any], role: str) -> TensorSpec:
    dtype, shape = np.dtype(tensor["dtype"]).name, tuple(int(size) for size in tensor["shape"])
    if dtype not in DTYPES or not shape:
        raise ConversionError(f"The model's {role} is {dtype} of shape {shape}; needed: a batch of {', '.join(DTYPES)}")
    scale, zero_point = tensor["quantization"]
    spec = TensorSpec(tensor["name"], shape[1:], dtype, float(scale), int(zero_point))
    if dtype != "float32" and not _fits(spec):
        raise ConversionError(f"The model's {role} has scale {scale} and zero point {zero_point}, unfit for {dtype}")
    return spec


def _fits(spec: TensorSpec) -> bool:
    limits = np.iinfo(spec.dtype)
    return isfinite(spec.scale) and spec.scale > 0 and limits.min <= spec.zero_point <= limits.max


def one_line(error: Exception) -> str:
    """Return an error's message without line breaks, shortened."""
    return " ".join(str(error).split())[:300]
