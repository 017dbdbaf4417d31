"""The section on online learning."""

from dataclasses import replace

import numpy as np
import pytest

from qatflow.report.page import render
from qatflow.report.sections.headline import headline
from qatflow.report.sections.online import ROWS, online
from qatflow.report.summary import summarize
from tests.unit.report.courses import candidate, course

HOSTILE = '<script>alert("x")</script>'


def test_without_a_course_nothing_is_said_of_one(run):
    assert online(run) is None
    assert "What it learned since" not in dict(headline(run)["answers"])
    assert "online" not in summarize(run)
    assert 'id="online"' not in render(run, "model")


def test_a_course_comes_right_after_the_first_screen_and_is_told_there(run, parse):
    learned = replace(run, course=course())
    assert dict(headline(learned)["answers"])["What it learned since"].endswith("is of the run before.")
    assert summarize(learned)["online"]["promoted"] == 2
    sections = [node.attributes["id"] for node in parse(render(learned, "model")) if node.tag == "section"]
    assert sections[:2] == ["online", "variants"]


def test_the_table_tells_what_became_of_each_candidate(run):
    rows = online(replace(run, course=course()))["candidates"]
    assert [row["number"] for row in rows] == [5, 4, 3, 2, 1]
    assert [row["status"] for row in rows] == ["pending", "promoted", "refused", "promoted", "dropped"]
    assert [row["predicts"] for row in rows] == [False, True, False, False, False]
    assert [row["why"] for row in rows][2:] == [
        "another promotion came first",
        "",
        "window 0.9120 does not beat the champion's 0.9120 by min_window_gain",
    ]


def test_the_table_is_bounded(run):
    many = [candidate(number, number) for number in range(1, 3001)]
    part = online(replace(run, course=course(candidates=many)))
    assert (len(part["candidates"]), part["left_out"]) == (ROWS, 3000 - ROWS)
    assert part["candidates"][0]["number"] == 3000
    page = render(replace(run, course=course(candidates=many)), "model")
    assert "2900 older ones are not listed" in page
    assert len(page) - len(render(run, "model")) < 200_000


@pytest.mark.parametrize(
    "fields",
    [
        {"learned": 0, "records": 0, "ends": np.empty(0, np.int64), "accuracy": np.empty(0), "candidates": ()},
        {"candidates": ()},
        {"error": "The stream holds records of another schema"},
    ],
    ids=["empty", "no candidate", "ended early"],
)
def test_the_page_stays_whole(run, parse, fields):
    page = render(replace(run, course=course(**{"drifts": (), **fields})), "model")
    assert any(node.attributes.get("id") == "online" for node in parse(page))
    assert ("It ended early" in page) == ("error" in fields)
    assert fields.get("error", "") in page


def test_what_comes_from_the_stream_is_escaped(run):
    hostile = course(
        stream=HOSTILE,
        error=HOSTILE,
        classes=("0", HOSTILE),
        candidates=[candidate(1, 100, f"refused: {HOSTILE}"), candidate(2, 200, "dropped", reasons=[HOSTILE])],
        counts={"joined": 1, HOSTILE: 2},
    )
    page = render(replace(run, course=hostile), "model")
    assert page.count("<script") == 1
    assert HOSTILE not in page
    assert "Classes that appeared in the stream: &lt;script&gt;" in page


def test_counts_are_told_in_words_and_zeros_left_out(run):
    assert online(replace(run, course=course()))["counts"] == {
        "records": "5,020",
        "samples with a label": "5,000",
        "labels that came too late": "3",
        "records that cannot be used": "17",
        "samples learned": "5,000",
    }
