"""The ensemble: its members and their weights, what it gains over the best of them, and what it costs."""

from qatflow.report import summary, wording
from qatflow.report.read import ENSEMBLE, Record, Run, Variant


def ensemble(run: Run) -> Record:
    """Return why there is an ensemble or none; if there is one, a row for each model, pairs and a verdict."""
    record, task = run.ensemble, run.task
    made = {"rows": [], "pairs": [], "verdict": "", "score_name": wording.SCORES[task].name, "has_ece": False}
    if record["members"]:
        made |= {
            "rows": [_row(run, variant) for variant in run.variants if variant.name in _shown(record)],
            "pairs": [_pair(pair) for pair in record["pairs"]],
            "verdict": _verdict(run),
            "has_ece": record["ece"] is not None,
        }
    return {"reason": record["reason"], "combine": record["combine"], **made}


def _shown(record: Record) -> set[str]:
    """The best single model is shown even if it is no member."""
    return {*record["members"], record["best"], ENSEMBLE}


def _row(run: Run, variant: Variant) -> Record:
    evaluation, members = variant.evaluation, run.ensemble["members"]
    ece = evaluation.metrics.ece
    return {
        "name": variant.name,
        "best": variant.name == run.ensemble["best"],
        "weight": f"{members[variant.name]['weight']:.3f}" if variant.name in members else "",
        "score": wording.SCORES[run.task].value(evaluation.score),
        "ece": wording.ABSENT if ece is None else wording.percent(ece),
        "loss": wording.number(run.ensemble["losses"].get(variant.name)),
        "size": wording.size(evaluation.size_bytes),
        "p50": wording.latency(summary.latency(run, variant).p50),
    }


def _pair(pair: Record) -> Record:
    return {
        "members": " and ".join(pair["members"]),
        "disagreement": wording.percent(pair["disagreement"]),
        "q": wording.number(pair["q_statistic"]),
    }


def _verdict(run: Run) -> str:
    record = run.ensemble
    best, score = record["best"], wording.SCORES[run.task]
    gain, p = record["against"][best]["gain"], record["against"][best]["p"]
    latencies = {variant.name: variant.timings.latency_ratio for variant in run.variants}
    slower = latencies[ENSEMBLE] / latencies[best]
    return (
        f"{score.name} {score.change(gain)} against {best}, the best single model (p = {p:.3f}), for "
        f"{wording.times(record['size_ratio'])} its bytes and {wording.times(slower)} its latency."
    )
