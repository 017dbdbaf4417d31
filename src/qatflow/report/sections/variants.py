"""All variants side by side: what a reader compares first, and all that was measured."""

from typing import Literal

from qatflow.report import summary, wording
from qatflow.report.figures.latency import Timing
from qatflow.report.figures.latency import latency as latency_figure
from qatflow.report.figures.svg import Figure
from qatflow.report.figures.tradeoff import COMPRESSED, LATENCY, SIZE, Cost, Point, tradeoff
from qatflow.report.read import Record, Run, Variant

Status = Literal["float", "champion", "passed", "refused"]


def variants(run: Run) -> Record:
    """Return the rows of both tables and the two figures."""
    threads = run.variants[0].timings["threads"]
    timings = [_timing(run, variant) for variant in run.variants]
    reference = Timing("float", *(summary.float_latency(run, key) for key in ("p50", "p95")))
    return {
        "score_name": wording.SCORES[run.task].name,
        "intervals": any(variant.evaluation["score_interval"] for variant in run.variants),
        "samples": run.variants[0].evaluation["samples"],
        "threads": threads,
        "float": _float_row(run),
        "rows": [_row(run, variant) for variant in run.variants],
        "measured": [_measured(run, variant) for variant in run.variants],
        "figures": [*_fronts(run), latency_figure(reference, timings, threads)],
    }


def status(run: Run, variant: Variant) -> Status:
    """Return what became of a variant."""
    if variant == summary.champion_variant(run):
        return "champion"
    return "refused" if summary.refused_by(run, variant) else "passed"


def _row(run: Run, variant: Variant) -> Record:
    evaluation, score = variant.evaluation, wording.SCORES[run.task]
    reference = evaluation["float"]
    return {
        "name": variant.name,
        "status": status(run, variant),
        "refused_by": summary.refused_by(run, variant),
        "score": score.value(evaluation["score"]),
        "interval": _interval(evaluation["score_interval"], score),
        "change": score.change(evaluation["score"] - reference["score"]),
        "chance": summary.is_chance(run, variant) and evaluation["score"] != reference["score"],
        "agreement": wording.percent(evaluation["agreement_float"]),
        "size": wording.size(evaluation["size_bytes"]),
        "smaller": wording.smaller(evaluation["size_bytes"] / reference["size_bytes"]),
        "compressed": wording.size(evaluation["size_zstd_bytes"]),
        "p50": wording.latency(summary.latency(run, variant)),
        "p95": wording.latency(summary.latency(run, variant, "p95")),
        "faster": wording.faster(variant.timings["latency_ratio"]),
    }


def _float_row(run: Run) -> Record:
    model, score = run.float_model, wording.SCORES[run.task]
    return {
        "score": score.value(model["score"]),
        "size": wording.size(model["size_bytes"]),
        "compressed": wording.size(model["size_zstd_bytes"]),
        "p50": wording.latency(summary.float_latency(run)),
        "p95": wording.latency(summary.float_latency(run, "p95")),
    }


def _measured(run: Run, variant: Variant) -> Record:
    evaluation, timings = variant.evaluation, variant.timings
    return {
        "name": variant.name,
        "p99": wording.latency(summary.latency(run, variant, "p99")),
        "throughput": f"{timings['throughput_per_s']:,.0f}",
        "best_batch": timings["best_batch"],
        "memory": wording.size(timings["peak_memory_bytes"]),
        "float_memory": wording.size(timings["float_peak_memory_bytes"]),
        "fake_quant": _share(evaluation["agreement_fake_quant"]),
        "kernels": _share(evaluation["agreement_kernels"]),
        "deflate": wording.size(evaluation["size_deflate_bytes"]),
        "mcnemar_p": wording.number(evaluation["mcnemar_float_p"]),
    }


def _fronts(run: Run) -> list[Figure]:
    model, score = run.float_model, wording.SCORES[run.task]
    floats = {
        SIZE: model["size_bytes"],
        COMPRESSED: model["size_zstd_bytes"],
        LATENCY: summary.float_latency(run),
    }
    return [
        tradeoff(
            [
                Point("float", floats[cost], model["score"], None, "float"),
                *(_point(run, variant, _costs(run, variant)[cost]) for variant in run.variants),
            ],
            score,
            cost,
        )
        for cost in floats
    ]


def _costs(run: Run, variant: Variant) -> dict[Cost, float]:
    evaluation = variant.evaluation
    return {
        SIZE: evaluation["size_bytes"],
        COMPRESSED: evaluation["size_zstd_bytes"],
        LATENCY: summary.latency(run, variant),
    }


def _point(run: Run, variant: Variant, cost: float) -> Point:
    interval = variant.evaluation["score_interval"]
    bounds = (interval[0], interval[1]) if interval else None
    against = summary.against_float(run, variant.evaluation["score"], variant)
    return Point(variant.name, cost, variant.evaluation["score"], bounds, status(run, variant), against)


def _share(share: float | None) -> str:
    return wording.ABSENT if share is None else wording.percent(share)


def _interval(interval: list[float] | None, score: wording.Score) -> str:
    if not interval:
        return ""
    low, high = (score.value(bound).removesuffix(f"{wording.SPACE}%") for bound in interval)
    return f"{low} to {high}"


def _timing(run: Run, variant: Variant) -> Timing:
    return Timing(variant.name, summary.latency(run, variant), summary.latency(run, variant, "p95"))
