"""Writing where a user said: what the disk refuses is told in a sentence."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qatflow.errors import QATFlowError


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """Turn a refusal of the disk while `out` is written into a user's error.

    Raises:
        QATFlowError: If a file or folder cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise QATFlowError(f"Cannot write {out}: {os.strerror(error.errno)}; choose another place with --out") from None
