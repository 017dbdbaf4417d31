"""When a retraining is asked for, and when it is not."""

from dataclasses import replace
from pathlib import Path

import pytest

from qatflow.monitoring.asking import Asked, decide, last_asked, remember
from qatflow.monitoring.drift_report import DriftReport, Finding, Health, Labelled

CALM = DriftReport(
    when="2026-01-01T00:00:00.000+00:00", model_sha256="a" * 64, samples=200, last_seq=9, window_sha256="b" * 64,
    alpha=0.01, drifted=False, error_changed=False, reasons=(), statistics={"psi": Finding(0.1, 0.5, 1.0, False)},
    features=(), classes={}, confidence={}, health=Health(1, 1, 2, None, None, 0, 0, ()),
    labelled=Labelled(0, None, None, None, {}),
)  # fmt: skip
DRIFTED = replace(CALM, drifted=True, statistics={"psi": Finding(2.0, 0.0, 0.0, True)})


def test_without_drift_nothing_is_asked():
    assert decide(CALM, 10_000, None, 100).asks is False


@pytest.mark.parametrize("report", [DRIFTED, replace(CALM, error_changed=True)])
def test_drift_and_a_changed_error_ask_once_there_are_labels(report: DriftReport):
    few, enough = decide(report, 99, None, 100), decide(report, 100, None, 100)

    assert (few.asks, enough.asks) == (False, True)
    assert "99 of the 100 labels" in few.why
    assert "window bbbbbbbbbbbb" in enough.why


def test_for_the_same_champion_as_many_more_labels_are_needed(tmp_path: Path):
    remember(tmp_path, DRIFTED, 150)
    last = last_asked(tmp_path)

    assert last == Asked("a" * 64, 150, "b" * 64)
    assert decide(DRIFTED, 249, last, 100).asks is False
    assert decide(DRIFTED, 250, last, 100).asks is True
    assert decide(replace(DRIFTED, model_sha256="c" * 64), 100, last, 100).asks is True


def test_a_broken_memory_is_none(tmp_path: Path):
    assert last_asked(tmp_path) is None
    for content in ("", "[]", '{"model_sha256": 1}'):
        (tmp_path / "asked.json").write_text(content)
        assert last_asked(tmp_path) is None
