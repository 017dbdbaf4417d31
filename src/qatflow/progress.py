"""How long work tells how far it is. Drawing it is the caller's business."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called as `progress(label, done, total)`; `label` is a short phrase, `done <= total`."""


def silent(label: str, done: int, total: int) -> None:
    """Draw nothing."""
