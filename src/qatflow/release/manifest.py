"""The schema of a bundle's manifest.json. Everything read from outside passes through it."""

from __future__ import annotations

from math import prod
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from qatflow.data.card import SplitRule
from qatflow.tflite.runtime import TensorSpec

MAX_FILE_BYTES = 2**31
"""A flatbuffer's offsets are signed 32-bit integers."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Section(BaseModel):
    """A part of the manifest: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class File(Section):
    """A file of the bundle."""

    sha256: Sha256
    size_bytes: Annotated[int, Field(ge=0, lt=MAX_FILE_BYTES)]


class Tensor(Section):
    """An input or output tensor, without the batch; `real = scale * (q - zero_point)`."""

    name: str
    shape: tuple[Annotated[int, Field(ge=1)], ...]
    dtype: Literal["float32", "int8", "uint8", "int16"]
    scale: Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
    zero_point: int

    @model_validator(mode="after")
    def _can_be_quantized(self) -> Tensor:
        if self.dtype == "float32":
            return self
        limits = np.iinfo(self.dtype)
        if self.scale <= 0 or not limits.min <= self.zero_point <= limits.max:
            raise ValueError(f"scale {self.scale} and zero point {self.zero_point} are unfit for {self.dtype}")
        return self

    @property
    def size(self) -> int:
        """Number of values in one sample."""
        return prod(self.shape)

    @classmethod
    def of(cls, spec: TensorSpec) -> Tensor:
        """Describe a flatbuffer's tensor."""
        return cls(**vars(spec))


class Preprocessing(Section):
    """What turns the data's own units into model inputs: `x * scale + offset`, along the last axis."""

    scale: tuple[Finite, ...]
    offset: tuple[Finite, ...]


class Lineage(Section):
    """What the model was made from. None where the project has no such thing.

    Attributes:
        data_md5: DVC's digest of the data set.
        uncommitted: Parameters, graph and code that were not as in that commit; the first of many.
        stages: Output folder -> SHA-256 of its manifest.
        members: Of an ensemble: name -> SHA-256 of the flatbuffer.

    `members` and `uncommitted` are not written where there are none, so that manifests without stay as they were.
    """

    git_commit: str | None
    params_sha256: Sha256
    data_sha256: Sha256
    data_md5: str | None
    stages: dict[str, Sha256]
    members: dict[str, Sha256] = {}
    uncommitted: tuple[str, ...] = ()

    @model_serializer(mode="wrap")
    def _without_none(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _without_empty(write(self), "members", "uncommitted")


class BundleManifest(Section):
    """All that is needed to run the flatbuffer, and to know where it came from.

    Attributes:
        labels: Names of the classes, or of the labels of multi-label classification, in the order of the outputs; empty
            for the other tasks. Of two classes a single output gives the probability of the second one.
        features: Names of the columns of a vector, in their order; empty where the data had none. Not written then, so
            that manifests without names stay as they were.
        split: How test samples were told from those that the model was trained on; None, and not written, where the
            data came with splits of their own.
        kernels: The LiteRT kernels that the figures were measured with.
        metric: What `score` is; None, in bundles of before it was always written, for the task's usual one.
        score: The task's figure of merit on the test split; `float_score` is the float model's, None where there is
            none: an ensemble of bundles.
    """

    schema_version: Literal[1] = 1
    task: Annotated[str, Field(pattern="^(classification|multi_label|regression|anomaly)$")]
    strategy: str
    kernels: Literal["xnnpack"] = "xnnpack"
    labels: tuple[str, ...]
    features: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    input: Tensor
    output: Tensor
    preprocessing: Preprocessing
    split: SplitRule | None = None
    metric: Literal["accuracy", "r2", "auc", "reconstruction_r2"] | None = None
    score: Finite
    float_score: Finite | None
    samples: Annotated[int, Field(ge=1)]
    lineage: Lineage
    files: dict[FileName, File]

    @model_validator(mode="after")
    def _is_consistent(self) -> BundleManifest:
        two = self.task == "classification" and self.output.size == 1 and len(self.labels) == 2
        if self.task in {"classification", "multi_label"} and len(self.labels) != self.output.size and not two:
            raise ValueError(f"{len(self.labels)} labels for {self.output.size} outputs")
        if self.task == "anomaly" and self.input.shape != self.output.shape:
            raise ValueError(f"an autoencoder's output {self.output.shape} must have its input's shape")
        if self.features and (len(set(self.features)),) != self.input.shape:
            raise ValueError(f"{len(set(self.features))} names of columns for inputs of shape {self.input.shape}")
        return self

    @property
    def scores_shape(self) -> tuple[int, ...]:
        """Shape of one sample's scores, see `bundle_runtime.decode`."""
        if self.task == "anomaly":
            return ()
        return (len(self.labels),) if self.task == "classification" else self.output.shape

    @model_serializer(mode="wrap")
    def _without_unknown(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _without_empty(write(self), "features", "split")


def _without_empty(written: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in written.items() if key not in names or value}
