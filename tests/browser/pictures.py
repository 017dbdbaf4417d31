"""Takes the pictures of the README from the run in this project: `make pictures`, after `make run`."""

import sys
from pathlib import Path

from qatflow import params_file
from qatflow.errors import QATFlowError
from qatflow.visualize import weights
from qatflow.visualize.style import render
from qatflow.visualize.subject import Subject, open_subject
from tests.browser.chromium import PROGRAM, Browser, browser

IMAGES = Path("docs/images")
SCREENS = {"report": (1440, 1100), "report-phone": (390, 844)}
THEMES = ("light", "dark")


def take_screens(tab: Browser, page: Path, out: Path) -> None:
    """Write what a reader sees first, on a desk and a phone, in both themes."""
    for name, (width, height) in SCREENS.items():
        for theme in THEMES:
            tab.open(page, width, theme, height)
            tab.picture(out / f"{name}-{theme}.png")


def draw_weights(subject: Subject, out: Path) -> None:
    """Write the picture of the largest layer's weights."""
    place = max(range(len(subject.layers)), key=lambda i: subject.layers[i].integers.size)
    out.write_bytes(render(weights.draw(subject.layers[place], subject.originals.get(place)), "png"))


def main() -> None:
    """Take all of them; a missing browser or run ends in a sentence."""
    page, here = Path("artifacts/report/index.html"), Path()
    if PROGRAM is None:
        sys.exit("Error: no chromium on PATH; `apt-get install chromium` brings it")
    if not page.is_file():
        sys.exit(f"Error: {page} is missing; `make run` makes it")
    bundle = Path(params_file.load(Path("params.yaml")).deploy.path) / "current"
    try:
        draw_weights(open_subject(bundle, None, None, here, here), IMAGES / "weights.png")
    except QATFlowError as error:
        sys.exit(f"Error: {error}")
    with browser() as tab:
        take_screens(tab, page, IMAGES)


if __name__ == "__main__":
    main()
