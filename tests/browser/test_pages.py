"""Report, comparison, sweep and monitor as a reader opens them: on a phone and a desk, by day and by night."""

from itertools import pairwise
from pathlib import Path

import pytest

from qatflow.monitoring.look import look
from qatflow.monitoring.reference import load_reference
from qatflow.report.build import build_report
from qatflow.report.compare.page import render
from qatflow.report.compare.read import read_side
from qatflow.report.course import CourseFigures
from qatflow.report.sweep import write_report
from qatflow.visualize.monitoring import render as render_monitor
from tests.unit.monitoring.served import PARAMS as MONITORED
from tests.unit.monitoring.served import served
from tests.unit.release.fabricate import bundle, flatbuffer
from tests.unit.report.courses import candidate, course
from tests.unit.report.fabricate import Plan, fabricate
from tests.unit.report.test_sweep import GRID, PARAMS

pytestmark = pytest.mark.slow

TWELVE = tuple(f"qat_w8a8_per_channel_pruned_{i}" for i in range(12))
CROWDED = {
    "variants": TWELVE,
    "champion": TWELVE[0],
    "refused": TWELVE[3:],
    "layers": tuple(f"block_{i}_depthwise_convolution" for i in range(20)),
    "classes": tuple(f"a_rather_long_class_name_{i}" for i in range(18)),
}
LONG = "spool:" + "a_rather_long_folder_without_any_place_to_break_it/" * 4
REFUSED = candidate(9, 9000, f"refused: {LONG}")
GROUNDS = {"light": "rgb(250, 250, 248)", "dark": "rgb(19, 22, 26)"}
SMALLEST_TEXT_PX = 7.5
OPEN = "document.querySelectorAll('details').forEach(part => part.open = true)"
LOOK = """(() => {
  const text = [...document.querySelectorAll("figure svg text")].map(words => {
    const drawing = words.ownerSVGElement;
    return parseFloat(getComputedStyle(words).fontSize) * drawing.clientWidth / drawing.viewBox.baseVal.width;
  });
  return {
    scroll: document.documentElement.scrollWidth, width: innerWidth,
    ground: getComputedStyle(document.body).backgroundColor,
    smallest_text: Math.min(1000, ...text),
    headings: [...document.querySelectorAll("h1,h2,h3,h4,h5,h6")].map(heading => +heading.tagName[1]),
    nameless: [...document.querySelectorAll("img:not([alt]),img[alt=''],svg:not([aria-label])")].length,
    broken: [...document.images].filter(image => !image.naturalWidth).length,
    dead: [...document.querySelectorAll("a[href^='#']")].filter(a => !document.querySelector(a.hash)).length,
  };
})()"""


def report(root: Path, learned: CourseFigures | None = None, **plan: object) -> Path:
    fake = fabricate(root, Plan(**plan))
    (root / "report").mkdir()
    build_report(fake.root, fake.params, root / "report", learned)
    return root / "report" / "index.html"


def comparison(root: Path) -> Path:
    sides = [bundle(root / name, flatbuffer(name), variant=f"qat_{name}") for name in ("int8", "int4")]
    (root / "page.html").write_text(render(*(read_side(path, root) for path in sides)))
    return root / "page.html"


def sweep(root: Path) -> Path:
    write_report(GRID, PARAMS, root / "sweep")
    return root / "sweep" / "index.html"


def monitored(root: Path) -> Path:
    made, folder = served(root, turned=True, labels=True)
    seen = look(folder, load_reference(made / "reference.npz"), MONITORED)
    (root / "page.html").write_text(render_monitor(seen, "digits"))
    return root / "page.html"


MAKERS = {
    "report": report,
    "report of a course": lambda root: report(
        root, course(stream=LONG, error=LONG, candidates=[candidate(8, 1), REFUSED])
    ),
    "crowded report": lambda root: report(root, **CROWDED),
    "comparison": comparison,
    "sweep": sweep,
    "monitor": monitored,
}


@pytest.fixture(scope="module", params=MAKERS)
def page(request, tmp_path_factory) -> Path:
    return MAKERS[request.param](tmp_path_factory.mktemp("page"))


@pytest.mark.parametrize("theme", GROUNDS)
@pytest.mark.parametrize("width", [390, 1440])
def test_a_page_is_whole(tab, page, width, theme):
    tab.open(page, width, theme)
    tab.evaluate(OPEN)
    found = tab.evaluate(LOOK)

    assert tab.faults == []
    assert found["scroll"] <= found["width"] == width
    assert found["ground"] == GROUNDS[theme]
    assert found["smallest_text"] >= SMALLEST_TEXT_PX
    assert found["headings"][0] == 1
    assert all(after <= before + 1 for before, after in pairwise(found["headings"]))
    assert (found["nameless"], found["broken"], found["dead"]) == (0, 0, 0)


@pytest.mark.parametrize("theme", GROUNDS)
def test_a_reader_can_choose_the_other_theme(tab, page, theme):
    other = next(name for name in GROUNDS if name != theme)
    tab.open(page, 1440, theme)
    said = tab.evaluate("document.querySelector('.theme').textContent")
    tab.evaluate("document.querySelector('.theme').click()")

    assert said.lower() == other
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == GROUNDS[other]
    assert tab.evaluate("document.querySelector('.theme').getAttribute('aria-label')") == f"Use the {theme} theme"
    assert tab.faults == []
    tab.evaluate("localStorage.clear()")


@pytest.fixture(scope="module")
def plain_report(tmp_path_factory) -> Path:
    return report(tmp_path_factory.mktemp("report"))


def test_a_key_hides_its_line_by_pointer_and_by_keyboard(tab, plain_report):
    tab.open(plain_report, 1440, "light")
    line = "document.querySelector('.key').ownerSVGElement.querySelector('.series[data-series=\"0\"]')"
    shown = f"getComputedStyle({line}).visibility"

    assert tab.evaluate(shown) == "visible"
    tab.evaluate("document.querySelector('.key').dispatchEvent(new MouseEvent('click', {bubbles: true}))")
    assert tab.evaluate(shown) == "hidden"
    assert tab.evaluate("document.querySelector('.key').getAttribute('aria-pressed')") == "false"
    tab.evaluate("document.querySelector('.key').dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter'}))")
    assert tab.evaluate(shown) == "visible"


def test_candidates_of_a_course_are_hidden_by_their_key_and_tell_what_they_are(tab, tmp_path):
    tab.open(report(tmp_path, course()), 390, "dark")
    marks = "document.querySelector('#online g.series[data-series=\"promoted\"]')"
    shown = f"getComputedStyle({marks}.querySelector('circle')).visibility"
    assert tab.evaluate(f"getComputedStyle({marks}.querySelector('circle')).fill") == "rgb(43, 196, 154)"
    tab.evaluate(f"{marks}.querySelector('circle').dispatchEvent(new PointerEvent('pointerdown', {{bubbles: true}}))")
    assert tab.evaluate("document.querySelector('.tip').textContent").startswith("Candidate 2, 2,000 samples: hold-out")
    key = "document.querySelector('#online .key[data-series=\"promoted\"]')"
    tab.evaluate(f"{key}.dispatchEvent(new KeyboardEvent('keydown', {{key: 'Enter'}}))")
    assert tab.evaluate(shown) == "hidden"
    assert tab.faults == []


def test_a_touched_mark_tells_what_it_is(tab, plain_report):
    tab.open(plain_report, 390, "light")
    touch = "dispatchEvent(new PointerEvent('pointerdown', {bubbles: true}))"
    tab.evaluate(f"document.querySelector('svg circle.mark-float').{touch}")
    assert tab.evaluate("document.querySelector('.tip').textContent").startswith("float: ")
    tab.evaluate(f"document.querySelector('h1').{touch}")
    assert tab.evaluate("document.querySelector('.tip').hidden")


def test_no_script_from_data_would_run(tab, plain_report, tmp_path):
    hostile = plain_report.read_text().replace("<main", "<script>document.title = 'taken'</script><main")
    (tmp_path / "page.html").write_text(hostile)
    tab.open(tmp_path / "page.html", 1440, "light")
    assert tab.evaluate("document.title") != "taken"
    assert tab.faults


@pytest.mark.parametrize(
    "fault",
    ["<script>console.error('x')</script>", "<script>throw 1</script>", "<img src='none.png'>"],
)
def test_the_browser_sees_what_is_wrong(tab, tmp_path, fault):
    (tmp_path / "page.html").write_text(f"<!doctype html>{fault}<div style='width:3000px'>")
    tab.open(tmp_path / "page.html", 390, "light")
    assert tab.faults
    assert tab.evaluate("document.documentElement.scrollWidth") > 390
