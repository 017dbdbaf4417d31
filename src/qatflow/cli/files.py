"""Writing where a user said: what the disk refuses is told in a sentence."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qatflow.errors import DataError, ModelError, QATFlowError
from qatflow.search.recognise import recognise


def check_inputs(data: str, source: str | None, model: Path | None = None) -> None:
    """Check that there is what a command is to read, before TensorFlow takes its seconds to start.

    Raises:
        DataError: If nothing is there, or nothing that is understood.
        ModelError: If there is no model file.
        ParamsError: If there is no such data source.
    """
    if model is not None and not model.exists():
        raise ModelError(f"Model {model} does not exist; expected a .keras or .h5 file")
    _, path = recognise(data, source)
    if data != "digits" and not Path(path).exists():
        raise DataError(f"Data '{data}' do not exist")


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
