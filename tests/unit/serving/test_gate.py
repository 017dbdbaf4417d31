import os

import pytest

from qatflow.errors import ServingError
from qatflow.serving.gate import Gate, check_exposure, read_tokens
from qatflow.serving.replies import RefusalError


def written(tmp_path, content, mode=0o600):
    path = tmp_path / "token"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_several_tokens_can_count(tmp_path):
    path = written(tmp_path, b"a-token-of-some-length\nanother-token-of-length\n")
    assert read_tokens(path) == ("a-token-of-some-length", "another-token-of-length")


@pytest.mark.parametrize(
    ("content", "mode", "says"),
    [
        (b"a-token-of-some-length", 0o644, "chmod 600"),
        (b"a-token-of-some-length", 0o660, "chmod 600"),
        (b"", 0o600, "at least 16 characters"),
        (b"short", 0o600, "at least 16 characters"),
        (b"\xff" * 20, 0o600, "Cannot read"),
    ],
)
def test_a_file_that_is_unfit_is_named(tmp_path, content, mode, says):
    with pytest.raises(ServingError, match=says):
        read_tokens(written(tmp_path, content, mode))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ServingError, match="No such file"):
        read_tokens(tmp_path / "none")


def test_other_machines_need_a_token():
    check_exposure("127.0.0.1", Gate())
    check_exposure("0.0.0.0", Gate(("a-token-of-some-length",)))  # noqa: S104
    with pytest.raises(ServingError, match="--token-file"):
        check_exposure("0.0.0.0", Gate())  # noqa: S104


def test_a_fifo_for_a_file_of_tokens_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "token", 0o600)
    with pytest.raises(ServingError, match="no regular file"):
        read_tokens(tmp_path / "token")


HOME = ["127.0.0.1", "localhost:8080", "LOCALHOST", "[::1]:80", "127.1.2.3", "a.localhost", "localhost."]
ABROAD = [
    *("evil.example", "evil.example:8080", "localhost.evil.example", "192.168.1.2", "127.0.0.1.evil.example", ""),
    *("localhost@evil.example", "2130706433", "[::ffff:8.8.8.8]", "evil.example, localhost", "10.0.0.1"),
]
PAGES = ["http://evil.example", "null", "http://localhost:3000", "http://localhost", "", "localhost:8080"]
UNASKED = ["text/plain", "Text/Plain;charset=UTF-8", "application/x-www-form-urlencoded", "multipart/form-data; x"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        *({"host": host} for host in HOME),
        {"host": "localhost:8080", "origin": "http://localhost:8080", "sec-fetch-site": "same-origin"},
        {"host": "localhost", "content-type": "application/json; charset=utf-8"},
        {"host": "localhost", "content-type": "application/octet-stream"},
        {"host": "localhost", "sec-fetch-site": "none"},
    ],
)
def test_without_a_token_programs_on_this_machine_are_let_in(headers):
    Gate().check(raw(headers))


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        *((403, {"host": host}) for host in ABROAD),
        *((403, {"host": "localhost:8080", "origin": origin}) for origin in PAGES),
        (403, {"origin": "http://localhost"}),
        *((403, {"host": "localhost", "sec-fetch-site": site}) for site in ("cross-site", "same-site", "")),
        *((415, {"host": "localhost", "content-type": kind}) for kind in UNASKED),
    ],
)
def test_without_a_token_pages_in_a_browser_are_not(status, headers):
    with pytest.raises(RefusalError) as refused:
        Gate().check(raw(headers))
    assert refused.value.status == status


def test_with_a_token_names_are_the_business_of_who_has_it():
    Gate(("a-token-of-some-length",)).check(
        raw(
            {
                "host": "models.example",
                "authorization": "Bearer a-token-of-some-length",
                "origin": "https://any.example",
            }
        )
    )


def raw(headers):
    return {name.encode(): value.encode() for name, value in headers.items()}
