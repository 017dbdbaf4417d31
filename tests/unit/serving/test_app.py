import asyncio
import gzip
import itertools
import json
import logging
import zlib

import pytest

from tests.unit.serving.asgi import TOKEN, Asked, images, question

PATH = "/v2/models/digits/infer"
PATHS = ["/v2", "/v2/health/live", "/v2/models/digits", PATH, "/invocations", "/ping", "/metrics", "/v2/rollout", "/x"]


@pytest.fixture
def locked(bundle):
    return Asked(bundle, tokens=(TOKEN, "another-token-of-some-length"))


@pytest.mark.parametrize("path", [*PATHS, "/v2/bundle", "/v2/feedback", "/v2/models/digits/versions/1"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_no_route_answers_without_a_token(locked, path, method):
    for wrong in ("", "Bearer", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", TOKEN):
        reply = locked(method, path, authorization=wrong)
        assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")


def test_each_token_opens(locked):
    for token in (TOKEN, "another-token-of-some-length"):
        assert locked("GET", "/ping", authorization=f"bearer {token}").status == 200


@pytest.mark.parametrize(
    "path", ["/", "/v3", "//v2", "/v2/", "/v2/models/other", "/v2/models/digits/../x", "/v2/models"]
)
def test_unknown_paths_are_404_and_one_label(server, path):
    assert server("GET", path).status == 404
    assert 'http_route="unknown"' in server("GET", "/metrics").body.decode()


def test_what_an_unknown_path_points_to_names_the_model(server):
    assert "/v2 lists what this server speaks" in server("GET", "/v2/models/other").json["error"]
    assert {"/v2/models/digits/infer", "/invocations", "/metrics"} <= set(server("GET", "/v2").json["paths"])


def test_a_wrong_method_says_what_is_allowed(server):
    assert server("DELETE", "/ping").headers["allow"] == "GET, HEAD"
    assert server("GET", PATH).headers["allow"] == "POST"


class TestBody:
    def test_too_long_by_its_own_word(self, server):
        assert server("POST", PATH, b"", content_length="5000").status == 413

    def test_too_long_in_truth(self, server):
        assert server("POST", PATH, bytes(5000)).status == 413
        assert server("POST", PATH, chunks=[bytes(3000), bytes(3000)]).status == 413

    @pytest.mark.parametrize("compress", [gzip.compress, zlib.compress])
    def test_compressed(self, server, compress):
        encoding = "gzip" if compress is gzip.compress else "deflate"
        body = compress(json.dumps(question(images())).encode())
        assert server("POST", PATH, body, content_encoding=encoding).status == 200
        assert server("POST", PATH, body[:-9], content_encoding=encoding).status == 400
        assert server("POST", PATH, b"x" + body, content_encoding=encoding).status == 400
        assert server("POST", PATH, body, content_encoding="br").status == 415

    def test_gzip_of_several_members(self, server):
        body = json.dumps(question(images())).encode()
        pieces = [gzip.compress(body[start : start + 50]) for start in range(0, len(body), 50)]
        assert len(pieces) > 2
        assert server("POST", PATH, b"".join(pieces), content_encoding="gzip").status == 200
        assert server("POST", PATH, b"".join(pieces)[:-3], content_encoding="gzip").status == 400
        assert (
            server("POST", PATH, gzip.compress(b"") * 65 + gzip.compress(body), content_encoding="gzip").status == 400
        )
        assert server("POST", PATH, gzip.compress(bytes(3000)) * 2, content_encoding="gzip").status == 413

    @pytest.mark.parametrize("rest", [b"junk", b"\0", zlib.compress(b"{}"), b"\x1f\x8b"])
    def test_what_follows_a_compressed_body_is_refused(self, server, rest):
        body = json.dumps(question(images())).encode()
        assert server("POST", PATH, gzip.compress(body) + rest, content_encoding="gzip").status == 400
        assert server("POST", PATH, zlib.compress(body) + rest, content_encoding="deflate").status == 400

    def test_a_bomb_is_not_inflated(self, server):
        assert server("POST", PATH, gzip.compress(bytes(50_000_000)), content_encoding="gzip").status == 413

    def test_in_pieces(self, server):
        body = json.dumps(question(images())).encode()
        assert server("POST", PATH, chunks=[body[:6], body[6:20], body[20:]]).status == 200

    def test_late(self, server):
        assert server("POST", PATH, chunks=[b"{", "late"]).status == 408

    def test_client_gone(self, server):
        assert server("POST", PATH, chunks=[b"{", None]).status == 0


def test_an_unforeseen_error_shows_nothing(server, monkeypatch, caplog):
    monkeypatch.setattr(server.inference, "respond", None)
    with caplog.at_level(logging.ERROR):
        reply = server.infer(images())
    assert reply.json == {"error": "the server failed on this request; its log says why"}
    assert reply.status == 500
    assert "NoneType" in caplog.text


def test_a_large_request_leaves_the_event_loop(server):
    server.model.sample_s = 1.0
    assert server.infer(images(2)).json["outputs"] == Asked(server.bundle).infer(images(2)).json["outputs"]


def test_answers_keep_apart_under_many_at_once(server):
    server.model.sample_s = 1.0  # each in a thread of the pool
    x = images(8)
    alone = [server.infer(x[i : i + 1]).json["outputs"] for i in range(8)]

    async def together():
        asks = [server.ask("POST", PATH, question(x[i % 8 : i % 8 + 1])) for i in range(200)]
        return await asyncio.gather(*asks)

    assert all(reply.json["outputs"] == alone[i % 8] for i, reply in enumerate(asyncio.run(together())))


def test_requests_are_recorded(server):
    x = images(2)
    reply = server.infer(x)
    (call,) = server.recorded.calls
    assert call["x"].tolist() == x.tolist()
    assert call["scores"].shape == (2, 10)
    assert (call["request_id"], call["model_sha256"]) == (reply.headers["x-request-id"], server.model.sha256)
    assert call["latency_s"] > 0


def test_ids_cannot_be_guessed_from_others(server):
    ids = [server.infer(images()).headers["x-request-id"] for _ in range(20)]
    numbers = sorted(int(name.rpartition("-")[2], 16) for name in ids)
    assert len(set(ids)) == 20
    assert min(b - a for a, b in itertools.pairwise(numbers)) > 1 << 32


def test_a_page_in_a_browser_gives_no_labels(bundle):
    server = Asked(bundle, feedback=lambda pairs: {"accepted": len(pairs)})
    body = {"labels": [{"id": "a-1", "label": "3"}]}
    assert server("POST", "/v2/feedback", body, host="localhost", origin="http://evil.example").status == 403
    assert server("POST", "/v2/feedback", body, host="evil.example").status == 403
    assert server("POST", "/v2/feedback", body, host="localhost", content_type="text/plain").status == 415
    assert server("POST", "/v2/feedback", body, host="localhost", content_type="application/json").status == 200


def test_readiness_ends_with_the_drain(server):
    assert server("GET", "/v2/health/ready").json == {"ready": True}
    server.routes.is_ready, server.app.is_draining = (lambda: False), True
    ready = server("GET", "/v2/health/ready")
    assert (ready.status, ready.headers["connection"]) == (503, "close")
    assert server("GET", "/ping").status == 503
    assert server("GET", "/v2/health/live").status == 200


class TestFeedback:
    def test_labels_are_passed_on(self, bundle):
        server = Asked(bundle, feedback=lambda pairs: {"accepted": len(pairs)})
        body = {"labels": [{"id": "a-1", "label": "3"}]}
        assert server("POST", "/v2/feedback", body).json == {"accepted": 1}

    @pytest.mark.parametrize("body", [b"", {}, {"labels": 1}, {"labels": [{"id": 1, "label": "x"}]}, {"labels": [{}]}])
    def test_other_bodies_are_refused(self, bundle, body):
        assert Asked(bundle, feedback=dict)("POST", "/v2/feedback", body).status == 400

    def test_without_records(self, server):
        assert server("POST", "/v2/feedback", {"labels": []}).status == 409


def test_the_bundle_cannot_be_changed_without_leave(server):
    assert server("PUT", "/v2/bundle", b"x").status == 403


def test_metrics_count_what_was_done(server):
    server.infer(images(3))
    server.infer(images(), shape=[2])
    text = server("GET", "/metrics").body.decode()
    version = server.model.version
    assert f'qatflow_inference_count_total{{version="{version}"}} 3.0' in text
    assert f'qatflow_inference_request_failure_total{{reason="refused",version="{version}"}} 1.0' in text
    assert 'http_response_status_code="400"' in text
    assert "http_server_active_requests 1.0" in text
