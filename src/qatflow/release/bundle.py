"""A bundle is what deploys: flatbuffer, manifest, golden samples and model card in one folder, checked before use."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from qatflow import artifacts
from qatflow.artifacts import Array
from qatflow.data.prepared import PreparedData
from qatflow.errors import ArtifactError, DataError
from qatflow.evaluation.metrics import SCORES
from qatflow.monitoring.reference import REFERENCE, to_arrays
from qatflow.params.release import CardParams
from qatflow.release import bundle_runtime, model_card
from qatflow.release.base import Candidate
from qatflow.release.manifest import MAX_FILE_BYTES, BundleManifest, File, Lineage, Preprocessing, Tensor
from qatflow.release.reference import reference_of
from qatflow.tflite.runtime import Runner

MODEL, GOLDEN, CARD, ENSEMBLE = "model.tflite", "golden.npz", "MODEL_CARD.md", "ensemble.json"
GOLDEN_SAMPLES = 8
MAX_MANIFEST_BYTES = 16 << 20
NOTHING_SAID = CardParams()


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files are those of its manifest.

    Attributes:
        path: Its folder.
        manifest: Task, labels, tensors, preprocessing and figures.
        model: The flatbuffer, as it was when its digest was checked.

    Example:
        >>> bundle = qatflow.load_bundle("quantized")
        >>> bundle.manifest.input.shape, bundle.manifest.labels[:3]
        ((8, 8, 1), ('0', '1', '2'))
        >>> bundle.predict(x[:5])["labels"].tolist()
        ['0', '1', '2', '3', '4']
    """

    path: Path
    manifest: BundleManifest
    model: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """Digest of the flatbuffer."""
        return self.manifest.files[MODEL].sha256

    @property
    def manifest_sha256(self) -> str:
        """Digest of the manifest's values, and so of everything in the bundle."""
        return artifacts.digest(self.manifest.model_dump(mode="json"))

    @property
    def meaning(self) -> tuple[object, ...]:
        """What the flatbuffer's numbers mean: two bundles that agree in it and in the flatbuffer answer alike."""
        manifest = self.manifest
        tensors = (manifest.input, manifest.output, manifest.preprocessing)
        return (manifest.task, manifest.labels, manifest.features, *tensors)

    def predict(self, x: Any) -> dict[str, Array]:
        """Return what the model says of samples in the data's own units, as `bundle_runtime.decode` words it.

        Args:
            x: (n, *input shape) numbers; a data frame's columns are found by their names.

        Returns:
            `scores`: float32, (n, classes), (n, labels), (n, targets), or (n,) reconstruction errors; for
            classification `labels` too, (n,) names of the likeliest class.

        Raises:
            DataError: If `x` has other columns, another shape, no sample, or holds NaN, infinity or what is no number.
            ConversionError: If the flatbuffer does not run.
        """
        facts = self.manifest.model_dump()
        try:
            inputs = bundle_runtime.preprocess(facts, x)
        except (TypeError, ValueError) as error:
            raise DataError(str(error)) from None
        return bundle_runtime.decode(facts, inputs, Runner(self.model).predict(inputs))


def build_bundle(
    out: Path,
    candidate: Candidate,
    data: PreparedData,
    lineage: Lineage,
    extras: Mapping[str, Any] | None = None,
    said: CardParams = NOTHING_SAID,
) -> Path:
    """Write a bundle into the new folder `out` and return `out`. Equal arguments give equal bytes.

    Args:
        out: Made here.
        candidate: The measured model.
        data: The first test samples become the golden ones; training and validation ones are what drift is told from.
        lineage: What the model was made from.
        extras: Name of a further file -> its content, written as JSON and listed like the others. An ensemble's own
            figures are among them.
        said: What the model card says of the model besides.

    Raises:
        ConversionError: If the flatbuffer does not run.
    """
    out.mkdir(parents=True)
    extras = {**(extras or {}), **({ENSEMBLE: candidate.ensemble} if candidate.ensemble else {})}
    runner = Runner(candidate.model)
    inputs, _ = data.test.arrays(limit=GOLDEN_SAMPLES)
    artifacts.write_bytes(out / MODEL, candidate.model)
    artifacts.save_arrays(out / GOLDEN, {"inputs": inputs, "outputs": runner.raw(inputs)})
    evaluation = candidate.evaluation
    metric: Any = evaluation.metric or SCORES[data.task]
    manifest = BundleManifest(
        task=data.task,
        strategy=candidate.variant,
        labels=data.class_names,
        features=data.feature_names,
        input=Tensor.of(runner.input),
        output=Tensor.of(runner.output),
        preprocessing=Preprocessing(scale=data.preprocessing.scale, offset=data.preprocessing.offset),
        split=data.card.split,
        metric=metric,
        score=candidate.score,
        float_score=None if evaluation.float_model is None else evaluation.float_model.score,
        samples=evaluation.samples,
        lineage=lineage,
        files={name: _file(out / name) for name in (MODEL, GOLDEN)},
    )
    reference = reference_of(manifest, candidate.sha256, data, runner)
    if reference is not None:
        artifacts.save_arrays(out / REFERENCE, to_arrays(reference))
    artifacts.write_text(out / CARD, model_card.render(manifest, candidate, data.card, said))
    for name, content in extras.items():
        artifacts.write_json(out / name, content)
    listed = (MODEL, GOLDEN, CARD, *([REFERENCE] if reference else []), *extras)
    files = {name: _file(out / name) for name in listed}
    artifacts.write_json(out / artifacts.MANIFEST, manifest.model_copy(update={"files": files}).model_dump(mode="json"))
    return out


def load_bundle(path: Path | str) -> Bundle:
    """Read a bundle after checking all of it: schema, names, sizes and digests; no links, nothing that is not listed.

    Args:
        path: The bundle's folder, such as what `save_bundle` wrote or deployed/current.

    Raises:
        ArtifactError: If anything is not as the manifest says.

    Example:
        >>> bundle = qatflow.load_bundle("quantized")
        >>> bundle.manifest.task, bundle.manifest.strategy
        ('classification', 'ptq_w8a8')
        >>> answer = bundle.predict(x[:3])
        >>> answer["labels"].shape, answer["scores"].shape
        ((3,), (3, 10))
    """
    path = Path(path)
    manifest = _read_manifest(path)
    found = {entry.name for entry in os.scandir(path)} - {artifacts.MANIFEST}
    if found != set(manifest.files) or not {MODEL, GOLDEN, CARD} <= found:
        differing = sorted(found ^ {*manifest.files, MODEL, GOLDEN, CARD})
        raise ArtifactError(
            f"{path} is no whole bundle: {', '.join(differing)} is missing or not listed in its manifest"
        )
    contents = {name: _read(path / name, entry) for name, entry in manifest.files.items()}
    return Bundle(path, manifest, contents[MODEL])


def parse_manifest(content: bytes, name: str) -> BundleManifest:
    """Read a manifest.json.

    Raises:
        ArtifactError: If it is not JSON of the schema; the message begins with `name` and says where.
    """
    try:
        return BundleManifest.model_validate_json(content)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"]) or "JSON"
        raise ArtifactError(f"{name} is not right: {where}: {fault['msg']}") from None


def _read_manifest(path: Path) -> BundleManifest:
    file = path / artifacts.MANIFEST
    if not file.is_file() or file.is_symlink() or file.stat().st_size > MAX_MANIFEST_BYTES:
        raise ArtifactError(f"{path} is no bundle: its {artifacts.MANIFEST} is missing, a link or too large")
    return parse_manifest(file.read_bytes(), str(file))


def _read(path: Path, expected: File) -> bytes:
    """Read a listed file; the digest is of the very bytes that are returned."""
    if path.is_symlink() or not path.is_file():
        raise ArtifactError(f"{path} is a link or no plain file; a bundle holds plain files only")
    with path.open("rb") as file:
        whole = os.fstat(file.fileno()).st_size == expected.size_bytes  # before gigabytes are read for nothing
        content = file.read(min(expected.size_bytes, MAX_FILE_BYTES) + 1) if whole else b""
    if not whole or len(content) != expected.size_bytes or artifacts.sha256_bytes(content) != expected.sha256:
        raise ArtifactError(f"{path} was altered: it is not the file of {expected.size_bytes} bytes that was released")
    return content


def _file(path: Path) -> File:
    return File(sha256=artifacts.sha256_file(path), size_bytes=path.stat().st_size)
