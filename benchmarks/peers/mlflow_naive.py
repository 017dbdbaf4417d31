"""The pyfunc that most tutorials show: one interpreter, no lock. `mlflow models serve` calls it from many threads."""

import importlib
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from mlflow.pyfunc.model import PythonModel

runtime = importlib.import_module("bundle_runtime")


class NaiveModel(PythonModel):
    """Runs the model in whichever thread calls."""

    def load_context(self, context: Any) -> None:
        """Load the flatbuffer; what turns numbers into tensors and back is the bundle's own."""
        bundle = Path(context.artifacts["bundle"])
        self._manifest = runtime.BundleRunner(bundle).manifest
        self._interpreter = Interpreter(str(bundle / "model.tflite"), num_threads=1)
        self._interpreter.allocate_tensors()

    def predict(self, context: Any, model_input: np.ndarray, params: Any = None) -> Any:  # noqa: ARG002
        """Return scores and labels as the bundle's runner does, without its lock."""
        inputs = runtime.preprocess(self._manifest, model_input)
        q = runtime.quantize(self._manifest["input"], inputs)
        found = np.stack([self._invoke(sample) for sample in q])
        return runtime.decode(self._manifest, inputs, runtime.dequantize(self._manifest["output"], found))

    def _invoke(self, sample: np.ndarray) -> np.ndarray:
        self._interpreter.set_tensor(self._interpreter.get_input_details()[0]["index"], sample[None])
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._interpreter.get_output_details()[0]["index"])[0])


mlflow.models.set_model(NaiveModel())
