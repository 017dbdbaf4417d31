"""Reads from the stages' sealed outputs what a release decides on."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path

from qatflow import artifacts
from qatflow.data.prepared import PreparedData, open_prepared
from qatflow.errors import ArtifactError
from qatflow.evaluation.answers import load_answers
from qatflow.evaluation.evaluate import ANSWERS
from qatflow.evaluation.result import Evaluation, Timings
from qatflow.params.root import Params
from qatflow.release.base import Candidate
from qatflow.release.manifest import Lineage
from qatflow.release.ports import Registry

FANNED = ("quantize", "convert", "evaluate")
"""The stages of which each variant has its own."""
ENSEMBLE = "ensemble"
"""The candidate that is made of others, and its stage."""
EXPLAIN = "explain"
MADE_BY = ("params.yaml", "dvc.yaml", "requirements.lock", "src", "tasks", "flows")
"""What makes a model, besides the data."""
MOST_NAMED = 20


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
            [name, candidate.sha256, candidate.evaluation.to_dict(), candidate.timings.to_dict(), candidate.explanation]
            for name, candidate in sorted(self.candidates.items())
        ]
        return artifacts.digest([self.data.card.sha256, measured])


@dataclass(frozen=True)
class _Origin:
    """What all candidates of a run have in common."""

    home: Path
    git_commit: str | None
    uncommitted: tuple[str, ...]
    params_sha256: str
    data_sha256: str
    data_md5: str | None


def read_inputs(root: Path, params: Params, data_md5: str | None) -> Inputs:
    """Read the outputs of prepare, quantize, convert, evaluate, ensemble and explain under `root / "artifacts"`.

    Args:
        root: The project.
        params: For the variants and the lineage.
        data_md5: DVC's digest of the data set, if DVC tracks it.

    Raises:
        ArtifactError: If an output is missing, half written, altered, or measures or explains another model.
    """
    home = root / "artifacts"
    data = open_prepared(home / "prepare")
    candidates = {variant: _read_candidate(home, variant) for variant in params.quantize.variants}
    ensemble = _read_ensemble(home / ENSEMBLE)
    if ensemble is not None:
        candidates[ENSEMBLE] = ensemble
    candidates = _explained(home / EXPLAIN, candidates)
    candidates = {name: replace(one, is_foreign=params.is_foreign) for name, one in candidates.items()}
    params_sha256 = artifacts.digest(params.model_dump(mode="json"))
    origin = _Origin(home, git_commit(root), uncommitted(root), params_sha256, data.card.sha256, data_md5)
    return Inputs(
        candidates=candidates,
        lineage={name: _lineage(origin, candidate) for name, candidate in candidates.items()},
        data=data,
        float_model=home / "transfer",
    )


def _read_candidate(home: Path, variant: str) -> Candidate:
    quantized, converted, evaluated = (home / stage / variant for stage in FANNED)
    for folder in (quantized, converted, evaluated):
        artifacts.verify(folder)
    trained = artifacts.read_json(quantized / "recipe.json")["trained"]
    return _measured(variant, trained, converted, evaluated)


def _read_ensemble(folder: Path) -> Candidate | None:
    """Return the ensemble, if one was made."""
    artifacts.verify(folder)
    record = artifacts.read_json(folder / "ensemble.json")
    if not record["members"]:
        return None
    return replace(_measured(ENSEMBLE, False, folder, folder), ensemble=record)


def _explained(folder: Path, candidates: Mapping[str, Candidate]) -> dict[str, Candidate]:
    """Give each candidate the drift of its reasons; none if explanations are switched off."""
    artifacts.verify(folder)
    models = artifacts.read_json(folder / "explanation.json")["models"]
    wrong = [name for name, one in candidates.items() if models and models.get(name, {}).get("sha256") != one.sha256]
    if wrong:
        raise ArtifactError(f"{folder} explains another {wrong[0]} than the candidate; `qatflow run` explains it again")
    return {name: replace(one, explanation=models[name]["drift"] if models else {}) for name, one in candidates.items()}


def _measured(variant: str, trained: bool, converted: Path, evaluated: Path) -> Candidate:
    model = (converted / "model.tflite").read_bytes()
    evaluation = Evaluation.read(evaluated)
    if evaluation.sha256 != artifacts.sha256_bytes(model):
        raise ArtifactError(
            f"{evaluated} measured another model than {converted} holds; `qatflow run` measures it again"
        )
    if not isfinite(evaluation.score):
        raise ArtifactError(f"{evaluated} has no score that is a number; `qatflow run` measures it again")
    return Candidate(
        variant=variant,
        trained=trained,
        evaluation=evaluation,
        timings=Timings.read(evaluated),
        answers=load_answers(evaluated / ANSWERS),
        model=model,
    )


def _lineage(origin: _Origin, candidate: Candidate) -> Lineage:
    """Return what a candidate was made from; an ensemble, what all its members were made from."""
    variants = list(candidate.members) or [candidate.variant]
    fanned = [f"{stage}/{variant}" for variant in variants for stage in FANNED]
    folders = ["prepare", "pretrain", "transfer", *fanned, *([ENSEMBLE] if candidate.members else [])]
    return Lineage(
        git_commit=origin.git_commit,
        uncommitted=origin.uncommitted,
        params_sha256=origin.params_sha256,
        data_sha256=origin.data_sha256,
        data_md5=origin.data_md5,
        stages={folder: artifacts.sha256_file(origin.home / folder / artifacts.MANIFEST) for folder in folders},
        members={name: member["sha256"] for name, member in candidate.members.items()},
    )


def git_commit(root: Path) -> str | None:
    """Return the commit that is checked out; None outside of git, or before the first commit."""
    return _git(root, "rev-parse", "--verify", "--quiet", "HEAD").strip() or None


def uncommitted(root: Path) -> tuple[str, ...]:
    """Return what of parameters, graph and code is not as in that commit, sorted; a folder of new files as one."""
    status = _git(root, "status", "--porcelain", "--no-renames", "-z", "--", *MADE_BY)
    return tuple(sorted(line[3:] for line in status.split("\0") if line))[:MOST_NAMED]


def _git(root: Path, *words: str) -> str:
    """Return what git says; nothing where there is no git, or no repository."""
    git = shutil.which("git")
    if git is None:
        return ""
    return subprocess.run([git, "-C", str(root), *words], capture_output=True, text=True, check=False).stdout


def metrics_of(candidate: Candidate) -> dict[str, float]:
    """Return a candidate's figures by name, to log beside its model."""
    named = candidate.evaluation.metrics.figures
    drift = candidate.explanation
    if drift:
        named["explanation_rank_correlation"] = float(drift["rank_correlation"]["mean"])
    return named | {
        "score": candidate.score,
        "agreement_float": candidate.evaluation.agreement,
        "size_bytes": float(candidate.size_bytes),
        "latency_p50_us": candidate.latency_us,
        "latency_ratio": candidate.timings.latency_ratio,
    }


def log_candidate(registry: Registry, candidate: Candidate, bundle: Path, float_model: Path | None = None) -> str:
    """Store a candidate's bundle with its facts and figures, and return the model's URI; see `Registry.log_model`."""
    facts = {
        "model_sha256": candidate.sha256,
        "variant": candidate.variant,
        "score": repr(candidate.score),
        "latency_us": repr(candidate.latency_us),
    }
    return registry.log_model(bundle, facts, metrics_of(candidate), float_model)
