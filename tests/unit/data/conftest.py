"""Tiny data sets on disk, and a prepare stage as the graph runs it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from qatflow.artifacts import Array, stage_output
from qatflow.data.prepare import prepare_data
from qatflow.data.prepared import PreparedData, open_prepared
from qatflow.params.data import DataParams
from qatflow.progress import Progress, silent

Prepare = Callable[..., PreparedData]


@pytest.fixture
def prepare(tmp_path: Path) -> Prepare:
    """Run the stage into a fresh sealed folder and open it."""
    count = iter(range(100))

    def run(normalization: str = "auto", seed: int = 42, progress: Progress = silent, **data: Any) -> PreparedData:
        directory = tmp_path / f"prepared-{next(count)}"
        with stage_output(directory, "prepare") as out:
            prepare_data(DataParams(**data), normalization, seed, out, progress)
        return open_prepared(directory)

    return run


@pytest.fixture
def save_npz(tmp_path: Path) -> Callable[..., str]:
    """Write arrays to an .npz and return its path."""

    def save(name: str = "data.npz", **arrays: Array) -> str:
        np.savez(tmp_path / name, **arrays)
        return str(tmp_path / name)

    return save


@pytest.fixture
def save_images(tmp_path: Path) -> Callable[..., Path]:
    """Write `count` different images of a size (width, height) and mode into a folder, and return the folder."""

    def save(folder: str, count: int = 3, size: tuple[int, int] = (5, 4), mode: str = "RGB") -> Path:
        directory = tmp_path / folder
        directory.mkdir(parents=True)
        rng = np.random.default_rng(len(folder) + count)
        channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
        for number in range(count):
            pixels = rng.integers(0, 256, (size[1], size[0], *channels), np.uint8)
            Image.fromarray(pixels, mode).save(directory / f"{number}.png")
        return directory

    return save


@pytest.fixture
def labelled() -> tuple[Array, Array]:
    """60 different samples of 4 float32 features in 3 balanced classes."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(60, 4)).astype(np.float32), np.arange(60) % 3
