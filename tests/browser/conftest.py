"""One Chromium for all tests; where none can be had they are skipped, and say so."""

from collections.abc import Iterator

import pytest

from tests.browser.chromium import PROGRAM, Browser, browser


@pytest.fixture(scope="session")
def tab() -> Iterator[Browser]:
    """A tab of Debian's Chromium."""
    if PROGRAM is None:
        pytest.skip("no chromium on PATH; `apt-get install chromium` brings it")
    with browser() as opened:
        yield opened
