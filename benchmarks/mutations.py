"""How many mutated bundles are refused before anything of them runs, and how many end the process.

`python -m benchmarks.mutations [--count N] [--seed S]` mutates a signed archive, its files and a bundle's folder, N of
each kind, checks each in a forked child that a crash would end, prints a table and writes
`benchmarks/results/mutations.md`. A mutation that gives the very bytes (of a manifest: the very values) again is drawn
anew. An archive is checked as `PUT /v2/bundle` does it: unpacked with one trusted key; a folder as the registry's
download does it: loaded, then compared with the digest that was registered.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from qatflow.artifacts import canonical_json
from qatflow.deploy import signing
from qatflow.deploy.archive import SIGNATURE, pack, unpack
from qatflow.deploy.plain_zip import decode, encode
from qatflow.errors import ArtifactError, QATFlowError
from qatflow.release.bundle import load_bundle, parse_manifest
from tests.unit.release.fabricate import bundle, flatbuffer

RESULTS = Path(__file__).parent / "results" / "mutations.md"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(32))
Rng = np.random.Generator
Mutation = Callable[[bytes, Rng], bytes]
BATCH = 500


def flip(content: bytes, rng: Rng) -> bytes:
    """Flip one to eight bits."""
    changed = bytearray(content)
    for bit in rng.integers(0, 8 * len(content), rng.integers(1, 9)):
        changed[bit // 8] ^= 1 << int(bit % 8)
    return bytes(changed)


def truncate(content: bytes, rng: Rng) -> bytes:
    """Cut the end off."""
    return content[: rng.integers(0, len(content))]


def swap(content: bytes, rng: Rng) -> bytes:
    """Swap two bytes."""
    changed, (a, b) = bytearray(content), rng.integers(0, len(content), 2)
    changed[a], changed[b] = changed[b], changed[a]
    return bytes(changed)


def overwrite(content: bytes, rng: Rng) -> bytes:
    """Write random bytes or zeros over a stretch."""
    start, size = rng.integers(0, len(content)), int(rng.integers(1, 65))
    piece = (rng.bytes(size) if rng.random() < 0.5 else bytes(size))[: len(content) - start]
    return content[:start] + piece + content[start + len(piece) :]


def insert(content: bytes, rng: Rng) -> bytes:
    """Insert random bytes."""
    at = rng.integers(0, len(content) + 1)
    return content[:at] + rng.bytes(int(rng.integers(1, 33))) + content[at:]


def delete(content: bytes, rng: Rng) -> bytes:
    """Take a stretch out."""
    at = rng.integers(0, len(content))
    return content[:at] + content[at + int(rng.integers(1, 65)) :]


def repeat(content: bytes, rng: Rng) -> bytes:
    """Copy a stretch to another place."""
    start, at, size = rng.integers(0, len(content)), rng.integers(0, len(content)), int(rng.integers(1, 257))
    return content[:at] + content[start : start + size] + content[at:]


BYTES: dict[str, Mutation] = {f.__name__: f for f in (flip, truncate, swap, overwrite, insert, delete, repeat)}


def edited(value: Any, rng: Rng) -> Any:
    """Return JSON-like values with one of them changed, somewhere."""
    if isinstance(value, dict) and value:
        name = list(value)[rng.integers(len(value))]
        if rng.random() < 0.1:
            return {key: part for key, part in value.items() if key != name}
        if rng.random() < 0.05:
            return value | {f"{name}_": value[name]}
        return value | {name: edited(value[name], rng)}
    if isinstance(value, list) and value:
        at = int(rng.integers(len(value)))
        return [*value[:at], edited(value[at], rng), *value[at + 1 :]]
    strange = [None, 0, 1, -1, True, 0.5, 1e308, 2**63, "", "x" * 200, "../x", "0" * 64, [], {}, [0], {"a": 1}]
    near = {int: lambda: value + 1, float: lambda: value * (1 + 1e-9), str: lambda: value + "0"}.get(type(value))
    return near() if near and rng.random() < 0.3 else strange[rng.integers(len(strange))]


def json_edit(content: bytes, rng: Rng) -> bytes:
    """Change one value of a JSON file, which stays in its canonical form."""
    return canonical_json(edited(json.loads(content), rng)).encode()


def rearranged(files: dict[str, bytes], rng: Rng) -> dict[str, bytes]:
    """Take a file out, add one, rename one, exchange two, or sign as somebody else."""
    names = list(files)
    one, other = (names[i] for i in rng.choice(len(names), 2, replace=False))
    change = rng.integers(5)
    if change == 0:
        return {name: content for name, content in files.items() if name != one}
    if change == 1:
        return files | {f"more{rng.integers(100)}.bin": rng.bytes(int(rng.integers(0, 99)))}
    if change == 2:
        return {name + ("x" if name == one else ""): content for name, content in files.items()}
    if change == 3:
        return files | {one: files[other], other: files[one]}
    return files | {SIGNATURE: signing.sign(flip(files["manifest.json"], rng), KEY if rng.random() < 0.5 else STRANGER)}


class Subject:
    """A signed archive and a bundle, and what is made of them."""

    def __init__(self, folder: Path) -> None:
        made = bundle(folder, flatbuffer("int8"))
        self.folder, self.archive = folder, pack(made, KEY)
        self.files = decode(self.archive)
        self.registered = load_bundle(made).manifest_sha256
        self.plain = {path.name: path.read_bytes() for path in made.iterdir()}

    def archives(self, rng: Rng, mutate: Mutation) -> Callable[[], None]:
        """Return the check of an archive whose bytes were mutated."""
        return self._unpacked(drawn(self.archive, mutate, rng))

    def entries(self, rng: Rng, name: str, mutate: Mutation) -> Callable[[], None]:
        """Return the check of a well-formed archive in which one file was mutated."""
        return self._unpacked(encode(self.files | {name: drawn(self.files[name], mutate, rng)}))

    def arrangements(self, rng: Rng) -> Callable[[], None]:
        """Return the check of a well-formed archive with other files."""
        files = rearranged(self.files, rng)
        return self._unpacked(encode(files if files != self.files else self.files | {"more": b""}))

    def folders(self, rng: Rng, name: str, mutate: Mutation) -> Callable[[], None]:
        """Return the check of a bundle's folder in which one file was mutated."""
        same = same_manifest if name == "manifest.json" else bytes.__eq__
        content = drawn(self.plain[name], mutate, rng, same)

        def check() -> None:
            place = Path(tempfile.mkdtemp(dir=self.folder))
            for known, plain in self.plain.items():
                (place / known).write_bytes(content if known == name else plain)
            if load_bundle(place).manifest_sha256 != self.registered:
                raise ArtifactError("not what was registered")

        return check

    def _unpacked(self, content: bytes) -> Callable[[], None]:
        def check() -> None:
            unpack(content, Path(tempfile.mkdtemp(dir=self.folder)) / "bundle", [KEY.public_key()])

        return check


def drawn(content: bytes, mutate: Mutation, rng: Rng, same: Callable[[bytes, bytes], bool] = bytes.__eq__) -> bytes:
    """Return the first mutation that changes something."""
    while same(changed := mutate(content, rng), content):
        pass
    return changed


def same_manifest(changed: bytes, content: bytes) -> bool:
    """Return whether two manifests say the same: other spaces, or 1.0 for 1, change nothing."""
    try:
        return parse_manifest(changed, "") == parse_manifest(content, "")
    except QATFlowError:
        return False


def kinds(subject: Subject) -> Iterator[tuple[str, Callable[[Rng], Callable[[], None]]]]:
    """Yield each kind's name and what draws one."""
    for name, mutate in BYTES.items():
        yield f"archive, {name}", lambda rng, mutate=mutate: subject.archives(rng, mutate)
    for file in ("model.tflite", "golden.npz", "manifest.json", SIGNATURE):
        yield f"archive, bytes of {file}", lambda rng, f=file: subject.entries(rng, f, any_bytes)
    for file in ("manifest.json", SIGNATURE):
        yield f"archive, values of {file}", lambda rng, f=file: subject.entries(rng, f, json_edit)
    yield "archive, other files or signature", subject.arrangements
    for file in ("model.tflite", "golden.npz", "MODEL_CARD.md", "manifest.json"):
        yield f"folder, bytes of {file}", lambda rng, f=file: subject.folders(rng, f, any_bytes)
    yield "folder, values of manifest.json", lambda rng: subject.folders(rng, "manifest.json", json_edit)


def any_bytes(content: bytes, rng: Rng) -> bytes:
    """Mutate bytes in one of the ways."""
    return list(BYTES.values())[rng.integers(len(BYTES))](content, rng)


def outcome(check: Callable[[], None]) -> str:
    """Return how a mutated bundle fared."""
    try:
        check()
    except QATFlowError:
        return "refused"
    except Exception as error:  # noqa: BLE001 (what must not happen is counted)
        return f"unnamed error {type(error).__name__}: {error}"[:200]
    return "accepted"


def in_child(work: Callable[[], Counter[str]]) -> Counter[str]:
    """Do a batch in a fork; one that dies counts as one crash, and the rest of its batch is lost."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, json.dumps(work()).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        content = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return Counter(json.loads(content)) if status == 0 else Counter({"crashed": 1})


def measure(count: int, seed: int) -> dict[str, Counter[str]]:
    """Return how the mutated bundles of each kind fared."""
    found: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory(prefix="qatflow-mutations-") as folder:
        subject = Subject(Path(folder))
        for kind, draw in kinds(subject):
            total = Counter[str]()
            for start in range(0, count, BATCH):
                rng = np.random.default_rng([seed, len(found), start])
                todo = range(min(BATCH, count - start))
                total += in_child(lambda rng=rng, todo=todo, draw=draw: Counter(outcome(draw(rng)) for _ in todo))
            found[kind] = total
    return found


def table(found: dict[str, Counter[str]]) -> str:
    """Return the result as Markdown."""
    lines = ["| mutated | bundles | refused | crashes | otherwise |", "| --- | ---: | ---: | ---: | --- |"]
    for kind, counts in [*found.items(), ("all", sum(found.values(), Counter[str]()))]:
        other = {name: number for name, number in counts.items() if name not in {"refused", "crashed"}}
        said = "; ".join(f"{number} {name}" for name, number in other.items())
        lines.append(f"| {kind} | {counts.total()} | {counts['refused']} | {counts['crashed']} | {said} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1500, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    started = time.monotonic()
    text = table(measure(options.count, options.seed))
    print(text)
    command = f"python -m benchmarks.mutations --count {options.count} --seed {options.seed}"
    note = "What changed nothing was drawn anew; archives were held against one trusted key, folders against the"
    seconds = time.monotonic() - started
    RESULTS.write_text(
        f"# Mutated bundles\n\n`{command}`, {seconds:.0f} s on two shared cores. {note} registered digest.\n\n{text}"
    )


if __name__ == "__main__":
    main()
