"""All variants side by side: what a reader compares first, and all that was measured."""

from typing import Literal

from qatflow.evaluation.result import Interval, Latency
from qatflow.report import summary, wording
from qatflow.report.figures.latency import Timing
from qatflow.report.figures.latency import latency as latency_figure
from qatflow.report.figures.svg import Figure
from qatflow.report.figures.tradeoff import COMPRESSED, LATENCY, SIZE, Cost, Point, tradeoff
from qatflow.report.read import Record, Run, Variant
from qatflow.results import known

Status = Literal["float", "champion", "passed", "refused"]


def variants(run: Run) -> Record:
    """Return the rows of both tables and the two figures."""
    threads = run.variants[0].timings.threads
    timings = [_timing(variant.name, summary.latency(run, variant)) for variant in run.variants]
    reference = _timing("float", summary.float_latency(run))
    return {
        "score_name": wording.SCORES[run.task].name,
        "intervals": any(variant.evaluation.score_interval for variant in run.variants),
        "samples": run.variants[0].evaluation.samples,
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
    reference, latency = evaluation.reference, summary.latency(run, variant)
    return {
        "name": variant.name,
        "status": status(run, variant),
        "refused_by": summary.refused_by(run, variant),
        "score": score.value(evaluation.score),
        "interval": _interval(evaluation.score_interval, score),
        "change": score.change(evaluation.score - reference.score),
        "chance": summary.is_chance(run, variant) and evaluation.score != reference.score,
        "agreement": wording.percent(evaluation.agreement),
        "size": wording.size(evaluation.size_bytes),
        "smaller": wording.smaller(evaluation.size_bytes / reference.size_bytes),
        "compressed": wording.size(evaluation.size_zstd_bytes),
        "p50": wording.latency(latency.p50),
        "p95": wording.latency(latency.p95),
        "faster": wording.faster(variant.timings.latency_ratio),
    }


def _float_row(run: Run) -> Record:
    model, score, latency = run.float_model, wording.SCORES[run.task], summary.float_latency(run)
    return {
        "score": score.value(model.score),
        "size": wording.size(model.size_bytes),
        "compressed": wording.size(model.size_zstd_bytes),
        "p50": wording.latency(latency.p50),
        "p95": wording.latency(latency.p95),
    }


def _measured(run: Run, variant: Variant) -> Record:
    evaluation, timings = variant.evaluation, variant.timings
    return {
        "name": variant.name,
        "p99": wording.latency(summary.latency(run, variant).p99),
        "throughput": f"{known(timings.throughput_per_s, 'throughput'):,.0f}",
        "best_batch": timings.best_batch,
        "memory": wording.size(known(timings.peak_memory_bytes, "memory")),
        "float_memory": wording.size(known(timings.float_peak_memory_bytes, "memory")),
        "fake_quant": _share(evaluation.agreement_fake_quant),
        "kernels": _share(evaluation.agreement_kernels),
        "deflate": wording.size(evaluation.size_deflate_bytes),
        "mcnemar_p": wording.number(evaluation.mcnemar_float_p),
    }


def _fronts(run: Run) -> list[Figure]:
    model, score = run.float_model, wording.SCORES[run.task]
    floats = {
        SIZE: model.size_bytes,
        COMPRESSED: model.size_zstd_bytes,
        LATENCY: summary.float_latency(run).p50,
    }
    return [
        tradeoff(
            [
                Point("float", floats[cost], model.score, None, "float"),
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
        SIZE: evaluation.size_bytes,
        COMPRESSED: evaluation.size_zstd_bytes,
        LATENCY: summary.latency(run, variant).p50,
    }


def _point(run: Run, variant: Variant, cost: float) -> Point:
    bounds = variant.evaluation.score_interval
    against = summary.against_float(run, variant.evaluation.score, variant)
    return Point(variant.name, cost, variant.evaluation.score, bounds, status(run, variant), against)


def _share(share: float | None) -> str:
    return wording.ABSENT if share is None else wording.percent(share)


def _interval(interval: Interval | None, score: wording.Score) -> str:
    if not interval:
        return ""
    low, high = (score.value(bound).removesuffix(f"{wording.SPACE}%") for bound in interval)
    return f"{low} to {high}"


def _timing(name: str, latency: Latency) -> Timing:
    return Timing(name, latency.p50, latency.p95)
