"""Reads what one run left under `artifacts/`. Every folder is verified before a byte of it is believed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qatflow import artifacts
from qatflow.data.card import DataCard
from qatflow.errors import ArtifactError
from qatflow.evaluation.alarm import ALARM
from qatflow.evaluation.result import Evaluation, ModelFigures, Timings
from qatflow.release.receipt import Receipt
from qatflow.report.course import CourseFigures

Record = dict[str, Any]
History = list[dict[str, float]]
ENSEMBLE = "ensemble"


@dataclass(frozen=True)
class Variant:
    """One variant as measured on its flatbuffer.

    Attributes:
        history: An entry an epoch; empty for post-training strategies.
        recipe: The parameters that made it; empty for an ensemble, whose recipe is `Run.ensemble`.
        trace: How its grids moved while it trained, see `quantization.trace`; empty where that was not recorded.
        sensitivity: What each layer costs at other widths, one `quantization.sensitivity.LayerSensitivity` each; empty
            where that was not measured.
        notes: What was treated otherwise than asked, or stands out in its ranges, a sentence each.
        converted: Verified folder that holds its model.tflite.
        measured: Verified folder that holds its outputs.npy.
        alarm: What is badly wrong with its flatbuffer, see `evaluation.alarm`; None for nothing.
    """

    name: str
    evaluation: Evaluation
    timings: Timings
    history: History
    recipe: Record
    trace: Record
    sensitivity: list[Record]
    notes: list[str]
    converted: Path
    measured: Path
    alarm: str | None = None


@dataclass(frozen=True)
class Run:
    """All that the report shows.

    `home` is the folder `artifacts/`. `transfer` holds its `history` and its record, `ensemble` what was found about
    combining the variants, and its flatbuffer, if there is one, is the last of `variants`. `manifests` maps folder ->
    SHA-256 of its manifest; `bundle` is the manifest of the champion's bundle, empty while nothing was ever promoted.
    `nights` are the releases before and this one, see `release.nights`. `is_foreign` says that training began with
    weights from elsewhere.
    `course` is what was learned from a stream since; stage `report` knows of none, for its inputs are artifacts alone.
    """

    home: Path
    card: DataCard
    history: History
    transfer: Record
    variants: tuple[Variant, ...]
    ensemble: Record
    receipt: Receipt
    bundle: Record
    manifests: dict[str, str]
    course: CourseFigures | None = None
    nights: tuple[Record, ...] = ()
    is_foreign: bool = False

    @property
    def lineage(self) -> Record:
        """What the champion was made from."""
        return dict(self.bundle.get("lineage", {}))

    @property
    def shipped_bytes(self) -> int:
        """Of all files in the champion's bundle but its manifest."""
        return sum(int(file["size_bytes"]) for file in self.bundle.get("files", {}).values())

    @property
    def task(self) -> str:
        """`classification`, `regression` or `anomaly`."""
        return self.card.task

    def optional(self, folder: str) -> Path | None:
        """Return a folder under `artifacts/` that not every run has, verified; None where there is none.

        Raises:
            ArtifactError: If it is half written or altered.
        """
        path = self.home / folder
        if not path.exists():
            return None
        artifacts.verify(path)
        return path

    @property
    def float_model(self) -> ModelFigures:
        """Score, metrics, size and digest of the float flatbuffer, the same in every evaluation."""
        return self.variants[0].evaluation.reference


def read_run(root: Path, variants: Sequence[str]) -> Run:
    """Read the sealed outputs under `root / "artifacts"`.

    Raises:
        ArtifactError: If a folder is missing, half written or altered, or the release was made from other variants.
    """
    home = root / "artifacts"
    fanned = [f"{stage}/{name}" for name in variants for stage in ("quantize", "convert", "evaluate")]
    folders = ["prepare", "pretrain", "transfer", *fanned, ENSEMBLE]
    for folder in [*folders, "release"]:
        artifacts.verify(home / folder)
    receipt = Receipt.read(home / "release")
    ensemble = artifacts.read_json(home / ENSEMBLE / "ensemble.json")
    combined = [ENSEMBLE] if ensemble["members"] else []
    _check_same_variants(receipt, [*variants, *combined])
    return Run(
        home=home,
        card=DataCard.read(home / "prepare"),
        history=artifacts.read_json(home / "pretrain" / "history.json"),
        transfer={name: artifacts.read_json(home / "transfer" / f"{name}.json") for name in ("history", "transfer")},
        variants=tuple(_read_variant(home, name) for name in [*variants, *combined]),
        ensemble=ensemble,
        receipt=receipt,
        nights=tuple(_read_if_there(home / "release" / "nights.json", [])),
        bundle=_read_if_there(home / "release" / "bundle" / artifacts.MANIFEST, {}),
        manifests={
            folder: artifacts.sha256_file(home / folder / artifacts.MANIFEST) for folder in [*folders, "release"]
        },
    )


def _read_variant(home: Path, name: str) -> Variant:
    combined = name == ENSEMBLE
    quantized = home / "quantize" / name
    converted, measured = (home / ENSEMBLE if combined else home / stage / name for stage in ("convert", "evaluate"))
    return Variant(
        name=name,
        evaluation=Evaluation.read(measured),
        timings=Timings.read(measured),
        history=[] if combined else artifacts.read_json(quantized / "history.json"),
        recipe={} if combined else artifacts.read_json(quantized / "recipe.json"),
        trace=_read_if_there(quantized / "trace.json", {}),
        sensitivity=_read_if_there(quantized / "sensitivity.json", []),
        notes=_read_if_there(converted / "notes.json", []),
        converted=converted,
        measured=measured,
        alarm=_read_if_there(converted / ALARM, None),
    )


def _read_if_there(path: Path, absent: Any) -> Any:
    return artifacts.read_json(path) if path.is_file() else absent


def _check_same_variants(receipt: Receipt, variants: Sequence[str]) -> None:
    judged = sorted(receipt.gates)
    if judged != sorted(variants):
        raise ArtifactError(
            f"artifacts/release judged {', '.join(judged)}, but the variants are {', '.join(variants)}; "
            "`qatflow run` makes the release again"
        )
