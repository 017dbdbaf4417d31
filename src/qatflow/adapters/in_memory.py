"""A model registry that keeps bundles in memory: the fake for tests and trials, with the real one's behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from qatflow.errors import ArtifactError, PromotionError
from qatflow.release.bundle import load_bundle
from qatflow.release.ports import SharedLog, Version

Files = dict[str, bytes]


@dataclass
class InMemoryRegistry:
    """See `qatflow.release.ports.Registry`. All that is not private may be looked at, and broken, by a test."""

    name: str
    models: dict[str, tuple[Files, Mapping[str, str]]] = field(default_factory=dict)
    versions: dict[int, str] = field(default_factory=dict)
    _aliases: dict[str, int] = field(default_factory=dict)
    lines: dict[int, str] = field(default_factory=dict)
    published: int = 0

    def log_model(
        self, bundle: Path, facts: Mapping[str, str], _metrics: Mapping[str, float], _float_model: Path | None = None
    ) -> str:
        """Store a bundle, without the metrics."""
        uri = f"memory:/{load_bundle(bundle).sha256}"
        self.models.setdefault(uri, ({file.name: file.read_bytes() for file in bundle.iterdir()}, dict(facts)))
        return uri

    def register(self, uri: str) -> int:
        """Return the version of a stored model, made if there is none."""
        for number, known in self.versions.items():
            if known == uri:
                return number
        number = max(self.versions, default=0) + 1
        self.versions[number] = uri
        return number

    def version(self, number: int) -> Version:
        """Return a version."""
        if number not in self.versions:
            raise PromotionError(f"{self.name} has no version {number}, or it was deleted")
        facts = self.models[self.versions[number]][1]
        return Version(
            number, facts["model_sha256"], facts["variant"], float(facts["score"]), float(facts["latency_us"])
        )

    def aliases(self) -> dict[str, int]:
        """Return alias -> version number."""
        return dict(self._aliases)

    def set_alias(self, alias: str, number: int) -> None:
        """Point an alias at a version."""
        self.version(number)
        self._aliases[alias] = number

    def delete_alias(self, alias: str) -> None:
        """Remove an alias."""
        self._aliases.pop(alias, None)

    def shared_log(self) -> SharedLog:
        """Return the promotion log."""
        return SharedLog(tuple(self.lines[number] for number in range(1, len(self.lines) + 1)), self.published)

    def claim(self, seq: int, line: str) -> bool:
        """Write an entry if its number is free; `setdefault` is atomic among threads."""
        return self.lines.setdefault(seq, line) == line

    def mark_published(self, seq: int) -> None:
        """Note that the aliases say what an entry says."""
        self.published = max(self.published, seq)

    def renew_log(self) -> None:
        """Begin an empty promotion log."""
        self.lines, self.published = {}, 0

    def download(self, number: int, into: Path) -> Path:
        """Write a version's bundle to the new folder `into` and verify it."""
        version = self.version(number)
        into.mkdir(parents=True)
        for name, content in self.models[self.versions[number]][0].items():
            (into / name).write_bytes(content)
        if load_bundle(into).sha256 != version.sha256:
            raise ArtifactError(f"Version {number} of {self.name} is not the model of SHA-256 {version.sha256}")
        return into
