"""What a parameter file may not say although its types are right: names that do not exist, passwords, whole disks.

Names are written out here, since the registries of plugs import TensorFlow, which takes seconds; a test holds them
against the registries. Checked when the file is read, so that no name reaches a command, a path or a format string.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from qatflow.errors import ParamsError, hidden, nearest
from qatflow.params.release import GATES
from qatflow.params.root import Params

OPTIMIZERS = (
    *("adadelta", "adagrad", "adam", "adamax", "adamw", "lion"),
    *("momentum", "nadam", "nesterov", "rmsprop", "sgd"),
)
SCHEDULES = ("constant", "cosine", "exponential", "step")
AUGMENTATIONS = ("flip", "shift")
ARCHITECTURES = (
    *("autoencoder", "conv1d", "ds_cnn", "mlp"),
    *("mobilenet_v1", "mobilenet_v2", "resnet8", "small_cnn"),
)
APPLICATIONS = (
    *("DenseNet121", "EfficientNetB0", "EfficientNetV2B0", "MobileNet"),
    *("MobileNetV2", "MobileNetV3Small", "NASNetMobile"),
)
TRAINED = (
    *("cqat_w8a8", "pcqat_w8a8", "pqat_w4a8", "pqat_w8a8"),
    *("qat_mixed", "qat_progressive", "qat_w4a8", "qat_w4a8_structured", "qat_w8a16"),
    *("qat_w8a8_low_rank", "qat_w8a8_per_channel", "qat_w8a8_per_tensor", "qat_w8a8_structured"),
)
UNTRAINED = ("dynamic_range", "float16", "float32", "ptq_w4a8", "ptq_w8a16", "ptq_w8a8")
_TRAINING: Mapping[str, Sequence[str]] = {"optimizer": OPTIMIZERS, "schedule": SCHEDULES, "augment": AUGMENTATIONS}
KNOWN: Mapping[str, Sequence[str]] = {
    "data.source": ("arrays", "csv", "digits", "idx", "image_folder"),
    "model.name": (*ARCHITECTURES, "file"),
    **{f"{part}.{key}": known for part in ("pretrain", "transfer") for key, known in _TRAINING.items()},
    **{f"quantize.training.{key}": known for key, known in _TRAINING.items()},
    "quantize.training.grid_optimizer": OPTIMIZERS,
    "quantize.variants": (*UNTRAINED, *TRAINED),
    "ensemble.combine": ("mean", "vote", "weighted"),
    "release.gates": tuple(GATES),
    "deploy.target": ("archive", "http", "local", "micro", "mlflow"),
    "serving.device": ("cpu", "gpu"),
    "monitoring.statistics": ("chi2", "ks", "mmd", "psi"),
    "online.strategy": TRAINED,
    "online.optimizer": OPTIMIZERS,
    "online.drift_detector": ("adwin", "page_hinkley"),
    "sweep.optimizers": OPTIMIZERS,
    "sweep.strategies": TRAINED,  # an optimizer changes nothing for others
    "sweep.models": ARCHITECTURES,
    "sweep.learning_rates": OPTIMIZERS,
}
"""Parameter -> the names of its registry."""
PLUGGED = {
    "data.source": "sources",
    "model.name": "architectures",
    "quantize.variants": "strategies",
    "release.gates": "gates",
}
"""Parameter -> the kind of plugin that adds names to it."""
_USER_ALONE = re.compile(r"[^:]+://[^:@]*@[^@?]*$")
WRITTEN = ("deploy.path", "monitoring.path")
"""Folders that the project fills and clears."""


def check(params: Params, root: Path) -> None:
    """Check what types alone cannot say.

    Args:
        params: Of right types.
        root: The project that they belong to.

    Raises:
        ParamsError: With one line for each fault.
    """
    faults = [*_names(params), *_password("tracking.uri", params.tracking.uri), *_folders(params, root)]
    if faults:
        raise ParamsError("\n".join(f"  {fault}" for fault in faults))


def _names(params: Params) -> Iterator[str]:
    for where, known in KNOWN.items():
        yield from _unknown(where, _listed(value_of(params, where)), (*known, *_plugged(where, params)))
    if params.transfer.source == "applications":
        yield from _unknown("transfer.model", [params.transfer.model], APPLICATIONS)


def _plugged(where: str, params: Params) -> Iterator[str]:
    """Return the names that plugins add, of the project and of installed packages."""
    if where in PLUGGED:
        kind = PLUGGED[where]
        yield from getattr(params.plugins, kind)
        yield from entry_points(group=f"qatflow.{kind}").names


def _unknown(where: str, names: Sequence[str], known: Sequence[str]) -> Iterator[str]:
    """Say of each name that is not known which are, and which is nearest."""
    for name in names:
        if name not in known:
            why = f"'{name}' trains nothing" if name in UNTRAINED else f"unknown '{name}'"
            yield f"{where}: {why}. Known: {', '.join(known)}.{nearest(name, known)}"


def value_of(params: Any, where: str) -> Any:
    """Return a parameter by its dotted name, such as `quantize.variants`."""
    for part in where.split("."):
        params = getattr(params, part)
    return params


def _listed(value: Any) -> Sequence[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def _password(where: str, address: str) -> Iterator[str]:
    """Refuse an address that opens something: parameters are kept in dvc.lock, in DVC's cache and in MLflow.

    A user's name alone may stand in a database's address; in a server's it may be a token.
    """
    kept = "of params.yaml, which dvc.lock and MLflow keep, holds no"
    if address.startswith("http") and "@" in address:
        yield (
            f"{where}: an address {kept} user and no password; give MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, in the environment"
        )
    elif hidden(address) != address and not _USER_ALONE.match(address):
        yield (
            f"{where}: an address {kept} password; give PGPASSWORD or ~/.pgpass for PostgreSQL, or put "
            "`mlflow server` before the database and name that"
        )


def _folders(params: Params, root: Path) -> Iterator[str]:
    here = os.path.abspath(root)  # noqa: PTH100 (as written: a link may lead anywhere)
    for where in WRITTEN:
        place = os.path.normpath(os.path.join(here, value_of(params, where)))  # noqa: PTH118
        if Path(here).is_relative_to(place):
            given = value_of(params, where)
            yield f"{where}: '{given}' is the project itself or lies above it; name a folder of its own"
