"""A project on the digits whose flatbuffers are the golden ones, as if the stages before had run."""

from pathlib import Path

from qatflow import artifacts
from qatflow.pipeline.stage import StageRun
from tasks.prepare import prepare

GOLDEN = Path(__file__).parents[1] / "golden"
VARIANTS = {"ptq_w8a8": "int8", "qat_w4a8": "int4", "float16": "float16"}
"""Variant -> golden flatbuffer."""


def fill(stage: StageRun) -> Path:
    """Prepare the data and put float model and variants in place; return the folder of all artifacts."""
    prepare(stage)
    home = stage.root / "artifacts"
    places = {"transfer": "float32", **{f"convert/{variant}": name for variant, name in VARIANTS.items()}}
    for where, name in places.items():
        place(home, where, name)
    return home


def place(home: Path, where: str, name: str) -> None:
    """Put a golden flatbuffer where a stage would have put its own, such as convert/ptq_w8a8."""
    with artifacts.stage_output(home / where, where.split("/", maxsplit=1)[0]) as out:
        (out / "model.tflite").write_bytes((GOLDEN / f"{name}.tflite").read_bytes())


def opened(root: Path, stage: str, record: str) -> tuple[Path, dict[str, object]]:
    """Return a stage's folder, verified, and its record."""
    out = root / "artifacts" / stage
    artifacts.verify(out)
    return out, artifacts.read_json(out / record)
