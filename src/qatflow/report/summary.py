"""The report's figures as one JSON-like value. Pure: a run in, a summary out."""

from statistics import median

from qatflow.report import wording
from qatflow.report.course import course_summary
from qatflow.report.read import Record, Run, Variant


def summarize(run: Run) -> Record:
    """Return `summary.json`: verdict, task, classes, float model, champion, variants and lineage.

    After a course there is `online` too: see `course_summary`. Sizes are in bytes, latencies are p50 in
    microseconds, `accuracy` is the task's score (accuracy, R² or AUC).
    """
    return {
        "verdict": verdict(run).replace(wording.SPACE, " "),
        "task": run.task,
        "classes": run.card["class_names"],
        "float": float_summary(run),
        "champion": champion_summary(run),
        "variants": {variant.name: variant_summary(run, variant) for variant in run.variants},
        "lineage": {"data_sha256": run.card["sha256"], "manifests": run.manifests, "bundle": run.lineage},
        **({"online": course_summary(run.course)} if run.course else {}),
    }


def float_summary(run: Run) -> Record:
    """Return the float model's figures; its latency is the median over the runs beside each variant."""
    model = run.float_model
    latencies = [variant.timings["float_latency_us"]["p50"] for variant in run.variants]
    return {
        "accuracy": model["score"],
        "size_bytes": model["size_bytes"],
        "latency_us": median(latencies),
        "sha256": model["sha256"],
    }


def champion_summary(run: Run) -> Record | None:
    """Return the champion's figures under the names that variants have; agreement is unknown for an earlier run's."""
    champion = run.receipt["champion"]
    if champion is None:
        return None
    variant = champion_variant(run)
    figures = {name: value for name, value in champion.items() if name != "score"}
    agreement = variant.evaluation["agreement_float"] if variant else None
    return {**figures, "accuracy": champion["score"], "agreement": agreement}


def variant_summary(run: Run, variant: Variant) -> Record:
    """Return one variant's figures and which gates refused it."""
    evaluation, timings = variant.evaluation, variant.timings
    return {
        "accuracy": evaluation["score"],
        "accuracy_interval": evaluation["score_interval"],
        "samples": evaluation["samples"],
        "accuracy_drop": evaluation["float"]["score"] - evaluation["score"],
        "agreement": evaluation["agreement_float"],
        "agreement_fake_quant": evaluation["agreement_fake_quant"],
        "size_bytes": evaluation["size_bytes"],
        "size_zstd_bytes": evaluation["size_zstd_bytes"],
        "latency_us": timings["latency_us"]["p50"],
        "latency_ratio": timings["latency_ratio"],
        "sha256": evaluation["sha256"],
        "passed": not refused_by(run, variant),
        "refused_by": refused_by(run, variant),
    }


def champion_variant(run: Run) -> Variant | None:
    """Return the variant of this run that is the champion, if one is; of an earlier run's the bytes differ."""
    champion = run.receipt["champion"]
    identity = champion and (champion["variant"], champion["sha256"])
    same = [variant for variant in run.variants if (variant.name, variant.evaluation["sha256"]) == identity]
    return same[0] if same else None


def focus(run: Run) -> Variant:
    """Return the variant to show in detail: the champion, else the best of those that passed, else the best."""
    passed = [variant for variant in run.variants if not refused_by(run, variant)]
    return champion_variant(run) or max(passed or run.variants, key=lambda variant: variant.evaluation["score"])


def refused_by(run: Run, variant: Variant) -> list[str]:
    """Return the names of the gates that refused a variant."""
    return [result["gate"] for result in run.receipt["gates"][variant.name] if not result["passed"]]


def verdict(run: Run) -> str:
    """Say in one sentence what ships and what it costs."""
    shown = run.receipt.get("pending") or run.receipt["champion"]
    if shown is None:
        return f"Nothing ships: the gates refused all {len(run.variants)} variants."
    did = _DID[run.receipt["decision"]]
    score, reference = wording.SCORES[run.task], run.float_model
    size = wording.than_float(wording.smaller(shown["size_bytes"] / reference["size_bytes"]))
    change = score.against_float(shown["score"] - reference["score"])
    quality = f"{score.noun} {score.value(shown['score'])}, {change}"
    return f"{did} {shown['variant']} as version {shown['version']}: {size}, {quality}."


_DID = {"promoted": "Promoted", "kept": "Kept", "pending": "Waiting for approval:"}
