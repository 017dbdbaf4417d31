"""The first screen: the verdict in a sentence, why it fell, the key figures, and answers in plain words."""

from dataclasses import dataclass

from qatflow.release.receipt import Receipt, Shipped
from qatflow.report import summary, wording
from qatflow.report.answers import answers
from qatflow.report.course import finding
from qatflow.report.read import Record, Run, Variant
from qatflow.report.worries import worries


@dataclass(frozen=True)
class Tile:
    """A key figure: what it is, its value, and what to compare it with."""

    name: str
    value: str
    beside: str


def headline(run: Run) -> Record:
    """Return the verdict, why it fell, and figures, answers and worries of what ships, else of the best candidate."""
    earlier, shown = summary.remembered(run), summary.focus(run)
    return {
        "verdict": summary.verdict(run),
        "reason": _reason(run.receipt),
        "candidate": None if run.receipt.champion else shown.name,
        "tiles": _measured(run, shown) if earlier is None else _remembered(run, earlier),
        "answers": [*answers(run), *_since(run)],
        "worries": worries(run),
    }


def _reason(receipt: Receipt) -> str:
    """The first reason of a promotion is the promotion itself; the second says why the winner won."""
    return receipt.reasons[receipt.decision == "promoted"]


def _since(run: Run) -> list[tuple[str, str]]:
    """What a course learned; all else on this screen is of the run before it."""
    if run.course is None:
        return []
    ships = " The last one that was promoted took over; all else on this screen is of the run before."
    return [("What it learned since", finding(run.course) + (ships if run.course.promoted else ""))]


def _measured(run: Run, variant: Variant) -> list[Tile]:
    evaluation, timings = variant.evaluation, variant.timings
    speed = wording.than_float(wording.faster(timings.latency_ratio))
    speed = f"{speed} ({wording.latency(summary.float_latency(run).p50)})"
    same = "picks the same class as float" if run.task == "classification" else "of outputs as float gives them"
    return [
        _size(run, evaluation.size_bytes),
        _score(run, evaluation.score, variant),
        Tile("Latency", wording.latency(summary.latency(run, variant).p50), speed),
        Tile("Agreement", wording.percent(evaluation.agreement), same),
    ]


def _remembered(run: Run, champion: Shipped) -> list[Tile]:
    """A champion of an earlier run has the figures of the receipt only."""
    latency = Tile("Latency", wording.latency(champion.latency_us), "when it was promoted")
    return [_size(run, champion.size_bytes), _score(run, champion.score, None), latency]


def _size(run: Run, size_bytes: int) -> Tile:
    reference = run.float_model.size_bytes
    ratio = wording.than_float(wording.smaller(size_bytes / reference))
    return Tile("Size", wording.size(size_bytes), f"{ratio} ({wording.size(reference)})")


def _score(run: Run, value: float, variant: Variant | None) -> Tile:
    score, reference = wording.SCORES[run.task], run.float_model.score
    against = summary.against_float(run, value, variant)
    return Tile(score.name, score.value(value), f"{against} ({score.value(reference)})")
