"""The script that MLflow keeps with a bundle and runs ("models from code"): nothing is pickled."""

import importlib
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.pyfunc.model import PythonModel

runtime = importlib.import_module("bundle_runtime")  # release/bundle_runtime.py, which travels with this script


class BundleModel(PythonModel):
    """A bundle behind MLflow's interface. `mlflow models serve` calls it from many threads; its runner has a lock."""

    def load_context(self, context: Any) -> None:
        """Load the bundle that was logged with the model."""
        self._runner = runtime.BundleRunner(Path(context.artifacts["bundle"]))

    def predict(
        self,
        context: Any,  # noqa: ARG002 (MLflow passes it)
        model_input: np.ndarray,  # MLflow warns of any other hint, and of none
        params: Any = None,  # noqa: ARG002
    ) -> Any:
        """Return `scores` and, for classification, `labels`; inputs are float32 in the data's own units."""
        return self._runner.predict(model_input)


mlflow.models.set_model(BundleModel())
