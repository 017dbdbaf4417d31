"""LitServe as its documentation shows it, one worker, no batching. `python litserve_app.py BUNDLE PORT`."""

import sys
from pathlib import Path
from typing import Any

import litserve
import numpy as np
from bundle_runtime import BundleRunner


class Api(litserve.LitAPI):
    """Decode, predict and encode of one request."""

    def setup(self, device: str) -> None:  # noqa: ARG002
        """Load the bundle in the worker."""
        self.runner = BundleRunner(Path(sys.argv[1]))

    def decode_request(self, request: dict[str, Any]) -> np.ndarray:
        """Return samples (n, *input shape)."""
        return np.array(request["inputs"], np.float32)

    def predict(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Run the model."""
        return self.runner.predict(x)

    def encode_response(self, output: dict[str, np.ndarray]) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {name: values.tolist() for name, values in output.items()}


if __name__ == "__main__":
    server = litserve.LitServer(Api(), accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1", port=int(sys.argv[2]), num_api_servers=1, generate_client_file=False, log_level="error"
    )
