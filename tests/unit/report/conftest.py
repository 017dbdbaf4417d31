"""Fabricated runs, and a parser of pages and drawings."""

from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import pytest

from qatflow.report.read import Run, read_run
from tests.unit.report.fabricate import FakeRun, Plan, fabricate

Build = Callable[..., FakeRun]


@dataclass
class Node:
    """An element of a page or drawing, with the text right inside it."""

    tag: str
    attributes: dict[str, str | None]
    text: str = ""


class _Collector(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.nodes: list[Node] = []
        self.open: list[Node] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.nodes.append(Node(tag, dict(attrs)))
        if tag not in {"meta", "link", "br", "wbr"}:
            self.open.append(self.nodes[-1])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.nodes.append(Node(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if self.open:
            self.open[-1].text += data


@pytest.fixture(scope="session")
def build_run(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Return a function that fabricates a run from the fields of a `Plan`."""

    def build(**fields: Any) -> FakeRun:
        return fabricate(tmp_path_factory.mktemp("run"), Plan(**fields))

    return build


@pytest.fixture(scope="session")
def parse() -> Callable[[str], list[Node]]:
    """Return a function that lists the elements of markup, and fails if they are not well nested."""

    def elements(markup: str) -> list[Node]:
        collector = _Collector()
        collector.feed(markup)
        assert not collector.open, f"never closed: {collector.open}"
        return collector.nodes

    return elements


@pytest.fixture(scope="session")
def load() -> Callable[[FakeRun], Run]:
    """Return a function that reads a fabricated run."""
    return lambda fake: read_run(fake.root, fake.params.quantize.variants)


@pytest.fixture(scope="session")
def run(default_run: FakeRun, load: Callable[[FakeRun], Run]) -> Run:
    """The default run as the report reads it."""
    return load(default_run)


@pytest.fixture(scope="session")
def default_run(build_run: Build) -> FakeRun:
    """The default parameters' run: digits, three variants, one refused."""
    return build_run()
