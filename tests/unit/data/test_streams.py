"""tf.data streams, alone and under Keras."""

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from qatflow.data.prepared import PreparedData
from qatflow.data.streams import Samples, to_tf_dataset

Prepare = Callable[..., PreparedData]


def test_each_iteration_is_the_next_epoch(prepare: Prepare) -> None:
    train = prepare(max_samples=20).train
    dataset = to_tf_dataset(Samples(train, 8, train.labels(), 5), first_epoch=1)

    assert len(dataset) == 3
    for epoch in (1, 2):
        expected = list(train.batches(8, 5, epoch))
        for (x, y), (x_expected, y_expected) in zip(dataset.as_numpy_iterator(), expected, strict=True):
            assert (x.dtype, y.dtype) == (np.float32, np.int64)
            np.testing.assert_array_equal(x, x_expected)
            np.testing.assert_array_equal(y, y_expected)


def test_without_targets_the_inputs_are(prepare: Prepare) -> None:
    data = prepare(task="anomaly", max_samples=10)
    x, y = next(iter(to_tf_dataset(Samples(data.train, 4)).as_numpy_iterator()))

    assert x.shape == (4, 8, 8, 1)
    np.testing.assert_array_equal(x, y)


@pytest.mark.slow
def test_keras_sees_every_sample_once_an_epoch_in_the_seeded_order(prepare: Prepare) -> None:
    from qatflow.backend import keras, start

    data = prepare(task="regression", max_samples=20)

    def train() -> list[np.ndarray]:
        start(0)
        model = keras.Sequential([keras.layers.Flatten(input_shape=(8, 8, 1)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        validation = to_tf_dataset(Samples(data.val, 8, data.val.labels()))
        samples = Samples(data.train, 8, data.train.labels(), 1)
        history = model.fit(to_tf_dataset(samples), validation_data=validation, epochs=3, verbose=0)
        assert len(history.history["val_loss"]) == 3
        return list(model.get_weights())

    for first, second in zip(train(), train(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_importing_data_does_not_import_tensorflow() -> None:
    code = "import sys, qatflow.data.prepare, qatflow.data.streams; sys.exit('tensorflow' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
