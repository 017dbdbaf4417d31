import re
from dataclasses import replace
from itertools import pairwise

import pytest

from qatflow.errors import ModelError
from qatflow.report.compare.page import finding, render
from qatflow.report.compare.tables import figures

HOSTILE = '<script>alert("x")</script>'


def test_the_page_is_well_formed_and_needs_nothing_from_outside(measured, parse):
    page = render(*measured)
    nodes = parse(page)
    ids = {node.attributes["id"] for node in nodes if "id" in node.attributes}
    assert {node.attributes["href"].removeprefix("#") for node in nodes if node.tag == "a"} <= ids
    assert not re.findall(r"url\(|@import|https?:", page)
    levels = [int(node.tag[1]) for node in nodes if re.fullmatch(r"h\d", node.tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    titles = [after.text for before, after in pairwise(nodes) if before.tag == "figcaption"]
    assert [title.split(":")[0] for title in titles[1:]] == ["A", "B"]
    assert "with A" in titles[0] or titles[0] == "No class loses recall in B"


def test_equal_sides_give_equal_bytes(measured):
    assert render(*measured) == render(*measured)


def test_names_are_escaped(sides):
    a, b = (
        replace(
            side,
            path=HOSTILE,
            classes=(HOSTILE,),
            model=replace(side.model, name=HOSTILE, recalls={HOSTILE: 0.5}),
            params={HOSTILE: side.model.sha256[:9]},
            lineage={HOSTILE: side.model.sha256},
        )
        for side in sides
    )
    page = render(a, b)
    assert HOSTILE not in page
    assert page.count("<script") == 1
    assert page.count("&lt;script&gt;") > 6


def test_unlike_sides_have_no_page(sides):
    with pytest.raises(ModelError, match="cannot be compared"):
        render(sides[0], replace(sides[1], task="anomaly"))


def test_the_finding_claims_no_more_than_the_test(measured):
    a, b = measured
    said = finding(a, b, figures(a, b))
    assert said.startswith("B, qat_w4a8, is ")
    assert " than A, ptq_w8a8: " in said or " as A, ptq_w8a8: " in said
    assert finding(a, a, figures(a, a)).endswith("is as large as A, ptq_w8a8: the same score.")


def test_parameters_are_shown_where_both_know_them(sides):
    a, b = sides
    assert "Not known on both sides" in render(a, b)
    assert "The same on both sides." in render(replace(a, params={"x": "1"}), replace(b, params={"x": "1"}))
    page = render(replace(a, params={"x": "1"}), replace(b, params={"x": "2"}))
    assert re.search(r"<code>1</code>.*<code>2</code>", page)
