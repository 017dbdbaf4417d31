"""Quantize any Keras model with any data: by one strategy, or by the best one that a search finds."""
