"""tf.data streams, alone and under Keras."""

import subprocess
import sys
from collections.abc import Callable

import numpy as np

from qatflow.data.prepared import PreparedData
from qatflow.data.streams import to_tf_dataset

Prepare = Callable[..., PreparedData]


def test_each_iteration_is_the_next_epoch(prepare: Prepare) -> None:
    train = prepare(max_samples=20).train
    dataset = to_tf_dataset(train, 8, 5, "classification")

    assert len(dataset) == 3
    for epoch in range(2):
        expected = list(train.batches(8, 5, epoch))
        for (x, y), (x_expected, y_expected) in zip(dataset.as_numpy_iterator(), expected, strict=True):
            assert (x.dtype, y.dtype) == (np.float32, np.int64)
            np.testing.assert_array_equal(x, x_expected)
            np.testing.assert_array_equal(y, y_expected)


def test_anomaly_targets_are_the_inputs(prepare: Prepare) -> None:
    data = prepare(task="anomaly", max_samples=10)
    x, y = next(iter(to_tf_dataset(data.train, 4, None, "anomaly").as_numpy_iterator()))

    assert x.shape == (4, 8, 8, 1)
    np.testing.assert_array_equal(x, y)


def test_other_targets_replace_those_of_every_task(prepare: Prepare) -> None:
    for task in ("classification", "anomaly", "regression"):
        train = prepare(task=task, max_samples=20).train
        targets = np.random.default_rng(0).random((train.count, 3)).astype(np.float32)

        dataset = to_tf_dataset(train, 8, 5, task, targets)

        found = list(dataset.as_numpy_iterator())
        for (x, y), (x_wanted, y_wanted) in zip(found, train.batches(8, 5, 0, targets=targets), strict=True):
            np.testing.assert_array_equal(x, x_wanted)
            np.testing.assert_array_equal(y, y_wanted)
        assert dataset.element_spec[1].dtype == np.float32


def test_keras_sees_every_sample_once_an_epoch_in_the_seeded_order(prepare: Prepare) -> None:
    from qatflow.backend import keras, start

    data = prepare(task="regression", max_samples=20)

    def train() -> list[np.ndarray]:
        start(0)
        model = keras.Sequential([keras.layers.Flatten(input_shape=(8, 8, 1)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        validation = to_tf_dataset(data.val, 8, None, "regression")
        history = model.fit(
            to_tf_dataset(data.train, 8, 1, "regression"), validation_data=validation, epochs=3, verbose=0
        )
        assert len(history.history["val_loss"]) == 3
        return list(model.get_weights())

    for first, second in zip(train(), train(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_importing_data_does_not_import_tensorflow() -> None:
    code = "import sys, qatflow.data.prepare, qatflow.data.streams; sys.exit('tensorflow' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
