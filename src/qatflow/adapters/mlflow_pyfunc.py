"""Writes a bundle as an MLflow pyfunc model: signature, pinned requirements, no pickle."""

from __future__ import annotations

import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from qatflow.release import bundle_runtime
from qatflow.release.bundle import Bundle
from qatflow.release.manifest import BundleManifest

BUNDLE = "bundle"
KERAS = "keras"
KERAS_FILES = ("architecture.json", "weights.npz")
PACKAGES = ("ai-edge-litert", "mlflow", "numpy")
_RUNTIME = Path(bundle_runtime.__file__)


def save_pyfunc(bundle: Bundle, out: Path, float_model: Path | None = None) -> None:
    """Write the model to the new folder `out`; the bundle lies in its `artifacts/bundle`.

    Args:
        bundle: In a folder named `bundle`.
        out: The model's folder.
        float_model: Folder of the Keras model that it was made from; goes to `artifacts/keras/float`.
    """
    import mlflow

    kept = out.with_name(KERAS)
    if float_model is not None:
        (kept / "float").mkdir(parents=True)
        for name in KERAS_FILES:
            shutil.copyfile(float_model / name, kept / "float" / name)
    with _importable_as(_RUNTIME.stem, bundle_runtime), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it wants type hints and an example; the signature says all they would
        mlflow.pyfunc.save_model(
            str(out),
            python_model=str(Path(__file__).with_name("pyfunc_model.py")),
            code_paths=[str(_RUNTIME)],
            artifacts={BUNDLE: str(bundle.path)} | ({KERAS: str(kept)} if float_model else {}),
            signature=signature(bundle.manifest),
            pip_requirements=[f"{package}=={version(package)}" for package in PACKAGES],
        )


def signature(manifest: BundleManifest) -> Any:
    """Return MLflow's signature: a float32 tensor, or named columns, in the data's own units in; scores and labels out.

    Columns are doubles, since MLflow refuses to narrow those of a data frame to floats. It puts them in order by name.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    outputs: list[ColSpec | TensorSpec] = [TensorSpec(np.dtype(np.float32), (-1, *manifest.scores_shape), "scores")]
    if manifest.task == "classification":
        outputs.append(TensorSpec(np.dtype(str), (-1,), "labels"))
    inputs: list[ColSpec | TensorSpec] = [ColSpec("double", name) for name in manifest.features]
    inputs = inputs or [TensorSpec(np.dtype(np.float32), (-1, *manifest.input.shape))]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))


@contextmanager
def _importable_as(name: str, module: Any) -> Iterator[None]:
    """Let MLflow, which runs the script to check it, find the runtime under the name that it has in the model."""
    sys.modules[name] = module
    try:
        yield
    finally:
        del sys.modules[name]
