"""The section `quantize`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from qatflow.params.base import Count, Name, Rate, Section, is_text
from qatflow.params.compression import CompressionParams
from qatflow.params.training import TrainingParams

Width = Literal[4, 8, "float"]
"""Of a layer's weights."""


class QatParams(TrainingParams):
    """Quantization-aware training; what each switch gains stands in docs/quantization.md."""

    epochs: Count = 10
    grid_optimizer: Name = "adam"
    grid_learning_rate: Rate = 0.001
    learn_ranges: bool = False
    distillation: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    distillation_temperature: Annotated[float, Field(gt=0.0, le=100.0)] = 1.0
    distillation_loss: Literal["cross_entropy", "logits"] = "cross_entropy"
    batch_norm: Literal["train", "freeze", "fold"] = "train"
    reestimate_batches: Annotated[int, Field(ge=0)] = 0
    dampening: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = 0.0
    freeze_oscillating: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    parity_samples: Annotated[int, Field(ge=0)] = 0


class CorrectionParams(Section):
    """Error correction without training, of strategies that are not trained."""

    equalize: bool = False
    adaround: bool = True
    rounding_iterations: Count = 1000
    bias: bool = False


class MixedParams(Section):
    """Widths of the layers of `qat_mixed`."""

    size_ratio: Annotated[float, Field(gt=0.0, le=1.0)] = 0.75
    probe_samples: Count = 500


class QuantizeParams(Section):
    """The variants to make, and how they are calibrated, corrected and trained."""

    variants: Annotated[tuple[Name, ...], Field(min_length=1)] = ("ptq_w8a8", "qat_w8a8_per_channel", "qat_w4a8")
    calibration_samples: Count = 300
    calibration: Literal["min_max", "percentile", "mse"] = "mse"
    dense: Literal["per_tensor", "per_channel"] = "per_channel"
    layers: Mapping[Annotated[str, Field(min_length=1), AfterValidator(is_text)], Width] = {}
    corrections: CorrectionParams = CorrectionParams()
    mixed: MixedParams = MixedParams()
    compression: CompressionParams = CompressionParams()
    training: QatParams = QatParams()

    @model_validator(mode="after")
    def _variants_differ(self) -> QuantizeParams:
        if len(set(self.variants)) != len(self.variants):
            raise ValueError(f"quantize.variants names one twice: {', '.join(self.variants)}")
        return self
