import numpy as np
import pytest
from PIL import Image

from qatflow.visualize.course import Curve, draw_course

CURVE = Curve(np.arange(100, 2100, 100), np.linspace(1.0, 0.5, 20))
CANDIDATES = [
    {"learned": 500, "holdout": 0.97, "outcome": "promoted"},
    {"learned": 900, "holdout": 0.8, "outcome": "dropped"},
]


@pytest.mark.parametrize("candidates", [CANDIDATES, []])
@pytest.mark.parametrize("frozen", [CURVE, None])
def test_a_course_is_drawn(tmp_path, candidates, frozen):
    draw_course(CURVE, candidates, [700], tmp_path / "a.png", frozen)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width > 800
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 20


def test_nothing_learned_yet_is_drawn_too(tmp_path):
    empty = Curve(np.empty(0, np.int64), np.empty(0))
    draw_course(empty, [], [], tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000
