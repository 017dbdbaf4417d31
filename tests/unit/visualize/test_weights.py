from dataclasses import replace

import numpy as np
import pytest

from qatflow.report.channels import columns
from qatflow.visualize import weights


def texts(figure):
    return [panel.get_title(loc="left") for panel in figure.axes if panel.get_title(loc="left")]


@pytest.mark.parametrize("place", range(3))
def test_the_step_of_each_channel_turns_values_into_the_stored_integers(subject, place):
    layer = subject.layers[place]
    whole = columns(layer) / weights.steps(layer)
    assert np.abs(whole - np.rint(whole)).max() < 1e-4
    assert np.array_equal(np.rint(whole), columns(replace(layer, values=layer.integers)))


def test_a_channel_of_zeros_has_step_1(subject):
    layer = subject.layers[0]
    zeros = replace(layer, values=np.zeros_like(layer.values), integers=np.zeros_like(layer.integers))
    assert set(weights.steps(zeros)) == {1.0}


def test_before_and_after_are_drawn_on_the_grid(subject, overlaps):
    figure = weights.draw(subject.layers[0], subject.originals[0])
    histogram = figure.axes[0]
    assert {text.get_text() for text in histogram.get_legend().get_texts()} == {"as stored", "float, density"}
    heights = [bar.get_height() for bar in histogram.patches if hasattr(bar, "get_height")]
    assert sum(heights) == pytest.approx(1)
    q = subject.layers[0].integers.astype(int)
    every = -(-(q.max() - q.min() + 1) // weights.MOST_LINES)
    assert [line.get_xdata()[0] for line in histogram.get_lines()] == list(range(q.min(), q.max() + 1, every))
    assert len(texts(figure)) == 3
    assert all(panel.get_xlabel() and panel.get_ylabel() for panel in figure.axes[:3])
    assert overlaps(figure) == []


def test_the_title_tells_what_the_grid_did(subject):
    layer = subject.layers[0]
    words = texts(weights.draw(layer, None))[0].replace("\n", " ").replace("\N{NO-BREAK SPACE}", " ")
    share = 100 * np.mean(layer.integers == 0)
    assert words.startswith(f"conv: {share:.1f} % of {layer.integers.size} weights are stored as 0")


def test_without_the_float_model_there_is_no_difference(subject):
    figure = weights.draw(subject.layers[0], None)
    assert len(texts(figure)) == 2
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["as stored"]


def test_float_weights_have_no_grid(subject):
    layer = replace(subject.originals[0], dtype="FLOAT32")
    figure = weights.draw(layer, None)
    assert texts(figure)[0].startswith("conv stays FLOAT32")
    assert figure.axes[0].get_legend() is None


def test_large_kernels_are_cut_and_say_so(subject):
    layer = subject.layers[2]
    large = replace(layer, values=np.ones((300, 300), np.float32), integers=np.ones((300, 300), np.int8))
    assert "the first 256 of each" in texts(weights.draw(large, None))[1].replace("\n", " ")
