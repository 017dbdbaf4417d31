"""Explains what a bundle says of samples that a caller holds: `qatflow.explain`. No TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError

from qatflow import artifacts
from qatflow.artifacts import Array
from qatflow.data.prepared import Preprocessing
from qatflow.errors import DataError, ParamsError
from qatflow.explanation.game import answer_of
from qatflow.explanation.single import Single, explain_input
from qatflow.explanation.subject import field_of
from qatflow.extras import named
from qatflow.params.explain import ExplainParams
from qatflow.release import bundle_runtime
from qatflow.release.bundle import GOLDEN, Bundle, load_bundle


@dataclass(frozen=True, eq=False)
class _Held:
    """Typical model inputs, (n, *shape) float32, as `explain.absent.Typical` gives them."""

    inputs: Array

    def arrays(self, limit: int | None = None) -> tuple[Array, Array]:
        """Return the first ones, and their positions."""
        return self.inputs[:limit], np.arange(len(self.inputs[:limit]))


@dataclass(frozen=True)
class _Meaning:
    """What a bundle's numbers mean, as `explain.subject.Subject` says it."""

    task: str
    class_names: tuple[str, ...]
    num_outputs: int
    preprocessing: Preprocessing


@named("qatflow.explain")
def explain(  # noqa: PLR0913 (how finely, each with a default)
    bundle: Bundle | Path | str,
    x: Any,
    *,
    background: Any = None,
    players: int = 64,
    evaluations: int = 64,
    fill: Literal["auto", "mean", "blur", "samples"] = "auto",
    seed: int = 42,
) -> tuple[Single, ...]:
    """Explain answers of a bundle: which parts of each sample speak for its answer, and which against it.

    Args:
        bundle: From `load_bundle`, or its folder.
        x: A sample (*shape), or several (n, *shape), in the data's own units.
        background: Typical samples (m, *shape), of which absent parts show the mean or each; some dozens are enough.
            Without them the eight golden samples of the bundle serve.
        players: Most patches of an image or windows of a series; of a table each column is one.
        evaluations: Of the model, for each of them.
        fill: What absent parts show: mean, samples, a blur of the image itself, or auto, which suits the shape.
        seed: Decides which parts are tried together.

    Returns:
        For each sample what each part adds to the answer (`values`), in words (`str`), and as a picture in notebooks.

    Raises:
        DataError: If samples have another shape, or hold NaN, infinity or what is no number.
        ParamsError: If the fill does not suit the shape, or a number is out of range.
        ArtifactError: If there is no whole bundle.

    Example:
        >>> (why,) = qatflow.explain("quantized", x[0], background=x[:50], players=16, evaluations=8)
        >>> why.values.shape
        (3, 16)
        >>> str(why).startswith("Sample 0: the model says 0")
        True
    """
    wanted = _wanted(players=players, evaluations=evaluations, fill=fill)
    loaded = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
    manifest = loaded.manifest
    shape = tuple(manifest.input.shape)
    inputs = _inputs(loaded, x)
    typical = (
        artifacts.load_arrays(loaded.path / GOLDEN)["inputs"] if background is None else _inputs(loaded, background)
    )
    field = field_of(shape, manifest.features, _Held(typical), wanted)
    preprocessing = Preprocessing(manifest.preprocessing.scale, manifest.preprocessing.offset)
    meaning = _Meaning(manifest.task, manifest.labels, manifest.output.size, preprocessing)
    answer = answer_of(loaded.model, manifest.task)
    return tuple(
        explain_input(answer, meaning, field, sample, (position, None), (evaluations, seed))
        for position, sample in enumerate(inputs)
    )


def _golden(bundle: Bundle) -> Array:
    return artifacts.load_arrays(bundle.path / GOLDEN)["inputs"]


def _wanted(**settings: object) -> ExplainParams:
    try:
        return ExplainParams.model_validate(settings)
    except ValidationError as error:
        fault = error.errors()[0]
        raise ParamsError(f"{fault['loc'][0]} is {fault['input']!r}: {fault['msg']}") from None


def _inputs(bundle: Bundle, x: Any) -> Array:
    """Return model inputs (n, *shape) float32; one sample is a batch of one."""
    single = np.ndim(x) == len(bundle.manifest.input.shape)
    try:
        return bundle_runtime.preprocess(bundle.manifest.model_dump(), np.asarray(x)[None] if single else x)
    except (TypeError, ValueError) as error:
        raise DataError(str(error)) from None
