"""Serves a bundle over HTTP: validation, limits, hot swap, shadow and canary. Does not import TensorFlow or MLflow."""
