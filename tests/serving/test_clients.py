"""Clients that others wrote work unchanged: MLflow's, Triton's, curl."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from qatflow.release.bundle_runtime import BundleRunner
from tests.serving.running import TOKEN, Running, bearer, serving
from tests.unit.release import fabricate

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fabricate.bundle(tmp_path_factory.mktemp("clients"))


@pytest.fixture(scope="module")
def server(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(tmp_path_factory.mktemp("home"), bundle) as running:
        yield running


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return np.asarray(fabricate.digits().test.arrays(5)[0] * 16, np.float32)


@pytest.fixture(scope="module")
def truth(bundle: Path, x: np.ndarray) -> dict[str, np.ndarray]:
    return BundleRunner(bundle).predict(x)


@pytest.fixture
def triton(server: Running) -> Iterator[object]:
    client = pytest.importorskip("tritonclient.http").InferenceServerClient(f"127.0.0.1:{server.port}")
    yield client
    client.close()


class TestTriton:
    def test_health_and_metadata(self, triton, server):
        assert triton.is_server_live(headers=bearer())
        assert triton.is_server_ready(headers=bearer())
        assert triton.is_model_ready("digits", headers=bearer())
        assert not triton.is_model_ready("another", headers=bearer())
        version = server.ask("GET", "/v2/models/digits").content["versions"][0]
        assert triton.is_model_ready("digits", version, headers=bearer())
        metadata = triton.get_model_metadata("digits", headers=bearer())
        assert metadata["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 8, 8, 1]}]
        assert [output["name"] for output in metadata["outputs"]] == ["scores", "labels"]
        assert triton.get_server_metadata(headers=bearer())["name"] == "qatflow"

    @pytest.mark.parametrize("binary_in", [True, False])
    @pytest.mark.parametrize("binary_out", [True, False])
    def test_infer_with_json_and_binary_tensors(self, triton, x, truth, binary_in, binary_out):
        http = pytest.importorskip("tritonclient.http")
        tensor = http.InferInput("input", x.shape, "FP32")
        tensor.set_data_from_numpy(x, binary_data=binary_in)
        wanted = [http.InferRequestedOutput(name, binary_data=binary_out) for name in ("scores", "labels")]

        result = triton.infer("digits", [tensor], outputs=wanted, request_id="mine", headers=bearer())

        assert np.array_equal(result.as_numpy("scores"), truth["scores"])
        labels = [text.decode() if isinstance(text, bytes) else text for text in result.as_numpy("labels")]
        assert labels == truth["labels"].tolist()
        assert result.get_response()["id"] == "mine"

    @pytest.mark.parametrize("compression", ["gzip", "deflate"])
    def test_compressed_requests(self, triton, x, truth, compression):
        http = pytest.importorskip("tritonclient.http")
        tensor = http.InferInput("input", x.shape, "FP32")
        tensor.set_data_from_numpy(x)

        result = triton.infer("digits", [tensor], headers=bearer(), request_compression_algorithm=compression)

        assert np.array_equal(result.as_numpy("scores"), truth["scores"])

    def test_errors_are_told_as_the_client_expects(self, triton, x):
        http = pytest.importorskip("tritonclient.http")
        tensor = http.InferInput("pixels", x.shape, "FP32")
        tensor.set_data_from_numpy(x)

        with pytest.raises(pytest.importorskip("tritonclient.utils").InferenceServerException, match="named pixels"):
            triton.infer("digits", [tensor], headers=bearer())
        assert not triton.is_server_live()  # no token

    def test_many_requests_at_once_get_their_own_answers(self, triton, bundle):
        http = pytest.importorskip("tritonclient.http")
        samples, _ = fabricate.digits().test.arrays(64)
        expected = BundleRunner(bundle).predict(samples * 16)["scores"]
        client = http.InferenceServerClient(triton._client_stub.host + f":{triton._client_stub.port}", concurrency=8)
        asked = []
        for row in range(64):
            tensor = http.InferInput("input", (1, 8, 8, 1), "FP32")
            tensor.set_data_from_numpy(np.asarray(samples[row : row + 1] * 16, np.float32))
            asked.append(client.async_infer("digits", [tensor], headers=bearer()))

        found = [one.get_result().as_numpy("scores")[0] for one in asked]

        client.close()
        assert np.array_equal(found, expected)


class TestMlflow:
    @pytest.mark.parametrize("form", ["inputs", "instances"])
    def test_its_scoring_client(self, server, x, truth, form):
        from mlflow.pyfunc.scoring_server import CONTENT_TYPE_JSON  # what its own clients send

        reply = server.ask(
            "POST", "/invocations", json.dumps({form: x.tolist()}).encode(), {"Content-Type": CONTENT_TYPE_JSON}
        )

        assert reply.status == 200
        assert np.array_equal(np.asarray(reply.content["predictions"]["scores"], np.float32), truth["scores"])
        assert reply.content["predictions"]["labels"] == truth["labels"].tolist()

    def test_its_response_reader_and_health_check(self, server, x, truth):
        from mlflow.deployments import PredictionsResponse

        assert server.ask("GET", "/ping").status == server.ask("GET", "/health").status == 200
        reply = server.ask(
            "POST", "/invocations", json.dumps({"inputs": x.tolist()}).encode(), {"Content-Type": "application/json"}
        )
        table = PredictionsResponse.from_json(reply.body.decode()).get_predictions("dataframe")
        assert table["labels"].tolist() == truth["labels"].tolist()

    def test_what_its_own_server_says_is_said_here(self, server, bundle, x, tmp_path):
        """The reply is byte for byte as JSON what MLflow's scoring code writes for the logged model's predictions."""
        from io import StringIO

        from mlflow.pyfunc.scoring_server import predictions_to_json

        written = StringIO()
        predictions_to_json(BundleRunner(bundle).predict(x), written)
        reply = server.ask(
            "POST", "/invocations", json.dumps({"inputs": x.tolist()}).encode(), {"Content-Type": "application/json"}
        )

        assert reply.content == json.loads(written.getvalue())


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
class TestCurl:
    def curl(self, server: Running, path: str, *options: str) -> subprocess.CompletedProcess[str]:
        command = ["curl", "--silent", "--show-error", "--include", "--max-time", "20", *options, server.url + path]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def test_json(self, server, x, truth, tmp_path):
        (tmp_path / "body.json").write_text(json.dumps({"inputs": x.tolist()}))
        done = self.curl(
            server,
            "/invocations",
            *("-H", f"Authorization: Bearer {TOKEN}", "-H", "Content-Type: application/json"),
            *("--data-binary", f"@{tmp_path / 'body.json'}"),
        )

        head, body = done.stdout.split("\n\n" if "\n\n" in done.stdout else "\r\n\r\n", 1)
        assert head.startswith("HTTP/1.1 200")
        assert "x-model-sha256: " in head
        assert json.loads(body)["predictions"]["labels"] == truth["labels"].tolist()

    def test_a_large_body_is_announced_and_sent_in_chunks(self, server, truth, x, tmp_path):
        """Curl sends `Expect: 100-continue` before large bodies."""
        (tmp_path / "body.json").write_text(json.dumps({"inputs": np.repeat(x, 50, axis=0)[:250].tolist()}))
        for further in ((), ("-H", "Transfer-Encoding: chunked")):
            done = self.curl(
                server,
                "/invocations",
                *("-H", f"Authorization: Bearer {TOKEN}", "-H", "Content-Type: application/json", *further),
                *("-H", "Expect: 100-continue", "--data-binary", f"@{tmp_path / 'body.json'}"),
            )
            assert "HTTP/1.1 200" in done.stdout, done.stdout[:500]

    def test_without_a_token(self, server):
        done = self.curl(server, "/v2/health/live")

        assert done.stdout.startswith("HTTP/1.1 401")
        assert "www-authenticate: Bearer" in done.stdout.replace("WWW-A", "www-a")
