"""Takes quantization error back without training: weights scaled before, rounded better, biases corrected after."""
