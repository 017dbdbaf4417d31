"""Training of float and fake-quant models: optimizers and fit."""
