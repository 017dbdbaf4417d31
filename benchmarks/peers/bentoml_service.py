"""BentoML as its documentation shows it, one worker. `BUNDLE` names the bundle."""

import os
from pathlib import Path

import bentoml
import numpy as np
from bundle_runtime import BundleRunner


@bentoml.service(workers=1)
class Digits:
    """A bundle behind BentoML."""

    def __init__(self) -> None:
        self.runner = BundleRunner(Path(os.environ["BUNDLE"]))

    @bentoml.api
    def predict(self, inputs: np.ndarray) -> dict:
        """Return scores and labels of samples (n, *input shape)."""
        answer = self.runner.predict(np.asarray(inputs, np.float32))
        return {name: values.tolist() for name, values in answer.items()}
