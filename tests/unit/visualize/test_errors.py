from dataclasses import replace

import numpy as np
import pytest

from qatflow.report.lost import find_lost
from qatflow.visualize import errors
from tests.unit.release.fabricate import digits

pytestmark = pytest.mark.slow


@pytest.fixture
def crowded(subject):
    """A hundred classes with long names, of which the data hold ten."""
    names = tuple(f"a_rather_long_class_name_{i}" for i in range(100))
    return replace(subject, data=replace(subject.data, class_names=names))


def test_counts_are_written_in_the_cells(subject):
    figure = errors.confusion(subject)
    panel = figure.axes[0]
    right = int((subject.outputs.argmax(axis=1) == digits().test.labels()).sum())
    counts = {text.get_position(): int(text.get_text()) for text in panel.texts}
    assert sum(counts.values()) == digits().test.count
    assert sum(count for (x, y), count in counts.items() if x == y) == right
    wrong = f"gets {digits().test.count - right} of {digits().test.count} wrong"
    assert wrong in panel.get_title(loc="left").replace("\n", " ")


@pytest.mark.parametrize("name", ["subject", "crowded"])
def test_names_of_classes_do_not_cover_each_other(request, name, overlaps):
    figure = errors.confusion(request.getfixturevalue(name))
    assert len(figure.axes[0].get_xticklabels()) <= errors.MOST_NAMES
    assert overlaps(figure) == []


def test_a_hundred_classes_have_colours_only(crowded):
    assert len(errors.confusion(crowded).axes[0].texts) == 0


def test_lost_images_tell_what_they_are_and_are_taken_for(subject):
    found = find_lost(digits().test, subject.outputs, subject.float_model).samples
    figure = errors.lost(subject)
    assert figure.get_suptitle().startswith(f"qat_w4a8 loses {len(found)} images that the float model gets right")
    titles = [panel.get_title() for panel in figure.axes if panel.get_title()]
    first = found[0]
    assert titles[0] == f"#{first.position}\n{first.truth}\ntaken for {first.taken}"
    assert len(titles) == min(len(found), errors.SHOWN)


def test_what_is_not_lost_or_no_image_or_not_classified_is_not_drawn(subject, bare):
    assert errors.lost(replace(subject, model=subject.float_model)) is None
    assert errors.lost(replace(subject, data=replace(subject.data, input_shape=(64,)))) is None
    assert errors.lost(replace(subject, task="regression")) is None
    assert errors.lost(bare) is None
    assert errors.confusion(bare) is None
    assert errors.confusion(replace(subject, task="anomaly")) is None


def test_formulas_in_class_names_are_text(subject):
    names = ("$\\frac{", "<b>", *map(str, range(8)))
    figure = errors.confusion(replace(subject, data=replace(subject.data, class_names=names)))
    figure.draw_without_rendering()
    assert figure.axes[0].get_xticklabels()[0].get_text() == "\\$\\frac{"


def test_shares_are_of_the_true_class(subject):
    image = errors.confusion(subject).axes[0].images[0].get_array()
    assert np.allclose(image.sum(axis=1), 1)
