import pytest

from qatflow.visualize import style


def luminance(code):
    linear = [int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in linear]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colour", [style.BLUE, style.ORANGE, style.GREEN, style.GREY])
def test_marks_stand_out_on_white(colour):
    assert 1.05 / (luminance(colour) + 0.05) >= 3


@pytest.mark.parametrize(("kind", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_equal_figures_give_equal_bytes(kind, start):
    made = []
    for _ in range(2):
        figure = style.new_figure(2, 2)
        style.title(figure.subplots(), "a finding", 20)
        made.append(style.render(figure, kind))
    assert made[0] == made[1]
    assert made[0].startswith(start)


def test_long_names_are_cut_and_dollars_are_text():
    assert style.plain("a$b") == r"a\$b"
    assert len(style.plain("x" * 99)) == style.LONGEST
