"""QATFlow: from a Keras model or a data set to a verified int8/int4 TFLite model. Does not import TensorFlow."""

__version__ = "0.1.0"
