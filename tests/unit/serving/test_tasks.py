"""Classifiers that end in sigmoids: bundle, MLflow model, server and reference give one and the same answer."""

import numpy as np
import pytest

import qatflow
from qatflow.adapters.mlflow_pyfunc import signature
from qatflow.backend import keras, start
from qatflow.monitoring.reference import REFERENCE, load_reference
from qatflow.release.bundle import load_bundle
from qatflow.release.bundle_runtime import BundleRunner, golden_difference
from qatflow.release.quantized import save_bundle
from qatflow.tflite.runtime import Runner
from tests.unit.serving.asgi import Asked

layers = keras.layers
X = np.random.default_rng(0).normal(size=(400, 4)).astype(np.float32)
LABELS = {1: (X[:, 0] > 0).astype(int), 3: (X[:, :3] > 0).astype(int)}


def made(folder, units, **training):
    """Quantize a network that knows the answer: each unit tells the sign of a feature."""
    start(0)
    last = layers.Dense(units, activation="sigmoid")
    model = keras.Sequential([layers.InputLayer((4,)), last])
    last.set_weights([4 * np.eye(4, dtype=np.float32)[:, :units], np.zeros(units)])
    return save_bundle(qatflow.quantize(model, (X, LABELS[units]), "ptq_w8a8", **training), folder / "bundle")


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    return made(tmp_path_factory.mktemp("one"), 1)


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    return made(tmp_path_factory.mktemp("several"), 3)


def test_one_sigmoid_gives_both_classes_everywhere(one):
    bundle, (p, *_) = load_bundle(one), Runner((one / "model.tflite").read_bytes()).predict(X[:8]).T
    answer = bundle.predict(X[:8])

    assert (bundle.manifest.task, bundle.manifest.output.shape) == ("classification", (1,))
    assert bundle.manifest.score > 0.9
    assert np.array_equal(answer["scores"], np.stack([1 - p, p], axis=1))
    assert answer["labels"].tolist() == ["1" if each > 0.5 else "0" for each in p]
    assert {k: v.tolist() for k, v in BundleRunner(one).predict(X[:8]).items()} == {
        k: v.tolist() for k, v in answer.items()
    }
    assert golden_difference(one) == 0


def test_several_sigmoids_give_a_probability_of_each_label_everywhere(several):
    bundle, p = load_bundle(several), Runner((several / "model.tflite").read_bytes()).predict(X[:8])

    assert (bundle.manifest.task, bundle.manifest.labels) == ("multi_label", ("0", "1", "2"))
    assert bundle.manifest.score > 0.8
    assert {k: v.tolist() for k, v in bundle.predict(X[:8]).items()} == {"scores": p.tolist()}
    assert BundleRunner(several).predict(X[:8]).keys() == {"scores"}


@pytest.mark.parametrize("name", ["one", "several"])
def test_the_server_answers_as_the_bundle_does(request, name):
    folder = request.getfixturevalue(name)
    server, expected = Asked(folder), load_bundle(folder).predict(X[:5])
    told = {key: values.tolist() for key, values in expected.items()}

    assert server("POST", "/invocations", {"inputs": X[:5].tolist()}).json == {"predictions": told}
    question = {"inputs": [{"name": "input", "datatype": "FP32", "shape": [5, 4], "data": X[:5].tolist()}]}
    outputs = server("POST", "/v2/models/digits/infer", question).json["outputs"]
    assert {each["name"]: np.reshape(each["data"], each["shape"]).tolist() for each in outputs} == told
    promised = server("GET", "/v2/models/digits").json["outputs"]
    assert [(each["name"], each["shape"][1:]) for each in promised] == [
        (each["name"], each["shape"][1:]) for each in outputs
    ]


def test_mlflow_is_told_the_shape_of_the_scores(one, several):
    shapes = [signature(load_bundle(folder).manifest).outputs.inputs[0].shape for folder in (one, several)]

    assert shapes == [(-1, 2), (-1, 3)]


def test_drift_is_measured_against_both_classes(one, several):
    of_one, of_several = (load_reference(folder / REFERENCE) for folder in (one, several))

    assert len(of_one.class_counts) == 2
    assert of_one.class_counts.sum() == len(of_one.signals)
    assert of_one.signals.min() >= 0.5
    assert of_several.signals.shape[1] == 3


def test_the_model_card_says_what_a_single_output_means(one, several):
    assert "the probability of 1, which is the answer above 0.5, else 0" in (one / "MODEL_CARD.md").read_text()
    assert "the share of samples whose labels are all right" in (several / "MODEL_CARD.md").read_text()
