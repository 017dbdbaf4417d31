"""Markdown of a model card: what comes from data or people is plain text in it, never markup."""

import html
import re
from collections.abc import Sequence

NOT_STATED = "not stated"
SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~-])")


def plain(text: object) -> str:
    """Return text that Markdown shows as it is: HTML and Markdown escaped, on one line."""
    line = " ".join(str(text).split())
    return SPECIAL.sub(r"\\\1", html.escape(line, quote=False))


def code(text: object) -> str:
    """Return text as code on one line; backticks, which would end it, become quotes, and HTML stays text."""
    return f"`{' '.join(str(text).split()).replace('`', chr(39)).replace('|', chr(0xA6))}`"


def stated(text: str | None) -> str:
    """Return what somebody said, or that nobody did."""
    return plain(text) if text else NOT_STATED


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table's lines, with the blank ones around it that Markdown needs; its cells are escaped already."""
    rule = ["---"] * len(head)
    return ["", *(f"| {' | '.join(row)} |" for row in (head, rule, *rows)), ""]
