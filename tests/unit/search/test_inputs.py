import tempfile

import numpy as np
import pytest
from PIL import Image

from qatflow.backend import keras, start
from qatflow.errors import DataError, ModelError
from qatflow.params.quantize import QuantizeParams
from qatflow.search.inputs import take_inputs
from qatflow.search.options import Options

layers = keras.layers
RNG = np.random.default_rng(0)


def built(shape, *stack):
    start(0)
    return keras.Sequential([layers.InputLayer(shape), *stack], name="user")


def classifier(shape=(6,), classes=3):
    return built(shape, layers.Flatten(), layers.Dense(classes, activation="softmax"))


def autoencoder():
    return built((6,), layers.Dense(6))


X, Y = RNG.normal(size=(60, 6)).astype(np.float32), np.arange(60) % 3


@pytest.mark.parametrize(
    "data", [(X, Y), (X[:40], Y[:40], X[40:], Y[40:]), [X, Y[:, None]], (X.astype(np.float64), Y.astype(np.int8))]
)
def test_arrays_go_in_as_they_are(data):
    taken = take_inputs(classifier(), data, Options())

    assert taken.data.task == "classification"
    assert (taken.data.num_outputs, taken.notes) == (3, ())
    assert taken.data.preprocessing.scale == (1.0,)
    x, _ = taken.data.train.arrays()
    assert {row.tobytes() for row in x} <= {row.tobytes() for row in X}


def test_prepared_data_are_used_as_they_are():
    first = take_inputs(classifier(), (X, Y), Options()).data

    assert take_inputs(classifier(), first, Options()).data is first


def test_the_temporary_folder_lives_as_long_as_the_data(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    taken = take_inputs(classifier(), (X, Y), Options())
    assert len(list(tmp_path.iterdir())) == 1

    del taken

    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_of_what_failed(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    with pytest.raises(ModelError):
        take_inputs(classifier(), (X[:, :5], Y), Options())

    assert list(tmp_path.iterdir()) == []


def test_real_labels_make_a_regression():
    taken = take_inputs(built((6,), layers.Dense(1)), (X, X.mean(axis=1)), Options())

    assert taken.data.task == "regression"


@pytest.mark.parametrize("kind", ["python", "npz"])
def test_one_hot_labels_become_classes_with_a_note(tmp_path, kind):
    np.savez(tmp_path / "a.npz", x=X, y=np.eye(3)[Y])
    data = (X, np.eye(3)[Y]) if kind == "python" else tmp_path / "a.npz"

    taken = take_inputs(classifier(), data, Options())

    assert (taken.data.task, taken.data.num_outputs) == ("classification", 3)
    assert "labels are one-hot" in taken.notes[0]


@pytest.mark.parametrize("kind", ["int", "float", "bool", "column"])
def test_one_sigmoid_unit_tells_two_classes_apart(kind):
    y = {"int": Y == 0, "float": (Y == 0).astype(float), "bool": Y == 0, "column": (Y == 0)[:, None]}[kind]
    y = y.astype(int) if kind == "int" else y
    model = built((6,), layers.Dense(1, activation="sigmoid"))

    taken = take_inputs(model, (X, y), Options())

    assert (taken.data.task, taken.data.class_names, taken.notes) == ("classification", ("0", "1"), ())
    np.testing.assert_array_equal(taken.model(X), model(X))


def test_one_linear_unit_and_two_classes_are_taken_for_a_logit_unless_the_task_says_else():
    model = built((6,), layers.Dense(1))

    taken = take_inputs(model, (X, Y % 2), Options())

    np.testing.assert_allclose(taken.model(X), keras.activations.sigmoid(model(X)), rtol=1e-5)
    assert "taken for a logit" in taken.notes[0]
    assert take_inputs(model, (X, Y % 2), Options(task="regression")).data.task == "regression"


def test_sigmoids_and_rows_of_zeros_and_ones_are_multi_label():
    y = (X[:, :3] > 0).astype(int)

    taken = take_inputs(built((6,), layers.Dense(3, activation="sigmoid")), (X, y), Options())

    assert (taken.data.task, taken.data.class_names, taken.notes) == ("multi_label", ("0", "1", "2"), ())
    assert sum(taken.data.card.class_counts["train"].values()) == taken.data.train.labels().sum()


def test_sigmoids_of_one_class_each_become_a_softmax_that_picks_the_same():
    model = built((6,), layers.Dense(3, activation="sigmoid"))

    taken = take_inputs(model, (X, Y), Options())

    np.testing.assert_allclose(taken.model(X).numpy().sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(taken.model(X).numpy().argmax(axis=1), model(X).numpy().argmax(axis=1))
    assert "became a softmax" in taken.notes[0]


def test_logits_get_a_softmax():
    taken = take_inputs(built((6,), layers.Dense(3)), (X, Y), Options())

    assert taken.data.task == "classification"
    np.testing.assert_allclose(taken.model(X).numpy().sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("data", [X, (X,), (X, None), (X, np.zeros(60, int)), (X, Y)])
def test_an_autoencoder_needs_no_labels(data):
    taken = take_inputs(autoencoder(), data, Options())

    assert taken.data.task == "anomaly"
    assert taken.data.num_outputs == 6
    assert "judged by how well it reconstructs" in taken.notes[0]
    assert taken.data.train.arrays(2)[0].shape == (2, 6)


def test_an_autoencoder_with_anomalies_keeps_its_labels():
    taken = take_inputs(autoencoder(), (X, (Y == 0).astype(int)), Options())

    assert taken.notes == ()
    assert set(taken.data.test.labels()) == {0, 1}


def test_an_autoencoder_takes_tables_without_labels_and_folders(tmp_path):
    table = "a,b,c,d,e,f\n" + "".join(",".join(map(str, row)) + "\n" for row in X)
    (tmp_path / "plain.csv").write_text(table)
    assert take_inputs(autoencoder(), tmp_path / "plain.csv", Options()).data.feature_names == tuple("abcdef")
    np.savez(tmp_path / "named.npz", x=X, feature_names=np.array(list("fedcba")))
    assert take_inputs(autoencoder(), tmp_path / "named.npz", Options()).data.feature_names == tuple("fedcba")

    images = folder_of_images(tmp_path / "images")
    model = built((8, 8, 3), layers.Conv2D(3, 3, padding="same"))
    assert take_inputs(model, images, Options()).data.card.source == "image_folder"


def folder_of_images(root):
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
        for number in range(20):
            Image.fromarray(RNG.integers(0, 255, (12, 10, 3), np.uint8)).save(root / name / f"{number}.png")
    return root


def test_images_get_the_size_that_the_model_takes(tmp_path):
    taken = take_inputs(classifier((8, 9, 3), 2), str(folder_of_images(tmp_path / "images")), Options())

    x, _ = taken.data.train.arrays()
    assert x.shape[1:] == (8, 9, 3)
    assert x.max() > 100
    assert taken.data.class_names == ("cat", "dog")


def test_gray_bytes_go_into_a_model_without_channels():
    x = RNG.integers(0, 255, (60, 4, 5), np.uint8)

    assert take_inputs(classifier((4, 5)), (x, Y), Options()).data.input_shape == (4, 5)
    assert take_inputs(classifier((4, 5, 1)), (x, Y), Options()).data.input_shape == (4, 5, 1)


def test_samples_are_limited():
    assert take_inputs(classifier(), (X, Y), Options(max_samples=9)).data.train.count == 9


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        ((X[:, :5], Y), ModelError, r"takes samples of shape \(6,\), the data have \(5,\)"),
        ((X, Y % 2), ModelError, r"gives \(3,\), but classification on these data needs \(2,\)"),
        ((X, (X[:, :3] > 0).astype(int)), DataError, "one 1 in each row.*task multi_label, with a model that ends in"),
        (([X, X[:, :2]], Y), DataError, "'x' is a list of arrays of different shapes.*join several to one"),
        ((X, Y[:-1]), DataError, "'x' has 60 samples, 'y' has 59"),
        ((X, Y, X), DataError, "3 arrays; expected"),
        ((X[:1], Y[:1]), DataError, "one class"),
        ((X, np.array(["a"] * 60)), DataError, "dtype"),
        ((np.where(X > 1, np.nan, X), Y), DataError, "finite|NaN"),
        ("nowhere.npz", DataError, "do not exist"),
    ],
)
def test_bad_data_are_explained(data, error, words):
    with pytest.raises(error, match=words):
        take_inputs(classifier(), data, Options())


def test_a_single_sample_cannot_calibrate():
    options = Options(settings=QuantizeParams(calibration_samples=1))

    with pytest.raises(DataError, match="Calibration would see 1 sample"):
        take_inputs(classifier(), (X, Y), options)


def test_columns_of_data_frames_keep_their_names_and_order():
    pandas = pytest.importorskip("pandas")
    names = [f"c{number}" for number in range(6)]
    train = pandas.DataFrame(X[:40], columns=names)
    test = pandas.DataFrame(X[40:, ::-1], columns=names[::-1])

    taken = take_inputs(classifier(), (train, Y[:40], test, Y[40:]), Options())

    assert taken.data.feature_names == tuple(names)
    x, _ = taken.data.test.arrays()
    assert {row.tobytes() for row in x} == {row.tobytes() for row in X[40:]}
    unnamed = take_inputs(classifier(), (pandas.DataFrame(X), Y), Options())
    assert unnamed.data.feature_names == ()
    with pytest.raises(DataError, match="x_test has the columns"):
        take_inputs(classifier(), (train, Y[:40], test.rename(columns={"c0": "other"}), Y[40:]), Options())


def test_arrays_of_a_file_that_are_not_used_are_noted(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=X, y=Y, speaker=np.array(["ann"] * 60), feature_names=np.array(list("abcdef")))

    taken = take_inputs(classifier(), path, Options())

    assert taken.notes == (f"not used of {path}: speaker",)
    assert taken.data.feature_names == tuple("abcdef")
