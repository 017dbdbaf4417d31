"""The trend over releases."""

from dataclasses import replace

from qatflow.report.page import render
from qatflow.report.sections.nights import DRAWN, LISTED, nights


def night(number, **fields):
    return {
        "inputs": f"{number}", "when": f"2026-11-{1 + number % 28:02d}T02:00:10+00:00", "decision": "kept",
        "variant": "ptq_w8a8", "version": 3, "score": 0.97, "size_bytes": 20_000 - number, "float_score": 0.98,
        "best": 0.96, "samples": 360, **fields,
    }  # fmt: skip


def test_one_release_is_no_trend(run):
    assert nights(run) is None
    assert nights(replace(run, nights=(night(0),))) is None
    assert 'id="nights"' not in render(run, "model")


def test_each_night_has_its_verdict_score_and_size_newest_first(run):
    known = (night(0, decision="promoted"), night(1), night(2, score=None, variant=None, version=None, size_bytes=None))
    part = nights(replace(run, nights=known))

    assert [row["decision"] for row in part["rows"]] == ["kept", "kept", "promoted"]
    assert [row["variant"] for row in part["rows"]] == ["nothing ships", *["ptq_w8a8, version 3"] * 2]
    assert part["rows"][1]["when"] == "2026-11-02 02:00"
    assert part["figures"][0].title == "1 of the last 3 releases promoted a model"
    assert len(part["figures"]) == 2


def test_many_nights_stay_a_page(run, parse):
    known = tuple(map(night, range(400)))
    part = nights(replace(run, nights=known))

    assert (len(part["rows"]), part["total"]) == (LISTED, 400)
    assert f"last {DRAWN} releases" in part["figures"][0].title
    assert any(node.attributes.get("id") == "nights" for node in parse(render(replace(run, nights=known), "model")))
