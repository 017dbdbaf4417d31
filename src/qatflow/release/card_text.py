"""Markdown of a model card: what comes from data or people is plain text in it, never markup."""

import html
import re
from collections.abc import Sequence

NOT_STATED = "not stated"
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufff9-\ufffb]"
)
"""Characters that are not seen but act: on terminals (ESC), on the order of others (U+202E), on where lines end."""
SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~-])")


def visible(text: str) -> str:
    """Return text with the code of each character that is not seen but acts, such as `\\u202e`, in its place."""
    return UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def plain(text: object) -> str:
    """Return text that Markdown shows as it is: HTML and Markdown escaped, on one line, all of it visible."""
    line = visible(" ".join(str(text).split()))
    return SPECIAL.sub(r"\\\1", html.escape(line, quote=False))


def code(text: object) -> str:
    """Return text as code on one line; backticks, which would end it, become quotes, and HTML stays text."""
    return f"`{visible(' '.join(str(text).split())).replace('`', chr(39)).replace('|', chr(0xA6))}`"


def stated(text: str | None) -> str:
    """Return what somebody said, or that nobody did."""
    return plain(text) if text else NOT_STATED


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table's lines, with the blank ones around it that Markdown needs; its cells are escaped already."""
    rule = ["---"] * len(head)
    return ["", *(f"| {' | '.join(row)} |" for row in (head, rule, *rows)), ""]
