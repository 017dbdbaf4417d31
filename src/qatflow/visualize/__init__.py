"""Pictures of a bundle as files, with matplotlib and without TensorFlow. Each can be read on its own."""
