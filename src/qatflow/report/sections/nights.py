"""How it went night after night: the champion's score and size, the float model's score, and each verdict."""

from qatflow.report import wording
from qatflow.report.figures import lines
from qatflow.report.figures.svg import Figure, to_text
from qatflow.report.read import Record, Run

LISTED = 30
DRAWN = 100


def nights(run: Run) -> Record | None:
    """Return the rows, newest first, and the figures; None before there were two releases."""
    shown = run.nights[-DRAWN:]
    if len(shown) < 2:
        return None
    return {
        "score_name": wording.SCORES[run.task].name,
        "total": len(run.nights),
        "rows": [_row(run, night) for night in reversed(shown[-LISTED:])],
        "figures": [_scores(run, shown), *_sizes(shown)],
    }


def _row(run: Run, night: Record) -> Record:
    score = wording.SCORES[run.task]
    ships = night["score"] is not None
    return {
        "when": night["when"][:16].replace("T", " "),
        "decision": night["decision"],
        "variant": f"{night['variant']}, version {night['version']}" if ships else "nothing ships",
        "score": score.value(night["score"]) if ships else wording.ABSENT,
        "float": score.value(night["float_score"]),
        "size": wording.size(night["size_bytes"]) if ships else wording.ABSENT,
        "samples": f"{night['samples']:,}",
    }


def _scores(run: Run, shown: tuple[Record, ...]) -> Figure:
    score = wording.SCORES[run.task]
    drawn = [
        lines.Line("champion", [night["best"] if night["score"] is None else night["score"] for night in shown]),
        lines.Line("float model", [night["float_score"] for night in shown]),
    ]
    promoted = sum(night["decision"] == "promoted" for night in shown)
    title = f"{promoted} of the last {len(shown)} releases promoted a model"
    frame = lines.Frame(score.name, score.tick, across="release, oldest first")
    note = "Each on the test split of its night. Where nothing shipped, the best candidate's."
    return Figure(title, note, to_text(lines.lines(drawn, frame, f"{score.name} over the releases. {title}.")))


def _sizes(shown: tuple[Record, ...]) -> list[Figure]:
    known = [night["size_bytes"] for night in shown if night["size_bytes"] is not None]
    if len(known) < 2:
        return []
    title = f"The champion has {wording.size(known[-1])}; {wording.size(known[0])} {len(known) - 1} releases ago"
    frame = lines.Frame("bytes of the flatbuffer", wording.round_size, across="release that shipped, oldest first")
    return [Figure(title, "", to_text(lines.lines([lines.Line("champion", known)], frame, f"Size. {title}.")))]
