"""What is written when a course has ended."""

import json

import pytest

from qatflow import artifacts
from qatflow.params.root import Params
from qatflow.visualize.online import show_course
from tests.unit.report.courses import course
from tests.unit.report.fabricate import Plan, fabricate

pytestmark = pytest.mark.slow


def test_the_projects_report_gets_a_section_beside_the_checkpoints(tmp_path):
    fake = fabricate(tmp_path, Plan())
    state = tmp_path / "online"
    state.mkdir()
    assert show_course(fake.root, fake.params, course(), state) == f"report    {state / 'report' / 'index.html'}"
    assert artifacts.verify(state / "report")["stage"] == "online"
    assert 'id="online"' in (state / "report" / "index.html").read_text()
    assert json.loads((state / "report" / "summary.json").read_text())["online"]["learned"] == 5000
    assert sorted(path.name for path in state.iterdir()) == ["report", "timeline.png"]

    show_course(fake.root, fake.params, course(10), state)  # a later course takes the place of the earlier one
    assert json.loads((state / "report" / "summary.json").read_text())["online"]["learned"] == 1000


def test_a_project_without_a_whole_run_gets_its_timeline_only(tmp_path):
    said = show_course(tmp_path, Params(), course(), tmp_path)
    assert said.startswith(f"timeline  {tmp_path / 'timeline.png'}; no new report, for that needs a whole run: ")
    assert "prepare" in said
    assert [path.name for path in tmp_path.iterdir()] == ["timeline.png"]


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "timeline.png").mkdir()
    said = show_course(tmp_path, Params(), course(), tmp_path)
    assert said == "timeline and report could not both be written: Is a directory"
