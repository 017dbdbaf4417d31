"""Names that a sweep may list. Written out, since the registries of plugs import TensorFlow, which takes seconds."""

from collections.abc import Sequence

from qatflow.errors import ParamsError, nearest
from qatflow.params import SweepParams

KNOWN = {
    "optimizers": (
        *("adadelta", "adagrad", "adam", "adamax", "adamw", "lion"),
        *("momentum", "nadam", "nesterov", "rmsprop", "sgd"),
    ),
    "strategies": (
        *("cqat_w8a8", "pcqat_w8a8", "pqat_w4a8", "pqat_w8a8"),
        *("qat_mixed", "qat_progressive", "qat_w4a8", "qat_w4a8_structured", "qat_w8a16"),
        *("qat_w8a8_low_rank", "qat_w8a8_per_channel", "qat_w8a8_per_tensor", "qat_w8a8_structured"),
    ),
    "models": (
        *("autoencoder", "conv1d", "ds_cnn", "mlp"),
        *("mobilenet_v1", "mobilenet_v2", "resnet8", "small_cnn"),
    ),
}
"""Parameter -> names; a test holds them against the registries. Of strategies those that train: an optimizer changes
nothing for others."""


def check_names(sweep: SweepParams) -> None:
    """Check that all names exist.

    Raises:
        ParamsError: If one does not; the message lists the known ones and the nearest match.
    """
    for parameter, known in KNOWN.items():
        _check(f"sweep.{parameter}", getattr(sweep, parameter), known)
    _check("sweep.learning_rates", tuple(sweep.learning_rates), KNOWN["optimizers"])


def _check(where: str, names: Sequence[str], known: Sequence[str]) -> None:
    unknown = next((name for name in names if name not in known), None)
    if unknown is None:
        return
    untrained = unknown.startswith("ptq_") or unknown in {"float32", "float16", "dynamic_range"}
    kind = "strategies that train" if where.endswith("strategies") else "known"
    why = f"'{unknown}' trains nothing, so that all optimizers give the same" if untrained else f"unknown '{unknown}'"
    raise ParamsError(f"{where}: {why}. The {kind}: {', '.join(known)}.{nearest(unknown, known)}")
