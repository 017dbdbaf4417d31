"""TFLite flatbuffers: made by `convert` (the only part that needs TensorFlow), run by `runtime`, read by `inspect`."""
