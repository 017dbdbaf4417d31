"""The one door to TensorFlow: sets legacy Keras before the first import, silences the noise, makes runs repeatable."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # its kernels may add in another order from run to run

import tensorflow as tf
import tf_keras as keras

__all__ = ["keras", "start", "tf"]


def start(seed: int) -> None:
    """Begin a stage: forget earlier models and their name counters, seed Python, NumPy and TensorFlow.

    Without this the same stage gives other bytes when another one ran before it in the same process.
    """
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
