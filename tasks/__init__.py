"""This project's stages, one a file: read parameters, call qatflow, write the outputs. Yours to edit; see stages.py."""

import importlib.util
import os
import sys
from pathlib import Path

if importlib.util.find_spec("qatflow") is None:  # `dvc repro` without an activated environment: use the project's own
    _python = Path(__file__).parents[1] / ".venv/bin/python"
    if not _python.exists() or Path(sys.executable) == _python:
        sys.exit("qatflow is not installed here; run `make setup` first")
    os.execv(_python, [str(_python), *sys.orig_argv[1:]])  # noqa: S606 (our own interpreter, no shell wanted)
