"""What clients do wrong, or do on purpose: each time a clear refusal, and the server stays as well as it was.

The numbers are those of the list of faults in the research on serving.
"""

import contextlib
import gzip
import itertools
import json
import re
import signal
import socket
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from qatflow.deploy.local import deploy_local, point_to
from qatflow.params.serving import ServingParams
from qatflow.release.bundle import load_bundle
from qatflow.release.bundle_runtime import BundleRunner
from qatflow.serving.gate import Gate
from qatflow.serving.serve import Settings, _Built
from qatflow.serving.server import LAME_DUCK_S
from tests.serving.running import TOKEN, Running, received, request, serving, status_of, until
from tests.unit.release import fabricate

pytestmark = [pytest.mark.slow, pytest.mark.fault]
LIMIT = 262_144
INFER = "/v2/models/digits/infer"
ROUTES = [
    *("/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/digits", "/v2/models/digits/ready", INFER),
    *("/v2/rollout", "/v2/feedback", "/v2/bundle", "/invocations", "/ping", "/health", "/version", "/metrics"),
]
FURTHER = ["/", "/v2/models/digits/versions/1/infer", "/no/such/path", "/v2/../etc/passwd", "*", "//v2"]
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "M-SEARCH"]
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("bundles")
    return [fabricate.bundle(folder / name, fabricate.flatbuffer(name)) for name in ("int8", "int4")]


@pytest.fixture(scope="module")
def server(bundles: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("home")
    with serving(home, bundles[0], timeout_s=1.0, max_connections=200, max_body_bytes=LIMIT, max_batch=16) as running:
        yield running


@pytest.fixture
def well(server: Running) -> Iterator[Running]:
    """The server, which is as well after the test as before."""
    yield server
    assert server.is_well()
    x = np.zeros((1, 8, 8, 1), np.float32)
    assert server.infer(x).status == 200
    assert "raceback" not in server.log.read_text()


def refused(reply: bytes, *statuses: int) -> None:
    """The raw reply has one of the statuses, and its text tells nothing of the inside (73)."""
    assert status_of(reply) in statuses, reply[:300]
    text = reply.decode("latin-1")
    for secret in (TOKEN, "Traceback", 'File "', "site-packages", "/src/", "/tmp", ".py", "0x"):  # noqa: S108
        assert secret not in text


def scoring(content: object, *headers: str) -> bytes:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return request("POST", "/invocations", body, *(headers or ("Content-Type: application/json",)))


def tensor(**fields: object) -> bytes:
    """A request of the Open Inference Protocol whose tensor has other fields than it should."""
    right = {"name": "input", "shape": [1, 8, 8, 1], "datatype": "FP32", "data": [0.0] * 64}
    return request("POST", INFER, json.dumps({"inputs": [right | fields]}).encode(), "Content-Type: application/json")


def binary(content: bytes, **fields: object) -> bytes:
    right = {"name": "input", "shape": [1, 8, 8, 1], "datatype": "FP32", "parameters": {"binary_data_size": 256}}
    head = json.dumps({"inputs": [right | fields]}).encode()
    return request("POST", INFER, head + content, f"Inference-Header-Content-Length: {len(head)}")


class TestTokens:
    """59."""

    def test_the_list_of_routes_is_whole(self, bundles):
        built = _Built(Settings(bundles[0], "digits", ServingParams()), Gate())

        assert set(built.app._routes) == set(ROUTES)

    @pytest.mark.parametrize("path", [*ROUTES, *FURTHER])
    def test_every_route_and_method_needs_one(self, well, path):
        for method in METHODS:
            reply = well.send(request(method, path, token=""))
            refused(reply, 401, 400)  # 400: what no HTTP parser takes
            assert (status_of(reply) == 401) or method == "M-SEARCH" or path == "*"
            assert method != "HEAD" or reply.endswith(b"\r\n\r\n")

    @pytest.mark.parametrize(
        "header",
        [
            *("Bearer", "Bearer ", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Bearer {TOKEN.upper()}", TOKEN),
            *(f"Basic {TOKEN}", f"Bearer {'x' * 8000}", "Bearer \xff\xfe", f"Bearer {TOKEN} {TOKEN}"),
        ],
    )
    def test_a_false_one_does_not_count(self, well, header):
        raw = f"GET /v2 HTTP/1.1\r\nHost: here\r\nAuthorization: {header}\r\n\r\n".encode("latin-1")
        refused(well.send(raw), 401)

    def test_not_in_the_address_nor_in_another_header(self, well):
        refused(well.send(request("GET", f"/v2?token={TOKEN}", b"", f"X-Api-Key: {TOKEN}", token="")), 401)

    def test_without_one_no_body_is_read(self, well):
        head = b"POST /invocations HTTP/1.1\r\nHost: here\r\nContent-Length: 200000\r\n\r\n"
        refused(well.send(head), 401)


class TestBodies:
    """60 to 63, 69."""

    def test_too_large_by_content_length(self, well):
        head = request("POST", "/invocations").replace(b"Content-Length: 0", b"Content-Length: 99999999999")
        refused(well.send(head), 413)

    @pytest.mark.parametrize("length", ["99999999999999999999999", "-1", "1e3", "0x10", "", "1,1"])
    def test_a_content_length_that_is_none(self, well, length):
        head = request("POST", "/invocations").replace(b"Content-Length: 0", f"Content-Length: {length}".encode())
        refused(well.send(head + b"x" * 64), 400, 408, 413)

    def test_too_large_in_chunks(self, well):
        head = request("POST", "/invocations").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
        refused(well.send(head, *[b"4000\r\n" + b" " * 0x4000 + b"\r\n"] * (LIMIT // 0x4000 + 1)), 413)

    def test_a_bomb(self, well):
        """300 MiB in 300 kB of gzip, and again in that."""
        before = psutil.Process(well.process.pid).memory_info().rss
        machine = zlib.compressobj(9, zlib.DEFLATED, 31)
        bomb = b"".join(machine.compress(bytes(1 << 20)) for _ in range(300)) + machine.flush()
        small = gzip.compress(bomb)
        assert len(small) < LIMIT
        refused(well.send(scoring(small, "Content-Encoding: gzip")), 400, 413)
        small = gzip.compress(bytes(LIMIT + 1))
        refused(well.send(scoring(small, "Content-Encoding: gzip")), 413)
        assert psutil.Process(well.process.pid).memory_info().rss - before < 32 << 20

    @pytest.mark.parametrize("body", [b"no gzip at all", gzip.compress(b"{}" * 99, mtime=0)[:-9], b""])
    def test_a_broken_compression(self, well, body):
        refused(well.send(scoring(body, "Content-Encoding: gzip")), 400)

    def test_an_unknown_compression(self, well):
        refused(well.send(scoring(b"{}", "Content-Encoding: br")), 415)

    @pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1e39", "-1e39", "null", '"1"'])
    def test_what_is_no_finite_number(self, well, number):
        values = json.dumps([[[[0.5]] * 8] * 8]).replace("0.5", number, 1).encode()
        refused(well.send(scoring(b'{"inputs": %s}' % values)), 400)
        refused(well.send(tensor(data=[0.5]).replace(b"0.5", number.encode())), 400)
        flat = json.dumps([0.5] * 64).replace("0.5", number, 1)
        body = b'{"inputs":[{"name":"input","shape":[1,8,8,1],"datatype":"FP32","data":%s}]}' % flat.encode()
        refused(well.send(request("POST", INFER, body)), 400)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_what_is_no_finite_number_in_bytes(self, well, value):
        content = np.full(64, 0.5, "<f4")
        content[13] = value
        refused(well.send(binary(content.tobytes())), 400)

    @pytest.mark.parametrize("opening", ["[", '{"a":', '{"inputs":[', "[{"])
    def test_nesting(self, well, opening):
        for path in ("/invocations", INFER, "/v2/feedback"):
            body = (opening * (100_000 // len(opening))).encode()
            refused(well.send(request("POST", path, body, "Content-Type: application/json")), 400)

    @pytest.mark.parametrize(
        "values",
        [
            *(
                [],
                [[]],
                [[[[]]]],
                1,
                "x",
                None,
                {},
                {"a": 1},
                [1, [2]],
                [[[[0]] * 8] * 7 + [[[0]] * 7]],
                [[[[0] * 2] * 8] * 8],
            ),
            *([[0] * 64], [[[["0"]] * 8] * 8], [[[[None]] * 8] * 8], [[[[[0]]] * 8] * 8], [[[0] * 8] * 8], "0" * 64),
            [[[[{}]] * 8] * 8],
        ],
    )
    def test_ragged_empty_and_of_another_shape(self, well, values):
        for form in ("inputs", "instances"):
            refused(well.send(scoring({form: values})), 400)

    @pytest.mark.parametrize(
        "body",
        [
            *(
                b"",
                b"null",
                b"[]",
                b"7",
                b'"x"',
                b"{",
                b"{}",
                b'{"inputs":',
                b"\xff\xfe",
                b'{"\xff":1}',
                b"\xef\xbb\xbf{}",
                b"\x00",
            ),
            *(b'{"inputs":[],"instances":[]}', b'{"more":1}', b'{"inputs":[[1]],"a":1}', b'{"inputs":"\\ud800"}'),
            *(
                b'{"dataframe_split":1}',
                b'{"dataframe_split":{"columns":["a"],"data":[[1]]}}',
                b'{"dataframe_records":[1]}',
            ),
        ],
    )
    def test_what_is_no_request(self, well, body):
        for path in ("/invocations", INFER, "/v2/feedback"):
            refused(well.send(request("POST", path, body, "Content-Type: application/json")), 400)

    def test_more_samples_than_allowed(self, well):
        refused(well.send(scoring({"inputs": np.zeros((17, 8, 8, 1)).tolist()})), 413)
        refused(well.send(binary(bytes(17 * 256), shape=[17, 8, 8, 1], parameters={"binary_data_size": 17 * 256})), 413)

    @pytest.mark.parametrize(
        "shape",
        [
            *(
                [10**12, 8, 8, 1],
                [2**63, 8, 8, 1],
                [2**31, 2**31, 2**31, 2**31],
                [-1, 8, 8, 1],
                [0, 8, 8, 1],
                [1.0, 8, 8, 1],
            ),
            *(
                [True, 8, 8, 1],
                ["1", 8, 8, 1],
                [None, 8, 8, 1],
                [1, 8, 8],
                [1, 8, 8, 1, 1],
                [64],
                [],
                64,
                "1,8,8,1",
                {},
                None,
            ),
        ],
    )
    def test_claims_are_checked_before_anything_is_made(self, well, shape):
        before = psutil.Process(well.process.pid).memory_info().rss
        refused(well.send(tensor(shape=shape)), 400, 413)
        refused(well.send(binary(bytes(256), shape=shape)), 400, 413)
        assert psutil.Process(well.process.pid).memory_info().rss - before < 16 << 20

    @pytest.mark.parametrize("size", [0, -1, 255, 257, 10**15, 1.5, "256", True, None, [256], 2**64])
    def test_sizes_of_bytes(self, well, size):
        refused(well.send(binary(bytes(256), parameters={"binary_data_size": size})), 400)

    @pytest.mark.parametrize(
        "length", ["0", "-1", "+5", "99999", "1e1", "9" * 30, "", " ", "\u0661".encode().decode("latin-1")]
    )
    def test_lengths_of_the_json_before_bytes(self, well, length):
        head = f"Inference-Header-Content-Length: {length}"
        refused(well.send(request("POST", INFER, b'{"inputs":[]}', head)), 400)

    @pytest.mark.parametrize("datatype", ["FP64", "FP16", "INT32", "BYTES", "BOOL", "fp32", "", 1, None, ["FP32"]])
    def test_datatypes(self, well, datatype):
        refused(well.send(tensor(datatype=datatype)), 400)

    @pytest.mark.parametrize("value", [128, -129, 0.5, 10**30, "1", None])
    def test_quantized_values_out_of_range(self, well, value):
        refused(well.send(tensor(datatype="INT8", data=[value] * 64)), 400)

    def test_many_small_chunks(self, well):
        """40,000 chunks of 6 bytes, as fast as they go."""
        body = json.dumps({"inputs": [[[[0.0]] * 8] * 8]}).encode().ljust(240_000)
        head = request("POST", "/invocations", b"", "Content-Type: application/json")
        head = head.replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
        chunks = b"".join(b"6\r\n" + body[at : at + 6] + b"\r\n" for at in range(0, len(body), 6))
        assert status_of(well.send(head, chunks, b"0\r\n\r\n")) == 200


class TestSlowAndGone:
    """64 to 66."""

    def test_slow_loris(self, well):
        """Heads and bodies that come a byte at a time end after `timeout_s`; others are served meanwhile."""
        head = request("POST", "/invocations", b"x" * 900)
        slow = [socket.create_connection(("127.0.0.1", well.port), timeout=20) for _ in range(40)]
        bodies = [head[: len(head) - 900], *[head[:30]] * 3]
        for place, connection in enumerate(slow):
            connection.sendall(bodies[place % 4])
        started = time.monotonic()
        ended: dict[int, bytes] = {}

        def drip() -> None:
            for turn in itertools.count():
                for place, connection in enumerate(slow):
                    try:
                        connection.sendall(b"a")
                    except OSError:
                        ended[place] = b""
                if len(ended) == len(slow) or turn > 150:
                    return
                time.sleep(0.1)

        thread = threading.Thread(target=drip)
        thread.start()
        assert well.infer(np.zeros((1, 8, 8, 1), np.float32)).status == 200
        thread.join()
        assert len(ended) == len(slow)
        assert time.monotonic() - started < 15
        for connection in slow:
            connection.close()

    def test_a_body_that_does_not_come_is_told_so(self, well):
        head = request("POST", "/invocations", b"x" * 900)
        refused(well.send(head[:-400]), 408)

    def test_idle_connections_end_and_those_beyond_the_limit_are_not_kept(self, well):
        idle = [socket.create_connection(("127.0.0.1", well.port), timeout=20) for _ in range(400)]
        for connection in idle:
            with connection, contextlib.suppress(ConnectionResetError):
                assert connection.recv(1) == b""

    def test_a_reply_that_nobody_reads(self, well):
        """A client that sends requests and never reads is cut off; the server's memory stays."""
        before = psutil.Process(well.process.pid).memory_info().rss
        x = {"inputs": np.zeros((16, 8, 8, 1)).tolist()}
        with socket.create_connection(("127.0.0.1", well.port), timeout=20) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            content = scoring(x) * 20
            connection.settimeout(3)
            with pytest.raises(OSError):  # noqa: PT011, PT012 (reset, broken pipe or a full buffer)
                for _ in range(2000):
                    connection.sendall(content)
        assert psutil.Process(well.process.pid).memory_info().rss - before < 64 << 20

    @pytest.mark.parametrize("reset", [True, False])
    def test_clients_that_go_in_the_middle(self, well, reset):
        whole = scoring({"inputs": [[[[0.0]] * 8] * 8]})
        for length in [*range(1, len(whole), max(1, len(whole) // 150)), len(whole)]:
            with socket.create_connection(("127.0.0.1", well.port), timeout=20) as connection:
                if reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.sendall(whole[:length])
        until(lambda: b"\nhttp_server_active_requests 1.0\n" in well.ask("GET", "/metrics").body, "no request in work")


class TestFraming:
    """67 and 68."""

    def test_pipelined_requests_are_answered_in_order(self, well):
        wires = [
            request(
                "POST", INFER, json.dumps({"id": f"number-{n}", **json.loads(tensor().split(b"\r\n\r\n")[1])}).encode()
            )
            for n in range(30)
        ]
        data = b""
        with socket.create_connection(("127.0.0.1", well.port), timeout=20) as connection:
            connection.sendall(b"".join(wires))
            while data.count(b"HTTP/1.1 200") < 30 or b"number-29" not in data:
                piece = connection.recv(1 << 16)
                assert piece, data[-300:]
                data += piece
        assert re.findall(rb'"id":"number-(\d+)"', data) == [b"%d" % n for n in range(30)]

    @pytest.mark.parametrize(
        "lines",
        [
            b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcdGET /v2 HTTP/1.1\r\n",
            b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v2 HTTP/1.1\r\n",
            b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\nGET /v2 HTTP/1.1\r\n",
            b"Transfer-Encoding: gzip, chunked, identity\r\n\r\n0\r\n\r\n",
            b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
            b"Content-Length: 2\r\n X: folded\r\n\r\nab",
            b"Bad Header: 1\r\n\r\n",
            b"X-Null: a\x00b\r\n\r\n",
            b"X-Bare: a\rb\r\n\r\n",
        ],
    )
    def test_ambiguous_frames_are_not_guessed(self, well, lines):
        """At most one reply comes, and the connection ends: nothing can be smuggled behind the first request."""
        raw = b"POST /invocations HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer " + TOKEN.encode() + b"\r\n" + lines
        with socket.create_connection(("127.0.0.1", well.port), timeout=20) as connection:
            connection.sendall(raw + b"Host: here\r\nAuthorization: Bearer " + TOKEN.encode() + b"\r\n\r\n")
            data = b""
            with contextlib.suppress(ConnectionError):
                while piece := connection.recv(1 << 16):
                    data += piece
        refused(data, 400, 408, 0)
        assert data.count(b"HTTP/1.1") <= 1

    @pytest.mark.parametrize(
        "raw",
        [
            *(b"\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET\r\n\r\n", b"\x00" * 99),
            *(b"GET / HTTP/9.9\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /" + b"a" * 100_000),
            b"GET / HTTP/1.1\r\nX: " + b"y" * 100_000,
        ],
    )
    def test_what_is_not_http(self, well, raw):
        refused(well.send(raw), 400, 401, 0)

    def test_many_headers(self, well):
        raw = request("GET", "/v2", b"", *(f"X-{n}: {n}" for n in range(5000)))
        refused(well.send(raw), 400, 431, 0)

    @pytest.mark.parametrize(
        "kind", ["text/plain", "multipart/form-data; boundary=x", "application/json; charset=utf-16", "a" * 999]
    )
    def test_content_types(self, well, kind):
        refused(well.send(scoring({"inputs": [[[[0.0]] * 8] * 8]}, f"Content-Type: {kind}")), 415)

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", INFER, 405),
            ("POST", "/v2", 405),
            ("DELETE", "/v2/bundle", 405),
            ("OPTIONS", "/metrics", 405),
            *(("GET", path, 404) for path in ("/", "//v2", "/v2/", "/v2/models", "/v2//health/live", "/V2")),
            *(("GET", path, 404) for path in ("/v2/./health/live", "/%2e%2e/etc/passwd", "/v2/models/%2e%2e")),
            *(("GET", path, 404) for path in ("/v2/models/digits%00", "/static/../params.yaml")),
            ("GET", "/v2/models/another", 404),
            ("POST", "/v2/models/digits/versions/none/infer", 404),
            ("GET", "/v2/models/digits/versions/" + "9" * 200, 404),
            ("PUT", "/v2/bundle", 403),
        ],
    )
    def test_wrong_paths_and_methods(self, well, method, path, status):
        body = json.dumps({"inputs": []}).encode() if method == "POST" else b""
        reply = well.send(request(method, path, body))
        refused(reply, status)
        assert status != 405 or b"\r\nallow: " in reply.lower()

    def test_head_is_get_without_a_body(self, well):
        reply = well.send(request("HEAD", "/v2", b"", "Connection: close"))
        assert status_of(reply) == 200
        assert reply.endswith(b"\r\n\r\n")


class TestText:
    """72 and 73."""

    def test_nothing_a_client_says_becomes_a_line_of_the_log_or_a_header(self, well):
        evil = '\r\nSet-Cookie: a=b\r\n{"level": "forged"}\n'
        before = len(well.log.read_text().splitlines())
        reply = well.infer(np.zeros((1, 8, 8, 1), np.float32), id=evil)
        assert reply.status == 200
        assert reply.content["id"] == evil
        assert "set-cookie" not in reply.headers
        for path in ("/v2%0d%0aSet-Cookie:%20a=b", "/%0a%7b%22level%22:%20%22forged%22%7d"):
            assert b"et-Cookie" not in well.send(request("GET", path))
        for line in well.log.read_text().splitlines()[before:]:
            assert json.loads(line)["level"] != "forged"

    def test_metrics_do_not_grow_with_what_clients_invent(self, well):
        well.send(request("GET", "/warm"))
        before = well.ask("GET", "/metrics").body.count(b"\n")
        for number in range(300):
            well.send(request("GET", f"/invented/{number}"))
            well.send(request("POST", f"/v2/models/digits/versions/v{number}/infer", b"{}"))
            well.send(request("GET", f"/v2/models/digits/versions/v{number}"))
            well.infer(np.zeros((1, 8, 8, 1), np.float32), id=f"name {number}")
        after = well.ask("GET", "/metrics").body
        assert b"invented" not in after
        assert b"v299" not in after
        assert after.count(b"\n") - before < 200  # a few routes and statuses that were not seen before


class TestUnderLoad:
    """70 and 71."""

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
    def test_a_server_that_stops_answers_all_that_it_took(self, bundles, tmp_path, number):
        with serving(tmp_path / "home", bundles[0]) as server:
            clients = [Client(server.port, bundles) for _ in range(8)]
            until(lambda: all(client.right > 20 for client in clients), "load")
            for without_meaning in (signal.SIGUSR1, signal.SIGUSR2):
                server.process.send_signal(without_meaning)
            until(lambda: server.log.read_text().count("was ignored") == 2, "the signals")

            assert server.stop(number) == 0
            lines = [line for line in server.log.read_text().splitlines() if not line.startswith(" serving ")]
            assert all(isinstance(json.loads(line), dict) for line in lines)

            for client in clients:
                client.join()
            assert [client.fault for client in clients] == [None] * 8

    def test_no_answer_is_mixed_while_models_are_swapped(self, bundles, tmp_path):
        root = tmp_path / "deployed"
        for bundle in bundles:
            deploy_local(bundle, root)
        digests = [load_bundle(bundle).sha256 for bundle in bundles]
        with serving(tmp_path / "home", root, poll_s=0.05) as server:
            clients = [Client(server.port, bundles) for _ in range(8)]
            for turn in range(10):
                counts = [client.seen.get(digests[turn % 2], 0) for client in clients]
                point_to(root, digests[turn % 2])
                until(
                    lambda counts=counts, digest=digests[turn % 2]: all(
                        client.fault or client.seen.get(digest, 0) > count
                        for client, count in zip(clients, counts, strict=True)
                    ),
                    "a swap",
                )
            for client in clients:
                client.is_ending = True
                client.join()
            assert [client.fault for client in clients] == [None] * 8
            assert server.is_well()


class Client(threading.Thread):
    """Asks one request after the other on one connection, and compares each reply with the truth of its model."""

    def __init__(self, port: int, bundles: list[Path]) -> None:
        super().__init__()
        self._port, self.right, self.fault, self.is_ending = port, 0, None, False
        self._x = np.asarray(fabricate.digits().test.arrays(40)[0] * 16, np.float32)
        self._truth = {
            load_bundle(bundle).sha256: BundleRunner(bundle).predict(self._x)["scores"] for bundle in bundles
        }
        self.seen: dict[str, int] = {}
        self.start()

    def run(self) -> None:
        try:
            while not self.is_ending and self._connection():
                pass
        except (OSError, AssertionError, ValueError) as error:
            self.fault = f"{error!r} after {self.right}"

    def _connection(self) -> bool:
        """Use a connection until the server ends it; False if it takes none any more."""
        try:
            connection = socket.create_connection(("127.0.0.1", self._port), timeout=20)
        except ConnectionRefusedError:
            return False
        asked, answered_at = 0, time.monotonic()
        with connection:
            while not self.is_ending:
                row, asked_at = self.right % len(self._x), time.monotonic()
                try:
                    connection.sendall(scoring({"inputs": self._x[row : row + 1].tolist()}))
                    reply = received(connection)
                except ConnectionError:
                    if asked and asked_at - answered_at < LAME_DUCK_S / 2:
                        raise
                    return False  # only the kernel had the connection, or it was silent longer than the server waits
                asked, answered_at = asked + 1, time.monotonic()
                assert status_of(reply) == 200, f"reply {self.right}: {reply[:200]!r}"
                head, _, body = reply.partition(b"\r\n\r\n")
                digest = head.lower().split(b"x-model-sha256: ")[1][:64].decode()
                scores = np.asarray(json.loads(body)["predictions"]["scores"][0], np.float32)
                assert np.array_equal(scores, self._truth[digest][row]), f"reply {self.right} is another's"
                self.right += 1
                self.seen[digest] = self.seen.get(digest, 0) + 1
                if b"connection: close" in head.lower():
                    break
        return True
