"""Reads from the stages' sealed outputs what a release decides on."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qatflow import artifacts
from qatflow.data.prepared import PreparedData, open_prepared
from qatflow.errors import ArtifactError
from qatflow.evaluation.metrics import correct
from qatflow.params import Params
from qatflow.release.base import Candidate, Flags
from qatflow.release.manifest import Lineage


@dataclass(frozen=True)
class Inputs:
    """What a release decides on.

    Attributes:
        candidates: By variant.
        lineage: Variant -> what its model was made from.
        data: The prepared data; the test split is used.
        float_model: Folder of the Keras model that all were made from.
    """

    candidates: Mapping[str, Candidate]
    lineage: Mapping[str, Lineage]
    data: PreparedData
    float_model: Path | None = None

    def digest(self) -> str:
        """Return the digest of everything that the decision rests on."""
        measured = [
            [name, candidate.sha256, candidate.evaluation, candidate.timings]
            for name, candidate in sorted(self.candidates.items())
        ]
        return artifacts.digest([self.data.card["sha256"], measured])


def read_inputs(root: Path, params: Params, data_md5: str | None) -> Inputs:
    """Read the outputs of prepare, quantize, convert and evaluate under `root / "artifacts"`.

    Args:
        root: The project.
        params: For the variants and the lineage.
        data_md5: DVC's digest of the data set, if DVC tracks it.

    Raises:
        ArtifactError: If an output is missing, half written, altered, or measures another model.
    """
    home = root / "artifacts"
    data = open_prepared(home / "prepare")
    variants = params.quantize.variants
    return Inputs(
        candidates={variant: _read_candidate(home, variant, data) for variant in variants},
        lineage={variant: _read_lineage(root, params, variant, data, data_md5) for variant in variants},
        data=data,
        float_model=home / "transfer",
    )


def _read_candidate(home: Path, variant: str, data: PreparedData) -> Candidate:
    quantized, converted, evaluated = (home / stage / variant for stage in ("quantize", "convert", "evaluate"))
    for folder in (quantized, converted, evaluated):
        artifacts.verify(folder)
    model = (converted / "model.tflite").read_bytes()
    evaluation = artifacts.read_json(evaluated / "evaluation.json")
    if evaluation["sha256"] != artifacts.sha256_bytes(model):
        raise ArtifactError(
            f"{evaluated} measured another model than {converted} holds; `qatflow run` measures it again"
        )
    return Candidate(
        variant=variant,
        trained=artifacts.read_json(quantized / "recipe.json")["trained"],
        evaluation=evaluation,
        timings=artifacts.read_json(evaluated / "timings.json"),
        correct=_correct(data, np.load(evaluated / "outputs.npy", allow_pickle=False)),
        model=model,
    )


def _correct(data: PreparedData, outputs: artifacts.Array) -> Flags | None:
    return correct(data.task, data.test.labels(), outputs) if data.task == "classification" else None


def _read_lineage(root: Path, params: Params, variant: str, data: PreparedData, data_md5: str | None) -> Lineage:
    fanned = [f"{stage}/{variant}" for stage in ("quantize", "convert", "evaluate")]
    folders = ["prepare", "pretrain", "transfer", *fanned]
    home = root / "artifacts"
    return Lineage(
        git_commit=_git_commit(root),
        params_sha256=artifacts.digest(params.model_dump(mode="json")),
        data_sha256=data.card["sha256"],
        data_md5=data_md5,
        stages={folder: artifacts.sha256_file(home / folder / artifacts.MANIFEST) for folder in folders},
    )


def _git_commit(root: Path) -> str | None:
    """Return the commit that is checked out; None outside of git, or before the first commit."""
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "-C", str(root), "rev-parse", "--verify", "--quiet", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def metrics_of(candidate: Candidate) -> dict[str, float]:
    """Return a candidate's figures by name, to log beside its model."""
    evaluation: Mapping[str, Any] = candidate.evaluation
    named = {name: float(value) for name, value in evaluation["metrics"].items() if isinstance(value, (int, float))}
    return named | {
        "score": candidate.score,
        "agreement_float": float(evaluation["agreement_float"]),
        "size_bytes": float(candidate.size_bytes),
        "latency_p50_us": candidate.latency_us,
        "latency_ratio": float(candidate.timings["latency_ratio"]),
    }
