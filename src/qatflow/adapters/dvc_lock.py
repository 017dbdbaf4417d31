"""Reads dvc.lock, which is safe inside a stage too, where opening the DVC project is not."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML


def data_md5(root: Path, path: str) -> str | None:
    """Return DVC's MD5 of the data set that stage `prepare` last ran with; None if it did not run with `path`."""
    lock = root / "dvc.lock"
    content: dict[str, Any] = YAML(typ="safe", pure=True).load(lock.read_text()) if lock.exists() else {}
    deps = content.get("stages", {}).get("prepare", {}).get("deps", [])
    return next((str(dep["md5"]) for dep in deps if dep["path"] == path and "md5" in dep), None)
