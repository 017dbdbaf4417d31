"""The timeline of the loop."""

from pathlib import Path

import numpy as np
import pytest

from qatflow.visualize.loop import Answer, Moment, draw_loop, rolling_accuracy


def test_the_rolling_accuracy_is_of_the_last_answers_only():
    right = [True, False, True, True, False]

    assert rolling_accuracy(right, 2).tolist() == [1, 0.5, 0.5, 1, 0.5]
    assert rolling_accuracy([], 2).tolist() == []


@pytest.mark.slow
def test_equal_loops_give_equal_pictures(tmp_path: Path):
    answers = [Answer(i / 10, i % 7 != 0, "1" if i < 100 else "a-very-long-version") for i in range(150)]
    moments = [Moment(5.0, "drift: $x_1$ begins"), Moment(12.0, "promoted")]
    for name in ("a.png", "b.png"):
        draw_loop(answers, moments, "Accuracy fell and came back", tmp_path / name)

    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert np.frombuffer((tmp_path / "a.png").read_bytes()[:4], np.uint8).tolist() == [137, 80, 78, 71]
