import numpy as np
import pytest

from qatflow.backend import keras, start, tf
from qatflow.errors import ModelError
from qatflow.models.user_model import end_of
from qatflow.search.models import infer_task, shapes, take_model

layers = keras.layers


def built(*stack, shape=(4,)):
    start(0)
    return keras.Sequential([layers.InputLayer(shape), *stack], name="user")


@pytest.fixture
def model():
    return built(layers.Dense(3, name="hidden"), layers.Dense(2, activation="softmax", name="classes"))


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_files_and_objects_compute_the_same(model, tmp_path, ending):
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    model.save(tmp_path / f"saved{ending}")

    for taken in (take_model(tmp_path / f"saved{ending}", tmp_path), take_model(model, tmp_path)):
        assert taken is not model
        np.testing.assert_array_equal(taken(x), model(x))


def test_keras_3_objects_are_rebuilt(tmp_path):
    import keras as keras_3

    original = keras_3.Sequential(
        [keras_3.layers.Input((6, 1)), keras_3.layers.Flatten(), keras_3.layers.Dense(2, activation="softmax")]
    )
    x = np.random.default_rng(0).normal(size=(5, 6, 1)).astype(np.float32)

    taken = take_model(original, tmp_path)

    assert isinstance(taken, keras.Model)
    np.testing.assert_allclose(taken(x), np.asarray(original(x)), atol=1e-5)


def lambda_model():
    return built(layers.Lambda(lambda x: x * 2, name="doubled"))


def custom_model():
    class Mine(layers.Layer):
        def call(self, x):
            return x

    return built(layers.Dense(2), Mine(name="own"))


def nan_model():
    model = built(layers.Dense(2, name="broken"))
    model.get_layer("broken").set_weights([np.full((4, 2), np.nan), np.zeros(2)])
    return model


def branched_model():
    one, two = layers.Input((4,)), layers.Input((4,))
    return keras.Model([one, two], layers.Add()([one, two]), name="user")


def open_model():
    x = layers.Input((None, 3))
    return keras.Model(x, layers.Dense(2)(x), name="user")


def ellipsis_model():
    x = layers.Input((3, 4))
    return keras.Model(x, layers.Flatten()(x[..., :2]), name="user")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda_model, "'doubled' is a Lambda"),
        (custom_model, "'own' is .*code of somebody else"),
        (nan_model, "Layer 'broken' has weights that are NaN"),
        (branched_model, "has 2 inputs and 1 outputs"),
        (open_model, r"takes \(None, 3\); TFLite needs a number"),
        (ellipsis_model, r"cannot be saved: .*\. Write x\[\.\.\., a:b\] with a colon for each axis"),
        (tf.Module, "Expected a Keras model or the path of one, not a Module"),
        (lambda: None, "not a NoneType"),
    ],
)
def test_what_cannot_be_quantized_is_named(tmp_path, make, words):
    with pytest.raises(ModelError, match=words):
        take_model(make(), tmp_path)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(ModelError, match=r"none\.keras does not exist"):
        take_model(tmp_path / "none.keras", tmp_path)
    with pytest.raises(ModelError, match="is a folder"):
        take_model(str(tmp_path), tmp_path)


@pytest.mark.parametrize(
    ("stack", "shape", "labels", "task"),
    [
        ([layers.Dense(4, activation="softmax")], (4,), "classes", "classification"),
        ([layers.Dense(3), layers.Softmax()], (4,), "classes", "classification"),
        ([layers.Dense(3)], (4,), "classes", "classification"),
        ([layers.Dense(3)], (4,), "numbers", "regression"),
        ([layers.Dense(1, activation="sigmoid")], (4,), "two", "classification"),
        ([layers.Dense(1), layers.Activation("sigmoid"), layers.Flatten()], (4,), "two", "classification"),
        ([layers.Dense(1, activation="sigmoid")], (1,), "two", "classification"),
        ([layers.Dense(1, activation="sigmoid")], (4,), "numbers", "regression"),
        ([layers.Dense(1)], (4,), "two", "classification"),
        ([layers.Dense(1)], (4,), "classes", "regression"),
        ([layers.Dense(1, activation="relu")], (4,), "two", "regression"),
        ([layers.Dense(3, activation="sigmoid")], (4,), "multi_hot", "multi_label"),
        ([layers.Dense(3)], (4,), "multi_hot", "multi_label"),
        ([layers.Dense(3, activation="sigmoid")], (4,), "one_hot", "classification"),
        ([layers.Dense(3, activation="sigmoid")], (4,), "numbers", "regression"),
        ([layers.Dense(4)], (4,), "none", "anomaly"),
        ([layers.Conv2D(1, 3, padding="same")], (8, 8, 1), "classes", "anomaly"),
    ],
)
def test_the_task_is_told_from_shapes_and_labels(stack, shape, labels, task):
    assert infer_task(built(*stack, shape=shape), labels) == task


def test_an_answer_for_each_place_is_refused_with_what_would_be_right():
    with pytest.raises(ModelError, match=r"gives \(8, 8, 2\).*segmentation.*one vector for each sample"):
        infer_task(built(layers.Conv2D(2, 3, padding="same", activation="softmax"), shape=(8, 8, 1)), "classes")


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


def test_a_subclassed_model_is_called_so_and_the_way_out_works(tmp_path):
    model = Subclassed()
    model(np.zeros((1, 4), np.float32))
    with pytest.raises(ModelError, match=r"subclassed model \(Subclassed\).*keras.Model\(x, model.call\(x\)\)"):
        take_model(model, tmp_path)

    x = keras.Input((4,))
    assert shapes(take_model(keras.Model(x, model.call(x)), tmp_path)) == ((4,), (2,))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("m.tflite", b"\x1c\0\0\0TFL3" + bytes(64), "is a TFLite flatbuffer.*give the Keras model"),
        ("m.onnx", b"\x08\x07onnx-ml", r"neither a .keras nor a .h5 file; build the network in Keras"),
        ("m.json", b"{}      ", "an architecture without weights; save the whole model"),
    ],
)
def test_files_of_others_are_refused_with_the_way_out(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)

    with pytest.raises(ModelError, match=words):
        take_model(tmp_path / name, tmp_path)


def test_a_saved_model_is_called_so(tmp_path):
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"")

    with pytest.raises(ModelError, match=r"is a SavedModel.*save the Keras model itself"):
        take_model(tmp_path / "saved", tmp_path)


def test_softmax_is_found_inside_a_model_at_the_end(model):
    outer = keras.Sequential([layers.InputLayer((4,)), model])

    assert end_of(outer) == "softmax"
    assert shapes(outer) == ((4,), (2,))
