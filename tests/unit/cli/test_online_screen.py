"""What `qatflow online` says, of a course that is only its figures."""

import io
from types import SimpleNamespace

from rich.console import Console

from qatflow.pipeline.online_screen import OnlineScreen
from qatflow.screen import Screen

JUDGED = {"number": 1, "sha256": "ab" * 32, "holdout": 0.96, "window": 0.9, "window_champion": 0.5, "reasons": ()}


def course(learned=1200, names=("a", "b"), outcome="promoted"):
    return SimpleNamespace(
        now=SimpleNamespace(learned=learned, drifts=(800,)),
        prequential=SimpleNamespace(recent=lambda: 0.95),
        candidates=[SimpleNamespace(**JUDGED, outcome=outcome)],
        parts=SimpleNamespace(intake=SimpleNamespace(names=names)),
    )


def shown(*events):
    """Return what was printed, and what was logged."""
    out, logged = io.StringIO(), []
    screen = OnlineScreen(Screen(Console(file=out, width=200)), lambda _, lag: logged.append(lag))
    for one, event, lag in events:
        screen(one, event, lag)
    return out.getvalue(), logged, screen


def test_a_candidate_is_told_with_its_figures_and_a_refusal_with_its_reason():
    text, _, _ = shown((course(), "released", None), (course(outcome="refused: taken"), "released", None))
    assert "candidate 1 (abababab) promoted: hold-out 96.0%, window 90.0% against 50.0%" in text
    assert "refused: taken" in text


def test_a_class_that_came_to_be_is_named_once():
    text, _, _ = shown(
        (course(), "begun", None),
        (course(names=("a", "b", "c")), "checkpoint", 5),
        (course(names=("a", "b", "c")), "ended", 0),
    )
    assert text.count("a new class: c") == 1
    assert "new class: a" not in text


def test_the_present_line_has_rate_lag_accuracy_drifts_and_promotions():
    _, logged, screen = shown((course(0), "resumed", 4000), (course(), "candidate", None))
    line = screen._present(course())
    assert "1,200 samples learned, " in line
    assert "4,000 records behind, prequential accuracy 95.0%, drifts 1, promoted 1 of 1" in line
    assert logged == [4000, None]
