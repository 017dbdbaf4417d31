"""Deploys to C sources for TFLite Micro: the flatbuffer as an array, what an application must know, and a self-test.

`versions/<digest16>/` holds them, named by the digest of the files, `current` points to the ones in use. The model is
tried here with LiteRT's reference kernels, which are TFLite Micro's arithmetic; the self-test expects what those gave.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from qatflow import artifacts
from qatflow.artifacts import Array, load_arrays, write_text
from qatflow.deploy.base import Place
from qatflow.deploy.c_text import identifier
from qatflow.deploy.micro_needs import needs
from qatflow.deploy.micro_operators import resolver_methods
from qatflow.deploy.micro_source import Sources, render
from qatflow.deploy.versions import put, tried
from qatflow.errors import ConversionError, DeployError
from qatflow.evaluation.arena import estimate_arena
from qatflow.release.bundle import GOLDEN, Bundle, load_bundle
from qatflow.tflite.inspect import inventory, parse
from qatflow.tflite.runtime import Runner

MAX_MODEL_BYTES = 64 << 20
"""More than any microcontroller has; the C text of a model is six times as large."""
TOLERANCES, FLOAT_TOLERANCE = {"reference": 1.0, "xnnpack": 8.0}, 1e-5
"""Steps between these kernels' outputs and TFLite Micro's, measured on fourteen models; see docs/deploy.md."""


def deploy_micro(bundle: Path, place: Place) -> dict[str, Any]:
    """Write `<name>_model.h`, `.c`, `<name>_golden.h` and `.c`; see `qatflow.deploy.base.Target`."""
    loaded = load_bundle(bundle)
    with tempfile.TemporaryDirectory(prefix="qatflow-micro-") as folder:
        files = _tried(loaded, Path(folder) / "bundle", identifier(place.name))
    digests = {name: artifacts.sha256_bytes(text.encode()) for name, text in files.items()}
    version = put(
        place.path,
        artifacts.digest(digests),
        lambda workplace: _write(files, workplace),
        lambda version: _check(version, digests),
    )
    return {"target": "micro", "model_sha256": loaded.sha256, "version": version}


def sources_of(bundle: Bundle, symbol: str) -> Sources:
    """Return what the C sources say.

    Raises:
        DeployError: If the model is too large, or TFLite Micro lacks an operator of it.
        ConversionError: If LiteRT cannot run the model.
    """
    if len(bundle.model) > MAX_MODEL_BYTES:
        raise DeployError(f"The model has {len(bundle.model)} bytes; the target micro takes {MAX_MODEL_BYTES} at most")
    inside = inventory(bundle.model)
    if "FLOAT16" in inside["tensor_dtypes"]:
        raise DeployError("TFLite Micro has no 16-bit floats; deploy an integer or float32 model there")
    methods = resolver_methods(inside["operators"])
    needed, arena = needs(parse(bundle.model)), estimate_arena(bundle.model)
    return Sources(symbol, bundle.manifest, bundle.model, methods, needed, arena, *_golden(bundle))


def _golden(bundle: Bundle) -> tuple[Array, Array, float]:
    """Return golden inputs (n, size) as the input tensor stores them, outputs to expect, and within how many steps.

    LiteRT lacks reference kernels for some 4-bit layers that TFLite Micro has; XNNPACK stands in for them.
    """
    x = load_arrays(bundle.path / GOLDEN)["inputs"]
    try:
        runner, kernels = Runner(bundle.model, kernels="reference"), "reference"
    except ConversionError:
        runner, kernels = Runner(bundle.model), "xnnpack"
    tolerance = FLOAT_TOLERANCE if runner.output.dtype == "float32" else TOLERANCES[kernels]
    return runner.input.quantize(x).reshape(len(x), -1), runner.raw(x).reshape(len(x), -1), tolerance


def _tried(bundle: Bundle, copy: Path, symbol: str) -> dict[str, str]:
    """Return the files' text after the bundle was tried in a process of its own, as it was when it was loaded."""
    shutil.copytree(bundle.path, copy)
    loaded = load_bundle(copy)
    tried(copy)
    return render(sources_of(loaded, symbol))


def _write(files: dict[str, str], workplace: Path) -> None:
    for name, text in files.items():
        write_text(workplace / name, text)


def _check(version: Path, digests: dict[str, str]) -> None:
    if {path.name: artifacts.sha256_file(path) for path in version.iterdir()} != digests:
        raise DeployError(f"{version} was altered; remove it and deploy again")
