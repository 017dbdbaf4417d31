"""What the flow shows of a course at its end, and when."""

import io

import pytest
from rich.console import Console

from qatflow.errors import ModelError
from qatflow.report.course import finding
from qatflow.screen import Screen
from qatflow.visualize.online import course_figures
from tests.online.project import PARAMS, begun

pytestmark = pytest.mark.slow


@pytest.fixture
def shown(project):
    from qatflow.pipeline import online

    said = io.StringIO()

    def show(course, state, error=None):
        with online._shown(project, course, PARAMS, "spool:s", state, Screen(Console(file=said))):
            if error is not None:
                raise error
        return said.getvalue()

    return show, said


def test_a_course_is_handed_to_the_report_as_plain_values(whole):
    (course, *_), _ = whole
    made = course_figures(course, "spool:s")
    assert (made.learned, made.bucket, made.ends.tolist()) == (384, 100, [100, 200, 300])
    assert made.candidates[0]["outcome"] == "promoted"
    assert made.counts["joined"] >= made.learned
    assert finding(made).startswith("Learned 384 samples of the stream; accuracy ")


def test_a_course_that_an_error_ends_is_shown_all_the_same(whole, shown, tmp_path):
    (course, *_), _ = whole
    show, said = shown
    with pytest.raises(ModelError, match="lost"):
        show(course, tmp_path, ModelError("The loss is lost"))
    assert (tmp_path / "timeline.png").is_file()
    assert "no new report" in said.getvalue()  # this project made no release


def test_one_that_was_refused_at_once_leaves_what_is_there(project, shown, tmp_path):
    show, said = shown
    with pytest.raises(ModelError):
        show(begun(project), tmp_path, ModelError("Another reader holds the stream"))
    assert not list(tmp_path.iterdir())
    assert said.getvalue() == ""


def test_one_that_took_no_record_is_shown(project, shown, tmp_path):
    assert f"timeline  {tmp_path}" in shown[0](begun(project), tmp_path)
