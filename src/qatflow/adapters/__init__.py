"""The only door to DVC and MLflow, and the fakes that stand in for them."""
