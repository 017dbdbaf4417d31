"""Files that pass between stages: written whole or not at all, listed with digests, verified before use."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qatflow.errors import ArtifactError

MANIFEST = "manifest.json"
SCHEMA = 1
Array = npt.NDArray[Any]


def sha256_bytes(content: bytes) -> str:
    """Return the SHA-256 of `content` in hex."""
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's content in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests(files: Iterable[Path], root: Path) -> dict[str, str]:
    """Return the SHA-256 of each file by its path below `root`."""
    return {path.relative_to(root).as_posix(): sha256_file(path) for path in files}


def fingerprint(path: Path) -> frozenset[tuple[str, int, int]]:
    """Return name, size and time of change of a file, or of all files of a folder at any depth; empty if it is missing.

    Says without reading them whether files are the same as a moment ago. What Python and editors put beside them does
    not count.
    """
    found: set[tuple[str, int, int]] = set()
    walked = os.walk(path) if path.is_dir() else [(str(path.parent), [], [path.name])] if path.exists() else []
    for folder, below, names in walked:
        below[:] = [name for name in below if name != "__pycache__" and not name.startswith(".")]
        for name in names if path.is_dir() else [path.name]:
            if not name.startswith("."):
                stat = os.stat(os.path.join(folder, name), follow_symlinks=True)  # noqa: PTH116, PTH118 (a million files)
                found.add((os.path.join(folder, name), stat.st_size, stat.st_mtime_ns))  # noqa: PTH118
    return frozenset(found)


def canonical_json(value: Any) -> str:
    """Return JSON with sorted keys and a final newline: equal values, equal bytes. NaN is refused."""
    return json.dumps(value, sort_keys=True, indent=1, allow_nan=False) + "\n"


def digest(value: Any) -> str:
    """Return the SHA-256 of a JSON-like value."""
    return sha256_bytes(canonical_json(value).encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old or the new content, never a part: temporary, fsync, rename."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_directory(path.parent)


def write_text(path: Path, content: str) -> None:
    """Write UTF-8 text as `write_bytes` does."""
    write_bytes(path, content.encode())


def write_json(path: Path, value: Any) -> None:
    """Write canonical JSON as `write_bytes` does."""
    write_text(path, canonical_json(value))


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        ArtifactError: If the file is missing or no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ArtifactError(f"{path} is missing; run `qatflow run` to make it") from None
    except ValueError as error:
        raise ArtifactError(f"{path} is not JSON ({error}); delete it and run `qatflow run`") from None


def save_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays as an npz without pickle; equal arrays give equal bytes."""
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_arrays(path: Path) -> dict[str, Array]:
    """Read all arrays of an npz that `save_arrays` wrote, in their order.

    Raises:
        ArtifactError: If the file is no such npz.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError) as error:
        raise ArtifactError(f"{path} cannot be read as arrays: {error}") from None


def lies_at(path: Path, opened: os.stat_result) -> bool:
    """Tell whether a file that was opened is still the one at its path: not deleted, and not replaced by another."""
    try:
        return os.path.samestat(path.stat(), opened)
    except FileNotFoundError:
        return False


def fsync_directory(directory: Path) -> None:
    """Make renames in `directory` durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def stage_output(directory: Path, stage: str, parents: Mapping[str, Path] | None = None) -> Iterator[Path]:
    """Give an empty folder to fill; on success seal it with a manifest and rename it to `directory`.

    A failure, or a kill at any moment, leaves no `directory` without a manifest, and never a half-written one.

    Args:
        directory: Where the finished output will be. What is there is replaced.
        stage: Name of the stage, kept in the manifest.
        parents: Name -> sealed folder that this output was made from; their manifests' digests are kept as lineage.
    """
    workplace = directory.with_name(f".{directory.name}.partial")
    shutil.rmtree(workplace, ignore_errors=True)
    workplace.mkdir(parents=True)
    try:
        yield workplace
        seal(workplace, stage, parents or {})
        shutil.rmtree(directory, ignore_errors=True)
        workplace.replace(directory)
        fsync_directory(directory.parent)
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


def seal(directory: Path, stage: str, parents: Mapping[str, Path]) -> None:
    """Write the manifest of all files in `directory`, last."""
    files = {
        path.relative_to(directory).as_posix(): {"sha256": sha256_file(path), "size_bytes": path.stat().st_size}
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path != directory / MANIFEST
    }
    lineage = {name: sha256_file(parent / MANIFEST) for name, parent in sorted(parents.items())}
    write_json(directory / MANIFEST, {"schema": SCHEMA, "stage": stage, "files": files, "parents": lineage})


def verify(directory: Path) -> dict[str, Any]:
    """Check every file of a sealed folder against its manifest; return the manifest.

    Raises:
        ArtifactError: If the manifest is missing, or a file is missing, of another size or altered.
    """
    manifest = read_json(directory / MANIFEST)
    if manifest.get("schema") != SCHEMA:
        raise ArtifactError(f"{directory / MANIFEST} has schema {manifest.get('schema')}, this version reads {SCHEMA}")
    for name, expected in manifest["files"].items():
        path = directory / name
        if not path.is_file():
            raise ArtifactError(f"{path} is missing though {MANIFEST} lists it; run `qatflow run` to make it again")
        found = {"sha256": sha256_file(path), "size_bytes": path.stat().st_size}
        if found != expected:
            raise ArtifactError(
                f"{path} was altered: expected sha256 {expected['sha256'][:12]}… and {expected['size_bytes']} bytes, "
                f"found {found['sha256'][:12]}… and {found['size_bytes']}. `qatflow run` makes it again."
            )
    return dict(manifest)
