"""Loads the report in headless Chromium: no console message, no sideways scroll, text large enough to read."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from qatflow.report.build import build_report

CHROMIUM = shutil.which("chromium")
QUIET = ("--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-sync", *QUIET),
    *("--allow-file-access-from-files", "--enable-logging=stderr", "--hide-scrollbars", "--dump-dom"),
)
MEASURE = """<!doctype html><body><pre id="found">nothing</pre><iframe style="width:{width}px;height:900px;border:0"
 src="index.html"></iframe><script>
window.onload = () => {{
  const page = document.querySelector("iframe").contentDocument;
  page.querySelectorAll("details").forEach(part => part.open = true);
  const sizes = [...page.querySelectorAll("figure svg text")].map(text => {{
    const drawing = text.ownerSVGElement;
    return parseFloat(getComputedStyle(text).fontSize) * drawing.clientWidth / drawing.viewBox.baseVal.width;
  }});
  document.getElementById("found").textContent = JSON.stringify({{
    scroll: page.documentElement.scrollWidth, client: page.documentElement.clientWidth,
    dark: page.defaultView.matchMedia("(prefers-color-scheme: dark)").matches,
    ground: getComputedStyle(page.body).backgroundColor, smallest_text: Math.min(...sizes),
  }});
}};
</script>"""
TWELVE = tuple(f"qat_w8a8_per_channel_pruned_{i}" for i in range(12))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH; `apt-get install chromium` brings it"),
]


@pytest.fixture(scope="module", params=["default", "crowded"])
def report(request, build_run, tmp_path_factory) -> Path:
    """A report to load: the default one, or one with twelve variants, long names and many layers."""
    crowded = {
        "variants": TWELVE,
        "champion": TWELVE[0],
        "refused": TWELVE[3:],
        "layers": tuple(f"block_{i}_depthwise_convolution" for i in range(20)),
        "classes": tuple(f"a_rather_long_class_name_{i}" for i in range(18)),
    }
    fake = build_run(**(crowded if request.param == "crowded" else {}))
    out = tmp_path_factory.mktemp("report")
    build_report(fake.root, fake.params, out)
    return out


@pytest.mark.parametrize(("scheme", "ground"), [("dark", "rgb(19, 22, 26)"), ("light", "rgb(250, 250, 248)")])
@pytest.mark.parametrize("width", [390, 1440])
def test_the_page_fits(report, tmp_path, width, scheme, ground):
    (report / "wrapper.html").write_text(MEASURE.format(width=width))
    arguments = [
        f"--user-data-dir={tmp_path}",
        f"--window-size={width + 100},1000",
        f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}",
        f"file://{report}/wrapper.html",
    ]
    done = subprocess.run([str(CHROMIUM), *FLAGS, *arguments], capture_output=True, text=True, timeout=120, check=True)
    found = json.loads(re.search(r'<pre id="found">(.*?)</pre>', done.stdout).group(1))
    assert found["scroll"] == found["client"] == width
    assert found["ground"] == ground
    assert found["dark"] == (scheme == "dark")
    assert found["smallest_text"] >= 7.5
    assert "CONSOLE" not in done.stderr
