import pytest

from qatflow.errors import ServingError
from qatflow.serving.gate import Gate, check_exposure, read_tokens


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
