"""Writes the model card from facts: the fields of Mitchell et al., "Model Cards for Model Reporting", 2019."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qatflow.release.base import Candidate
from qatflow.release.manifest import BundleManifest

SCORES = {"classification": "accuracy", "regression": "R²", "anomaly": "AUC"}
RECONSTRUCTION = "R² of the reconstruction (the data have no anomalies to tell apart)"


def render(manifest: BundleManifest, candidate: Candidate, card: Mapping[str, Any]) -> str:
    """Return the card as Markdown.

    Args:
        manifest: Of the bundle; its files are not needed.
        candidate: The measured model.
        card: The data card.
    """
    sections = {
        "Model details": _details(manifest, candidate),
        "Intended use": _use(manifest),
        "Factors": _factors(manifest, candidate),
        "Metrics": _metrics(manifest, candidate),
        "Evaluation data": [f"- test split of `{card['source']}`: {manifest.samples} samples, never used in training"],
        "Training data": _training(card),
        "Quantitative analyses": _analyses(manifest, candidate),
        "Ethical considerations": ["- none recorded: the data card says nothing about people in the data"],
        "Caveats and recommendations": _caveats(manifest),
    }
    body = "\n".join(f"\n## {title}\n" + "\n".join(lines) for title, lines in sections.items())
    return f"# Model card: {manifest.strategy}, {manifest.task}\n{body}\n"


def _details(manifest: BundleManifest, candidate: Candidate) -> list[str]:
    lineage = manifest.lineage
    commit = f"from git commit `{lineage.git_commit}` " if lineage.git_commit else ""
    tensors = [f"`{tensor.dtype}` {list(tensor.shape)}" for tensor in (manifest.input, manifest.output)]
    return [
        f"- TFLite flatbuffer, {candidate.size_bytes} bytes, SHA-256 `{candidate.sha256}`",
        _origin(manifest, candidate),
        f"- input {tensors[0]}, output {tensors[1]}",
        f"- made by QATFlow {commit}with parameters `{lineage.params_sha256[:12]}`",
    ]


def _origin(manifest: BundleManifest, candidate: Candidate) -> str:
    if not candidate.members:
        return f"- quantization: `{manifest.strategy}`, {'trained (QAT)' if candidate.trained else 'post-training'}"
    members = ", ".join(f"`{name}` (weight {member['weight']:g})" for name, member in candidate.members.items())
    return f"- ensemble of several flatbuffers in one, combined by `{candidate.ensemble['combine']}`: {members}"


def _use(manifest: BundleManifest) -> list[str]:
    told = f" into: {', '.join(manifest.labels)}" if manifest.labels else ""
    return [
        f"- {manifest.task} of inputs like the training data{told}",
        "- out of scope: inputs from another source, or in other units than those of the training data",
    ]


def _factors(manifest: BundleManifest, candidate: Candidate) -> list[str]:
    classes = candidate.evaluation["metrics"].get("per_class", {})
    rows = [
        f"| {name} | {values['precision']:.4f} | {values['recall']:.4f} | {values['f1']:.4f} | {values['support']} |"
        for name, values in classes.items()
    ]
    if not rows:
        return [f"- none measured: {manifest.task} has no classes"]
    return ["| class | precision | recall | F1 | samples |", "| --- | --- | --- | --- | --- |", *rows]


def _metrics(manifest: BundleManifest, candidate: Candidate) -> list[str]:
    name = RECONSTRUCTION if manifest.metric == "reconstruction_r2" else SCORES[manifest.task]
    beside = "" if manifest.float_score is None else f" (float model: {manifest.float_score:.4f})"
    lines = [f"- {name}: {manifest.score:.4f}{beside}, measured on the flatbuffer"]
    interval = candidate.evaluation.get("score_interval")
    if interval:
        lines.append(f"- 95 % confidence interval: {interval[0]:.4f} to {interval[1]:.4f}")
    return lines


def _training(card: Mapping[str, Any]) -> list[str]:
    samples = card["samples"]
    return [
        f"- `{card['source']}`: {samples['train']} samples to train, {samples['val']} to validate",
        f"- data SHA-256 `{card['sha256']}`",
    ]


def _analyses(manifest: BundleManifest, candidate: Candidate) -> list[str]:
    return [
        *_beside_float(candidate),
        *_beside_members(candidate),
        f"- measured with the {manifest.kernels} kernels of LiteRT",
    ]


def _beside_float(candidate: Candidate) -> list[str]:
    """An ensemble of bundles has no float model beside it."""
    evaluation = candidate.evaluation
    if "agreement_float" not in evaluation:
        return []
    return [
        f"- answers as the float model does on {evaluation['agreement_float']:.2%} of the test samples",
        f"- {candidate.size_bytes / evaluation['float']['size_bytes']:.1%} of the float model's bytes",
    ]


def _beside_members(candidate: Candidate) -> list[str]:
    figures = candidate.ensemble
    if not figures:
        return []
    best = figures["best"]
    gain, p = (figures["against"][best][name] for name in ("gain", "p"))
    return [
        f"- {gain:+.4f} against `{best}`, the best single model (p = {p:.4f})",
        f"- {figures['size_ratio']:.1f} times the bytes of `{best}`",
        f"- the members differ on {figures['disagreement']:.2%} of the test samples, pair by pair",
    ]


def _caveats(manifest: BundleManifest) -> list[str]:
    return [
        "- other kernels may differ by one step of the output tensor; check with the golden samples on the device",
        f"- inputs beyond the range of the {manifest.input.dtype} input tensor are clipped",
    ]
