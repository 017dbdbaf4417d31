"""Contrast by WCAG 2.2: text against its ground at least 4.5, graphical marks at least 3."""

import re
from importlib.resources import files

import pytest

CSS = files("qatflow.report").joinpath("templates/style.css").read_text("utf-8")
GROUNDS = ("paper", "card")
TEXTS = ("ink", "muted", "accent", "warn")
MARKS = ("accent", "second", "quiet", "warn", *(f"series-{i}" for i in range(6)))
SHADES = [
    float(opacity) for opacity in re.findall(r"\.heat-\d \{[^}]*?(?:fill-opacity: ([.\d]+))?; \}", CSS) if opacity
]


def palette(side: int) -> dict[str, tuple[float, ...]]:
    """Name -> colour of each `--name: light-dark(#light, #dark)`."""
    found = re.findall(r"--([\w-]+): light-dark\(#(\w{6}), #(\w{6})\);", CSS)
    return {name: tuple(int(codes[side][i : i + 2], 16) / 255 for i in (0, 2, 4)) for name, *codes in found}


THEMES = {"light": palette(0), "dark": palette(1)}


def luminance(colour: tuple[float, ...]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_every_colour_is_defined_for_both_themes():
    defined = set(re.findall(r"--([\w-]+):", CSS))
    assert defined == THEMES["light"].keys()
    assert set(re.findall(r"var\(--([\w-]+)\)", CSS)) <= defined
    assert not re.findall(r"#\w{6}(?![^;]*\);)", CSS)


def test_text_on_the_hint_is_readable():
    assert all(contrast(theme["paper"], theme["ink"]) >= 4.5 for theme in THEMES.values())


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("ground", [*GROUNDS, "accent-wash"])
@pytest.mark.parametrize("text", TEXTS)
def test_text_is_readable(theme, ground, text):
    assert contrast(THEMES[theme][text], THEMES[theme][ground]) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("mark", MARKS)
def test_marks_stand_out(theme, ground, mark):
    assert contrast(THEMES[theme][mark], THEMES[theme][ground]) >= 3


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("shade", range(7))
def test_counts_are_readable_on_every_shade(theme, shade):
    colours = THEMES[theme]
    opacity = [*SHADES, 1.0][shade]
    mixed = tuple(
        opacity * heat + (1 - opacity) * card for heat, card in zip(colours["heat"], colours["card"], strict=True)
    )
    text = "on-heat" if f".on-heat-{shade}" in CSS else "ink"
    assert contrast(colours[text], mixed) >= 4.5


def test_there_are_as_many_shades_as_the_matrix_uses():
    from qatflow.report.figures.confusion import SHADES as BOUNDS

    assert len(re.findall(r"\.heat-\d ", CSS)) == len(BOUNDS)
