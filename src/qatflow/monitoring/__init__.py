"""Watches a served model: records of requests, and statistics of drift. Does not import TensorFlow."""
