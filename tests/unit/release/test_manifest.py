"""The manifest's own rules, beyond what `load_bundle` is tested for."""

import numpy as np
import pytest
from pydantic import ValidationError

from qatflow.release.manifest import BundleManifest, Lineage, Tensor
from qatflow.tflite.runtime import Runner
from tests.unit.release.fabricate import flatbuffer, lineage

IMAGE = Tensor(name="x", shape=(8, 8, 1), dtype="int8", scale=0.1, zero_point=0)
ONE = Tensor(name="y", shape=(1,), dtype="int8", scale=1 / 256, zero_point=-128)
LABEL = Tensor(name="y", shape=(3,), dtype="int8", scale=0.1, zero_point=0)


def manifest(task: str, labels: tuple[str, ...], output: Tensor) -> BundleManifest:
    return BundleManifest.model_validate(
        {
            "task": task, "strategy": "s", "labels": labels, "input": IMAGE, "output": output, "score": 1.0,
            "float_score": 1.0, "samples": 1, "lineage": lineage(), "files": {},
            "preprocessing": {"scale": (1.0,), "offset": (0.0,)},
        }
    )  # fmt: skip


def test_members_are_in_the_lineage_of_ensembles_only():
    """A bundle made before there were ensembles keeps its digest."""
    single = lineage()
    combined = single.model_copy(update={"members": {"ptq_w8a8": "a" * 64}})

    assert "members" not in single.model_dump(mode="json")
    assert combined.model_dump(mode="json")["members"] == {"ptq_w8a8": "a" * 64}
    assert Lineage.model_validate_json(combined.model_dump_json()) == combined
    with pytest.raises(ValidationError, match="members"):
        Lineage.model_validate(single.model_dump() | {"members": {"ptq_w8a8": "no digest"}})


def test_there_is_one_label_for_each_output():
    assert manifest("classification", ("a", "b", "c"), LABEL).output.size == 3
    for task in ("classification", "multi_label"):
        with pytest.raises(ValidationError, match="2 labels for 3 outputs"):
            manifest(task, ("a", "b"), LABEL)


def test_one_output_stands_for_two_classes_and_for_no_more():
    assert manifest("classification", ("a", "b"), ONE).scores_shape == (2,)
    for task, labels in (("classification", ("a", "b", "c")), ("multi_label", ("a", "b"))):
        with pytest.raises(ValidationError, match="labels for 1 outputs"):
            manifest(task, labels, ONE)


def test_an_autoencoder_gives_back_its_inputs_shape():
    assert manifest("anomaly", (), IMAGE).output.size == 64
    with pytest.raises(ValidationError, match="must have its input's shape"):
        manifest("anomaly", (), LABEL)


def test_regression_needs_neither():
    assert manifest("regression", (), LABEL).labels == ()


@pytest.mark.parametrize("name", ["int8", "float32", "autoencoder"])
def test_a_flatbuffers_tensors_fit(name: str):
    spec = Runner(flatbuffer(name)).input

    assert Tensor.of(spec).shape == spec.shape
    assert np.dtype(Tensor.of(spec).dtype) == np.dtype(spec.dtype)


def test_names_of_columns_are_in_manifests_of_vectors_that_have_them_only():
    """A bundle made before names were kept keeps its digest."""
    plain, vector = manifest("regression", (), LABEL), LABEL.model_copy(update={"shape": (2,)})
    facts = plain.model_dump() | {"input": vector.model_dump()}

    assert "features" not in plain.model_dump(mode="json")
    named = BundleManifest.model_validate(facts | {"features": ("a", "b")})
    assert BundleManifest.model_validate_json(named.model_dump_json()) == named
    for names in (("a",), ("a", "a"), ("a", "")):
        with pytest.raises(ValidationError):
            BundleManifest.model_validate(facts | {"features": names})
