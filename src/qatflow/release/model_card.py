"""Writes the model card from facts: the fields of Mitchell et al., "Model Cards for Model Reporting", FAT* 2019.

What no pipeline can know, such as the intended use, comes from the parameters `release.card`, or is "not stated".
"""

from __future__ import annotations

from qatflow.data.card import DataCard
from qatflow.params.release import CardParams
from qatflow.release import card_analyses
from qatflow.release.base import Candidate
from qatflow.release.card_text import code, plain, stated, table
from qatflow.release.manifest import BundleManifest

SCORES = {
    "classification": ("accuracy", "the share of samples whose highest output is the true class"),
    "multi_label": ("accuracy", "the share of samples whose labels are all right: a probability above 0.5 gives one"),
    "regression": ("R²", "the share of the targets' variance that is explained"),
    "anomaly": ("AUC", "the chance that an anomaly is reconstructed worse than a normal sample"),
}
RECONSTRUCTION = "R² of the reconstruction (the data have no anomalies to tell apart)"
FEW_SAMPLES = 30


def render(manifest: BundleManifest, candidate: Candidate, card: DataCard, said: CardParams) -> str:
    """Return the card as Markdown; equal arguments give equal bytes.

    Args:
        manifest: Of the bundle; its files, as far as they are known, are the checksums.
        candidate: The measured model.
        card: The data card.
        said: What people say of the model.
    """
    sections = {
        "Model Details": [*_details(manifest, candidate, said), *_checksums(manifest)],
        "Intended Use": _use(manifest, said),
        "Factors": _factors(manifest, said),
        "Metrics": _metrics(manifest, candidate),
        "Evaluation Data": _evaluation_data(manifest, candidate, card),
        "Training Data": _training_data(candidate, card),
        "Quantitative Analyses": _analyses(manifest, candidate),
        "Ethical Considerations": _ethics(said),
        "Caveats and Recommendations": _caveats(manifest, candidate, card, said),
    }
    body = "\n".join(f"\n## {title}\n\n" + "\n".join(lines).strip("\n") for title, lines in sections.items())
    return f"# Model card: {plain(manifest.strategy)}, {manifest.task}\n{body}\n"


def _details(manifest: BundleManifest, candidate: Candidate, said: CardParams) -> list[str]:
    lineage = manifest.lineage
    commit = f" from git commit {code(lineage.git_commit)}" if lineage.git_commit else ""
    tensors = [f"{code(tensor.dtype)} {list(tensor.shape)}" for tensor in (manifest.input, manifest.output)]
    return [
        f"- developed by: {stated(said.owner)}; license: {stated(said.license)}; questions to: {stated(said.contact)}",
        f"- made by QATFlow{commit} with parameters {code(lineage.params_sha256[:12])}",
        _origin(manifest, candidate),
        f"- input {tensors[0]}, output {tensors[1]}{_threshold(manifest)}",
        *card_analyses.sizes(candidate),
    ]


def _threshold(manifest: BundleManifest) -> str:
    """Say what a single output of a classifier means."""
    if manifest.task != "classification" or manifest.output.size > 1:
        return ""
    first, second = map(plain, manifest.labels)
    return f": the probability of {second}, which is the answer above 0.5, else {first}"


def _origin(manifest: BundleManifest, candidate: Candidate) -> str:
    if not candidate.members:
        way = "trained (QAT)" if candidate.trained else "post-training"
        return f"- TFLite flatbuffer, quantization: {code(manifest.strategy)}, {way}"
    members = ", ".join(f"{code(name)} (weight {member['weight']:g})" for name, member in candidate.members.items())
    return f"- ensemble of several flatbuffers in one, combined by {code(candidate.ensemble['combine'])}: {members}"


def _checksums(manifest: BundleManifest) -> list[str]:
    lineage = manifest.lineage
    files = {name: file.sha256 for name, file in manifest.files.items()}
    made_from = {"data": lineage.data_sha256, "parameters": lineage.params_sha256, **lineage.members, **lineage.stages}
    rows = [[plain(name), code(sha256)] for name, sha256 in (files | made_from).items()]
    return ["", "### Checksums", *table(["what", "SHA-256"], rows)]


def _use(manifest: BundleManifest, said: CardParams) -> list[str]:
    told = f" into: {', '.join(map(plain, manifest.labels))}" if manifest.labels else ""
    return [
        f"- intended use: {stated(said.intended_use)}",
        f"- intended users: {stated(said.intended_users)}",
        f"- out of scope: {stated(said.out_of_scope)}",
        f"- what it does: {manifest.task} of inputs like the training data{told}",
        "- not measured: inputs from another source, or in other units",
    ]


def _factors(manifest: BundleManifest, said: CardParams) -> list[str]:
    measured = "each class, see Quantitative Analyses" if manifest.labels else f"none: {manifest.task} has no classes"
    return [f"- relevant factors: {stated(said.factors)}", f"- factors measured: {measured}"]


def _metrics(manifest: BundleManifest, candidate: Candidate) -> list[str]:
    name, meaning = SCORES[manifest.task]
    if manifest.metric == "reconstruction_r2":
        name, meaning = RECONSTRUCTION, "the share of the inputs' variance that is reconstructed"
    beside = "" if manifest.float_score is None else f" (float model: {manifest.float_score:.4f})"
    lines = [f"- {name}: {manifest.score:.4f}{beside}, measured on the flatbuffer", f"- that is {meaning}"]
    interval = candidate.evaluation.score_interval
    if interval:
        lines.append(f"- 95 % confidence interval (Wilson): {interval[0]:.4f} to {interval[1]:.4f}")
    ece = candidate.evaluation.metrics.ece
    return lines + ([] if ece is None else [f"- expected calibration error: {ece:.4f}"])


def _evaluation_data(manifest: BundleManifest, candidate: Candidate, card: DataCard) -> list[str]:
    found = card.duplicates
    unseen, same = "never used in training", ", the same as in training"
    if candidate.is_foreign:
        unseen, same = "not used to quantize it; whether its float model was trained on them is not known here", ""
    return [
        f"- test split of {code(card.source)}: {manifest.samples} samples, {unseen}",
        f"- samples found in more than one split: {found.across}; dropped as duplicates: {found.dropped}",
        f"- preprocessing: {plain(card.normalization)}{same}",
    ]


def _training_data(candidate: Candidate, card: DataCard) -> list[str]:
    samples, counts = card.samples, card.class_counts.get("train", {})
    foreign = "- the float model came from elsewhere, and what it was trained on is not known here; to quantize it:"
    use = "to calibrate and train" if candidate.is_foreign else "to train"
    lines = [
        *([foreign] if candidate.is_foreign else []),
        f"- {code(card.source)}: {samples['train']} samples {use}, {samples['val']} to validate",
        f"- data SHA-256 {code(card.sha256)}",
    ]
    if counts:
        least, most = (choose(counts, key=lambda name: counts[name]) for choose in (min, max))
        lines.append(
            f"- samples of a class: {counts[least]} ({plain(least)}, the fewest) to {counts[most]} ({plain(most)})"
        )
    return lines


def _analyses(manifest: BundleManifest, candidate: Candidate) -> list[str]:
    return [
        *card_analyses.against_float(candidate),
        *card_analyses.against_members(candidate),
        *card_analyses.weaknesses(candidate),
        f"- measured with the {manifest.kernels} kernels of LiteRT; groups across classes were not measured",
        *card_analyses.by_class(candidate),
    ]


def _ethics(said: CardParams) -> list[str]:
    return [
        f"- {stated(said.ethical_considerations)}",
        "- whether the data are about people, and were given for this use, is for people to say",
    ]


def _caveats(manifest: BundleManifest, candidate: Candidate, card: DataCard, said: CardParams) -> list[str]:
    classes = candidate.evaluation.metrics.per_class
    few = [plain(name) for name, found in classes.items() if found.support < FEW_SAMPLES]
    conflicts = card.duplicates.conflicting_labels
    return [
        f"- {stated(said.caveats)}",
        "- other kernels may differ by one step of the output tensor; check with the golden samples on the device",
        f"- inputs beyond the range of the {manifest.input.dtype} input tensor are clipped",
        *([f"- fewer than {FEW_SAMPLES} test samples, so roughly measured: {', '.join(few)}"] if few else []),
        *([f"- {conflicts} samples of the data occur twice with different labels"] if conflicts else []),
    ]
