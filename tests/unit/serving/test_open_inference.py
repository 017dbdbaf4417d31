import json

import numpy as np
import pytest

from qatflow.release.bundle import load_bundle
from tests.unit.serving.asgi import images, question

PATH = "/v2/models/digits/infer"


def told(server, bundle, x):
    """What the bundle itself answers."""
    return load_bundle(bundle).predict(x)


@pytest.mark.parametrize("samples", [1, 2, 7, 8])
def test_scores_and_labels_are_those_of_the_bundle_bit_for_bit(server, bundle, samples):
    x = images(samples)
    reply = server.infer(x)
    scores, labels = reply.json["outputs"]
    expected = told(server, bundle, x)
    assert reply.status == 200
    assert np.float32(scores["data"]).reshape(scores["shape"]).tolist() == expected["scores"].tolist()
    assert labels == {"name": "labels", "datatype": "BYTES", "shape": [samples], "data": expected["labels"].tolist()}


def test_nested_data_are_taken_as_flat_ones_are(server):
    x = images(2)
    assert server.infer(x, data=x.tolist()).json["outputs"] == server.infer(x).json["outputs"]


def test_every_reply_names_version_and_digest(server):
    reply = server("POST", PATH, question(images()) | {"id": "mine"})
    assert reply.json["id"] == "mine"
    assert reply.json["model_version"] == reply.headers["x-model-version"] == server.model.version
    assert reply.json["parameters"]["model_sha256"] == reply.headers["x-model-sha256"] == server.model.sha256
    assert server.infer(images()).json["id"] == server.recorded.calls[-1]["request_id"]


def test_raw_integers_are_not_quantized_again(server):
    x = images(3)
    q = server.model.spec.quantize(x / np.float32(16))
    raw = server.infer(x, datatype="INT8", data=q.ravel().tolist())
    assert raw.json["outputs"] == server.infer(x).json["outputs"]
    np.testing.assert_allclose(server.recorded.calls[0]["x"], x, atol=16 / 255)


def binary(x, dtype, datatype, **fields):
    content = x.astype(dtype).tobytes()
    body = question(x, datatype=datatype, parameters={"binary_data_size": len(content)})
    del body["inputs"][0]["data"]
    head = json.dumps(body | fields).encode()
    return head + content, {"inference_header_content_length": str(len(head))}


def test_binary_tensors_go_both_ways(server):
    x = images(2)
    body, headers = binary(x, "<f4", "FP32", parameters={"binary_data_output": True})
    reply = server("POST", PATH, body, **headers)
    length = int(reply.headers["inference-header-content-length"])
    scores, labels = json.loads(reply.body[:length])["outputs"]
    tail, size = reply.body[length:], scores["parameters"]["binary_data_size"]
    plain = server.infer(x).json["outputs"]
    assert np.frombuffer(tail[:size], "<f4").tolist() == plain[0]["data"]
    texts = tail[size:]
    assert labels["parameters"]["binary_data_size"] == len(texts)
    assert [texts[5 * row + 4 : 5 * row + 5].decode() for row in range(2)] == plain[1]["data"]


def test_only_wanted_outputs_come(server):
    body = question(images()) | {"outputs": [{"name": "labels"}]}
    assert [output["name"] for output in server("POST", PATH, body).json["outputs"]] == ["labels"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"shape": [1, 8, 8]}, "expected [n, 8, 8, 1]"),
        ({"shape": [2, 8, 8, 1]}, "data have shape [64], but shape says [2, 8, 8, 1]"),
        ({"shape": [True, 8, 8, 1]}, "shape is"),
        ({"shape": [10**12, 8, 8, 1]}, "at most 8"),
        ({"shape": [0, 8, 8, 1]}, "shape is"),
        ({"shape": None}, "shape is"),
        ({"datatype": "FP64"}, "expected FP32 (the data's own units) or INT8"),
        ({"datatype": ["FP32"]}, "datatype is"),
        ({"name": "x\n"}, "no input is named x?"),
        ({"data": [[1], [2, 3]]}, "ragged"),
        ({"data": ["1"] * 64}, "no number"),
        ({"data": [None] * 64}, "no number"),
        ({"data": [True] * 64}, "no number"),
        ({"data": []}, "data have shape [0]"),
        ({"data": {"a": 1}}, "expected a list"),
        ({"data": [1e300] * 64}, "beyond float32"),
        ({"datatype": "INT8", "data": [200] * 64}, "integers -128 to 127"),
        ({"datatype": "INT8", "data": [0.5] * 64}, "integers -128 to 127"),
        ({"parameters": {"binary_data_size": 256}}, "256 are declared, 0 came"),
        ({"parameters": [1]}, "parameters must be an object"),
    ],
)
def test_what_does_not_fit_is_named(server, change, says):
    reply = server.infer(images(), **change)
    assert reply.status in {400, 413}
    assert says in reply.json["error"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"inputs": 1}', b'{"inputs": [1]}', b'{"inputs": []}', b"\xff"])
def test_no_request_at_all(server, body):
    assert server("POST", PATH, body).status == 400


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_is_no_json_number_is_refused(server, number):
    body = json.dumps(question(images())).replace("0.0", number, 1)
    assert server("POST", PATH, body.encode()).status == 400


@pytest.mark.parametrize("length", ["0", "-1", "x", "99999", "9" * 5000])
def test_a_wrong_header_length_is_refused(server, length):
    body, _ = binary(images(), "<f4", "FP32")
    assert server("POST", PATH, body, inference_header_content_length=length).status == 400


def test_binary_nan_and_short_bytes_are_refused(server):
    body, headers = binary(np.full((1, 8, 8, 1), np.nan, np.float32), "<f4", "FP32")
    assert "NaN" in server("POST", PATH, body, **headers).json["error"]
    assert "255 came" in server("POST", PATH, body[:-1], **headers).json["error"]


def test_metadata_say_what_to_send(server):
    found = server("GET", "/v2/models/digits").json
    assert found["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 8, 8, 1]}]
    assert [output["name"] for output in found["outputs"]] == ["scores", "labels"]
    assert found["parameters"]["raw_input"]["datatype"] == "INT8"
    assert found["versions"] == [server.model.version]


def test_a_version_can_be_asked_for(server):
    path = f"/v2/models/digits/versions/{server.model.version}"
    assert server("POST", path + "/infer", question(images())).status == 200
    assert server("GET", path).status == server("GET", path + "/ready").status == 200
    assert server("POST", "/v2/models/digits/versions/7/infer", question(images())).status == 404
