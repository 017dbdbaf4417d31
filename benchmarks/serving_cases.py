"""What the serving benchmark asks: a tiny int8 network in bundles, distinct samples, whole requests, true replies."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.load import DIGEST, Request
from qatflow.artifacts import sha256_bytes
from qatflow.release.bundle import load_bundle
from qatflow.release.bundle_runtime import BundleRunner

Floats = npt.NDArray[np.float32]
MODELS = 2


@dataclass(frozen=True)
class Dialect:
    """How a route is asked and answers.

    Attributes:
        encode: Samples (n, 8, 8, 1) float32 -> (further headers, body).
        scores: (head in lower case, body) -> the scores (n, 10) float32 of the reply.
    """

    name: str
    path: str
    encode: Callable[[Floats], tuple[dict[str, str], bytes]]
    scores: Callable[[bytes, bytes], Floats]


def make_bundles(cache: Path) -> list[Path]:
    """Return bundles of 0.304 M multiply-accumulates on (8, 8, 1), of different seeds; made once in `cache`."""
    folders = [cache / "bundles" / str(seed) / "bundle" for seed in range(MODELS)]
    if not all(folder.is_dir() for folder in folders):
        from tests.unit.release import fabricate

        for seed, folder in enumerate(folders):
            fabricate.bundle(folder.parent, _train(seed))
    return folders


def _train(seed: int) -> bytes:
    """Return an int8 flatbuffer: two convolutions of 16 and 32 channels, mean, 10 classes; 60 epochs on the digits."""
    from qatflow.backend import keras, start
    from tests.golden.make import quantized, trained
    from tests.unit.release.fabricate import digits

    start(seed)
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Conv2D(16, 3, padding="same", activation="relu", input_shape=(8, 8, 1)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    x, y = digits().train.arrays()
    return quantized(trained(model, x, y, "sparse_categorical_crossentropy", 60), x)


def samples(count: int, seed: int = 0) -> Floats:
    """Return (count, 8, 8, 1) float32: digits in their own units, 0 to 16, with noise, to two decimals; all differ."""
    from sklearn.datasets import load_digits

    generator = np.random.default_rng(seed)
    images = load_digits().images
    x = images[generator.integers(len(images), size=count)] + generator.normal(0, 1, (count, 8, 8))
    return np.round(np.clip(x, 0, 16), 2).astype(np.float32)[..., None]


def truth(bundle: Path, x: Floats) -> Floats:
    """Return the scores (n, 10) float32 that one thread gets from the bundle's own runner."""
    return np.asarray(BundleRunner(bundle).predict(x)["scores"], np.float32)


def wire(dialect: Dialect, port: int, x: Floats, token: str = "") -> bytes:
    """Return a whole request."""
    headers, body = dialect.encode(x)
    lines = [
        f"POST {dialect.path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
        *([f"Authorization: Bearer {token}"] if token else []),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def true_requests(
    dialect: Dialect, port: int, batches: Sequence[Floats], bundles: Sequence[Path], token: str = ""
) -> list[Request]:
    """Ask each request once, alone, and keep its reply as the true one after its scores were compared with `truth`.

    Args:
        dialect: Of the server at `port`.
        port: On this machine.
        batches: One request's samples each.
        bundles: What the server may run; a reply's `x-model-sha256` tells which, if there are several.
        token: Of the server.

    Raises:
        RuntimeError: If a reply is not right.
    """
    answers = {load_bundle(bundle).sha256.encode(): [truth(bundle, x) for x in batches] for bundle in bundles}
    requests = []
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        for row, x in enumerate(batches):
            content = wire(dialect, port, x, token)
            connection.sendall(content)
            head, body = read_reply(connection)
            at = head.find(DIGEST)
            digest = head[at + len(DIGEST) :][:64] if at >= 0 else b""
            expected = answers[digest or next(iter(answers))][row]
            if not head.startswith(b"http/1.1 200") or not np.array_equal(dialect.scores(head, body), expected):
                raise RuntimeError(f"{dialect.name}: {head[:200]!r} {body[:300]!r} is not the true answer {expected}")
            requests.append(Request(content, {digest: body}))
    return requests


def read_reply(connection: socket.socket) -> tuple[bytes, bytes]:
    """Return the head, in lower case, and body of one reply with a content length.

    Raises:
        ConnectionError: If the connection ends before.
    """
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0:
        data += _some(connection)
    head, body = data[:end].lower(), data[end + 4 :]
    at = head.find(b"content-length: ")
    length = int(head[at + 16 :].split(b"\r", 1)[0]) if at >= 0 else 0
    while len(body) < length:
        body += _some(connection)
    return head, body


def _some(connection: socket.socket) -> bytes:
    data = connection.recv(1 << 20)
    if not data:
        raise ConnectionError("the server closed the connection in the middle of a reply")
    return data


def _nested(x: Floats) -> tuple[dict[str, str], bytes]:
    body = json.dumps({"inputs": np.round(x.astype(float), 2).tolist()}, separators=(",", ":")).encode()
    return {"Content-Type": "application/json"}, body


def _flat(x: Floats) -> tuple[dict[str, str], bytes]:
    data = np.round(x.astype(float), 2).ravel().tolist()
    tensor = {"name": "input", "shape": x.shape, "datatype": "FP32", "data": data}
    body = json.dumps({"id": _id(x), "inputs": [tensor]}, separators=(",", ":")).encode()
    return {"Content-Type": "application/json"}, body


def _binary(x: Floats) -> tuple[dict[str, str], bytes]:
    tensor = {"name": "input", "shape": x.shape, "datatype": "FP32", "parameters": {"binary_data_size": x.nbytes}}
    content = {"id": _id(x), "inputs": [tensor], "parameters": {"binary_data_output": True}}
    head = json.dumps(content, separators=(",", ":")).encode()
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    return headers, head + x.tobytes()


def _id(x: Floats) -> str:
    """Return the request's name, which the reply repeats: equal for equal samples only."""
    return sha256_bytes(x.tobytes())[:12]


def _json_scores(_head: bytes, body: bytes) -> Floats:
    reply = json.loads(body)
    return np.asarray(reply.get("predictions", reply)["scores"], np.float32)


def _v2_scores(_head: bytes, body: bytes) -> Floats:
    output = next(tensor for tensor in json.loads(body)["outputs"] if tensor["name"] == "scores")
    return np.asarray(output["data"], np.float32).reshape(output["shape"])


def _v2_binary_scores(head: bytes, body: bytes) -> Floats:
    at = head.find(b"inference-header-content-length: ")
    length = int(head[at + 33 :].split(b"\r", 1)[0])
    offset = length
    for tensor in json.loads(body[:length])["outputs"]:
        if tensor["name"] == "scores":
            return np.frombuffer(body, np.float32, int(np.prod(tensor["shape"])), offset).reshape(tensor["shape"])
        offset += tensor["parameters"]["binary_data_size"]
    raise RuntimeError("the reply has no scores")


PREDICT = Dialect("JSON", "/predict", _nested, _json_scores)
INVOCATIONS = Dialect("JSON", "/invocations", _nested, _json_scores)
V2_JSON = Dialect("v2 JSON", "/v2/models/digits/infer", _flat, _v2_scores)
V2_BINARY = Dialect("v2 binary", "/v2/models/digits/infer", _binary, _v2_binary_scores)
