"""Loads bundles to serve: whole, tried in a process of its own, on the device that was asked for."""

from __future__ import annotations

from pathlib import Path

from qatflow.deploy.rollout import name_of
from qatflow.deploy.versions import tried
from qatflow.release.bundle import load_bundle
from qatflow.serving.served import ServedModel


class Loader:
    """Loads the bundles of one server.

    Args:
        root: The deploy root that knows their names in the registry.
        device: Name in `tflite.devices.DEVICES`.
    """

    def __init__(self, root: Path | None = None, device: str = "cpu") -> None:
        self._root, self._device = root, device
        self._tried: set[str] = set()  # manifests whose golden outputs were repeated here: the same bytes need it once

    def __call__(self, bundle: Path) -> ServedModel:
        """Return a bundle that is whole and repeats its golden outputs here, loaded. Safe in a thread.

        Raises:
            ArtifactError: If the bundle is not whole.
            DeployError: If it does not repeat its golden outputs, or the device cannot be had.
            ConversionError: If LiteRT refuses it.
        """
        loaded = load_bundle(bundle)
        if loaded.manifest_sha256 not in self._tried:
            tried(bundle)
            self._tried.add(loaded.manifest_sha256)
        name = None if self._root is None else name_of(self._root, loaded.sha256)
        return ServedModel(loaded, name, self._device)
