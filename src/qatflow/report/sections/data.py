"""The data card: what the models were trained and measured on."""

from qatflow.data.card import DataCard, Pictures
from qatflow.report import wording
from qatflow.report.figures.balance import balance
from qatflow.report.figures.svg import Figure
from qatflow.report.read import Record, Run

LISTED_FILES = 20
SPLITS = ("train", "val", "test")


def data(run: Run) -> Record:
    """Return the card's facts as (name, value) pairs, the files read, and the balance of classes."""
    card = run.card
    return {
        "facts": [*_samples(card), *_values(card)],
        "files": [{**file.to_dict(), "size": wording.size(file.size_bytes)} for file in card.files[:LISTED_FILES]],
        "files_total": card.files_total or len(card.files),
        "figures": _balance(card),
    }


def _samples(card: DataCard) -> list[tuple[str, str]]:
    splits = ", ".join(f"{card.samples[split]:,} {split}" for split in SPLITS)
    found = card.duplicates
    duplicates = f"{found.within} within splits, {found.across} across, {found.dropped} dropped"
    return [
        ("Source", card.source),
        ("Task", card.task),
        ("Samples", splits),
        ("Duplicates", duplicates),
        ("Same sample, other label", str(found.conflicting_labels)),
        *([("Pictures", _pictures(card.pictures))] if card.pictures else []),
    ]


def _pictures(found: Pictures) -> str:
    modes = ", ".join(f"{count:,} {mode}" for mode, count in found.modes.items())
    transparent = f"{found.transparent:,} with transparent parts, now {found.background}"
    return f"{modes}; {found.turned:,} turned as their EXIF says, {transparent}"


def _values(card: DataCard) -> list[tuple[str, str]]:
    shape = wording.TIMES.join(map(str, card.x_shape))
    spread = (f"{name} {wording.number(value)}" for name, value in card.value_range)
    return [
        ("Shape", f"{shape}, {card.x_dtype}"),
        ("Values", ", ".join(spread)),
        ("Normalization", card.normalization),
        ("SHA-256", card.sha256),
    ]


def _balance(card: DataCard) -> list[Figure]:
    """JSON sorts its keys: splits and classes go back into their own order. Regression has no classes."""
    counts = card.class_counts
    if not counts:
        return []
    names = card.class_names or list(counts["test"])
    return [balance({split: {name: counts[split][name] for name in names} for split in SPLITS})]
