"""A real bundle of digits with its float model and data, and a reader of what a figure says."""

from dataclasses import replace

import pytest

from qatflow.visualize.subject import Subject
from tests.unit.release.fabricate import digits, flatbuffer


@pytest.fixture(scope="session")
def subject() -> Subject:
    return Subject("qat_w4a8", "classification", flatbuffer("int4"), flatbuffer("float32"), digits())


@pytest.fixture
def bare(subject) -> Subject:
    """The flatbuffer alone."""
    return replace(subject, float_model=None, data=None)


@pytest.fixture
def overlaps():
    """Return a function that lists pairs of texts of a panel's axes whose boxes cover each other."""

    def find(figure):
        figure.draw_without_rendering()
        renderer = figure._get_renderer()
        found = []
        for panel in figure.axes:
            texts = [panel.title, panel._left_title, panel.xaxis.label, panel.yaxis.label]
            for axis, place in ((panel.xaxis, 0), (panel.yaxis, 1)):
                low, high = sorted(axis.get_view_interval())  # ticks beyond are not drawn
                texts += [t for t in axis.get_ticklabels() if low <= t.get_position()[place] <= high]
            boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in texts if t.get_text() and t.get_visible()]
            found += [
                (one, other)
                for place, (one, box) in enumerate(boxes)
                for other, next_box in boxes[place + 1 :]
                if box.overlaps(next_box.padded(-0.5))
            ]
        return found

    return find
