"""The report's figures as one JSON-like value. Pure: a run in, a summary out."""

from qatflow.evaluation.result import Latency
from qatflow.release.receipt import Shipped
from qatflow.report import wording
from qatflow.report.course import alarms, course_summary
from qatflow.report.read import Record, Run, Variant

AS_GOOD = "as good as float"
ALPHA = 0.05
"""A difference that chance explains with less than this probability is called real."""


def summarize(run: Run) -> Record:
    """Return `summary.json`: verdict, task, classes, float model, champion, variants and lineage.

    After a course there is `online` too: see `course_summary`. Sizes are in bytes, latencies are p50 in
    microseconds, `accuracy` is the task's score (accuracy, R² or AUC).
    """
    return {
        "verdict": verdict(run).replace(wording.SPACE, " "),
        "task": run.task,
        "classes": list(run.card.class_names),
        "float": float_summary(run),
        "champion": champion_summary(run),
        "variants": {variant.name: variant_summary(run, variant) for variant in run.variants},
        "lineage": {"data_sha256": run.card.sha256, "manifests": run.manifests, "bundle": run.lineage},
        **({"online": course_summary(run.course)} if run.course else {}),
    }


def float_summary(run: Run) -> Record:
    """Return the float model's figures."""
    model = run.float_model
    return {
        "accuracy": model.score,
        "size_bytes": model.size_bytes,
        "latency_us": float_latency(run).p50,
        "sha256": model.sha256,
    }


def float_latency(run: Run) -> Latency:
    """Return the float model's latency, the same on the whole page: beside the variant in focus."""
    return focus(run).timings.reference


def latency(run: Run, variant: Variant) -> Latency:
    """Return a variant's latency, as if timed when the float model of the page was.

    Each is timed in turns with the float model, in a run of its own, in which the machine may have been slower. So
    ratios are what is known; two latencies on the page have the ratio that it states.
    """
    timings = variant.timings
    return timings.latency_us.scaled(float_latency(run).p50, timings.reference.p50)


def champion_summary(run: Run) -> Record | None:
    """Return the champion's figures under the names that variants have; agreement is unknown for an earlier run's."""
    champion = run.receipt.champion
    if champion is None:
        return None
    variant = champion_variant(run)
    figures = {name: value for name, value in champion.to_dict().items() if name != "score"}
    agreement = variant.evaluation.agreement_float if variant else None
    return {**figures, "accuracy": champion.score, "agreement": agreement}


def variant_summary(run: Run, variant: Variant) -> Record:
    """Return one variant's figures and which gates refused it."""
    evaluation, timings = variant.evaluation, variant.timings
    return {
        "accuracy": evaluation.score,
        "accuracy_interval": evaluation.score_interval,
        "samples": evaluation.samples,
        "accuracy_drop": evaluation.reference.score - evaluation.score,
        "agreement": evaluation.agreement_float,
        "agreement_fake_quant": evaluation.agreement_fake_quant,
        "size_bytes": evaluation.size_bytes,
        "size_zstd_bytes": evaluation.size_zstd_bytes,
        "latency_us": latency(run, variant).p50,
        "latency_ratio": timings.latency_ratio,
        "sha256": evaluation.sha256,
        "passed": not refused_by(run, variant),
        "refused_by": refused_by(run, variant),
    }


def champion_variant(run: Run) -> Variant | None:
    """Return the variant of this run that is the champion, if one is; of an earlier run's the bytes differ."""
    champion = run.receipt.champion
    return _same(run, champion) if champion else None


def remembered(run: Run) -> Shipped | None:
    """Return a champion that an earlier run made, of which only the receipt tells; else None."""
    return None if champion_variant(run) else run.receipt.champion


def _same(run: Run, described: Shipped) -> Variant | None:
    identity = (described.variant, described.sha256)
    same = [variant for variant in run.variants if (variant.name, variant.evaluation.sha256) == identity]
    return same[0] if same else None


def against_float(run: Run, score: float, variant: Variant | None) -> str:
    """Return where a score stands against the float model's; `as good as float` where a test calls it chance.

    Args:
        run: Whose float model it is held against.
        score: Of what is shown.
        variant: The variant of this run that it is of, with its test; None for an earlier run's model.
    """
    said = wording.SCORES[run.task].against_float(score - run.float_model.score)
    if variant is None or not is_chance(run, variant) or said.startswith("the same"):
        return said
    return AS_GOOD


def is_chance(run: Run, variant: Variant) -> bool:
    """Whether chance explains that a classifier's score is not the float model's."""
    p = variant.evaluation.mcnemar_float_p
    return run.task == "classification" and p is not None and p >= ALPHA


def focus(run: Run) -> Variant:
    """Return the variant to show in detail: the champion, else the best of those that passed, else the best."""
    passed = [variant for variant in run.variants if not refused_by(run, variant)]
    return champion_variant(run) or max(passed or run.variants, key=lambda variant: variant.evaluation.score)


def refused_by(run: Run, variant: Variant) -> list[str]:
    """Return the names of the gates that refused a variant."""
    return [result.gate for result in run.receipt.gates[variant.name] if not result.passed]


def verdict(run: Run) -> str:
    """Say in one sentence what ships and what it costs; an alarm of a course comes before it."""
    said = alarms(run.course) if run.course else []
    return f"Alarm: {said[0]} Before that: {_released(run)}" if said else _released(run)


def _released(run: Run) -> str:
    shown = run.receipt.pending or run.receipt.champion
    if shown is None:
        return f"Nothing ships: the gates refused all {len(run.variants)} variants."
    did = _DID[run.receipt.decision]
    score, reference = wording.SCORES[run.task], run.float_model
    size = wording.than_float(wording.smaller(shown.size_bytes / reference.size_bytes))
    against = against_float(run, shown.score, _same(run, shown))
    samples = f" ({run.variants[0].evaluation.samples:,} samples)" if against == AS_GOOD else ""
    quality = f"{score.noun} {score.value(shown.score)}, {against}{samples}"
    return f"{did} {shown.variant} as version {shown.version}: {size}, {quality}."


_DID = {"promoted": "Promoted", "kept": "Kept", "pending": "Waiting for approval:"}
