"""What a head must say so that two programs on the way cannot read it in two ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

MAX_HEADERS = 100
ONCE = frozenset(
    {b"host", b"authorization", b"origin", b"expect", b"x-client-id", b"inference-header-content-length"}
    | {b"content-type", b"content-encoding", b"content-length", b"transfer-encoding"}
)
"""Headers that are acted on: given twice, two programs on the way could act on different ones."""


def check_head(version: str, headers: Sequence[tuple[bytes, bytes]], named: Mapping[bytes, bytes]) -> None:
    """Check what a parser lets pass but two programs on the way could read differently.

    Args:
        headers: As they came, names in lower case.
        named: The last of each name.

    Raises:
        ValueError: If there are too many, no host or two, or a transfer-encoding that is not read.
    """
    if len(headers) > MAX_HEADERS:
        raise ValueError("too many headers")
    if len(named) != len(headers):
        names = [name for name, _ in headers]
        if any(names.count(name) > 1 for name in ONCE):
            raise ValueError("a header that is acted on is there twice")
    if b"host" not in named and version == "1.1":
        raise ValueError("no host")
    coding = named.get(b"transfer-encoding")
    if coding is not None and (coding.strip().lower() != b"chunked" or version != "1.1"):
        raise ValueError("a transfer-encoding other than chunked")
