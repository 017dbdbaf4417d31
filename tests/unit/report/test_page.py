import base64
import hashlib
import re
from itertools import pairwise

import pytest
from markupsafe import Markup

from qatflow.report.page import environment, render

pytestmark = pytest.mark.slow

HOSTILE = '<script>alert("x")</script>'
TWELVE = tuple(f"qat_variant_{i}" for i in range(12))
RUNS = {
    "default": {},
    "regression": {"task": "regression"},
    "anomaly": {"task": "anomaly"},
    "nothing ships": {"champion": None, "refused": ("ptq_w8a8", "qat_w8a8_per_channel", "qat_w4a8")},
    "kept": {"champion": "qat_of_last_week"},
    "many classes": {"classes": tuple(f"class {i}" for i in range(100))},
    "twelve variants": {"variants": TWELVE, "champion": TWELVE[3], "refused": TWELVE[6:]},
    "ensemble": {"ensemble": True, "champion": "ensemble"},
    "ensemble of regressors": {"ensemble": True, "task": "regression"},
    "one variant": {"variants": ("ptq_w8a8",), "champion": "ptq_w8a8"},
}


@pytest.fixture(scope="module", params=RUNS.values(), ids=RUNS)
def page(request, build_run, load):
    return render(load(build_run(**request.param)), "model")


def test_the_page_is_well_formed_and_its_links_lead_somewhere(page, parse):
    nodes = parse(page)
    ids = [node.attributes["id"] for node in nodes if "id" in node.attributes]
    assert len(ids) == len(set(ids))
    links = [node.attributes["href"] for node in nodes if node.tag == "a"]
    assert links
    assert {link.removeprefix("#") for link in links} <= set(ids)
    labels = [node.attributes["aria-labelledby"] for node in nodes if "aria-labelledby" in node.attributes]
    assert set(labels) <= set(ids)


def test_the_page_needs_nothing_from_outside(page, parse):
    nodes = parse(page)
    assert not {node.tag for node in nodes} & {"iframe", "object", "embed", "base", "form"}
    assert all(node.attributes["src"].startswith("data:image/png;base64,") for node in nodes if node.tag == "img")
    assert [node.attributes for node in nodes if node.tag == "script"] == [{}]
    assert [node.attributes["href"] for node in nodes if node.tag == "link"] == ["data:,"]
    assert not [name for node in nodes for name in node.attributes if name.startswith("on")]
    assert not re.findall(r"url\(|@import|https?:", page)
    assert "default-src 'none'" in page


def test_headings_are_in_order(page, parse):
    levels = [int(node.tag[1]) for node in parse(page) if re.fullmatch(r"h\d", node.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_drawing_says_in_words_what_it_shows(page, parse):
    drawings = [node for node in parse(page) if node.tag == "svg"]
    assert drawings
    assert all(node.attributes["role"] == "img" and node.attributes["aria-label"] for node in drawings)


def test_every_figure_states_a_finding(page, parse):
    nodes = parse(page)
    titles = [after.text for before, after in pairwise(nodes) if before.tag == "figcaption"]
    assert len(titles) == len([node for node in nodes if node.tag == "figure"])
    assert all(titles)


def test_names_from_data_are_escaped(build_run, load):
    classes = (HOSTILE, "a & b", "'\"><svg onload=alert(1)>")
    page = render(load(build_run(classes=classes, layers=(HOSTILE, "dense"))), f"model{HOSTILE}")
    assert page.count("<script") == 1
    assert HOSTILE not in page
    assert "<svg onload" not in page
    assert "a &amp; b" in page


def test_wide_tables_scroll_inside_their_own_box(page, parse):
    nodes = parse(page)
    before_tables = [before for before, after in pairwise(nodes) if after.tag == "table"]
    assert before_tables
    assert {node.attributes.get("class") for node in before_tables} == {"scroll"}
    assert all(node.attributes.get("aria-label") and node.attributes.get("tabindex") == "0" for node in before_tables)


def test_no_script_but_the_pages_own_may_run(page):
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page


def test_pictures_have_alternative_texts(page, parse):
    assert all(node.attributes["alt"] for node in parse(page) if node.tag == "img")


def test_the_contents_list_every_section(page, parse):
    nodes = parse(page)
    sections = [node.attributes["id"] for node in nodes if node.tag == "section"]
    contents = re.search(r"<nav.*?</nav>", page, re.DOTALL).group(0)
    assert re.findall(r'href="#([\w-]+)"', contents) == ["summary", *sections]


def test_what_is_not_seen_but_acts_is_shown():
    page = environment().from_string("{{ name }}<{{ drawing }}")

    assert page.render(name="a\u202eb<", drawing=Markup("<b>\x1b[1m</b>")) == r"a\u202eb&lt;<<b>\u001b[1m</b>"
