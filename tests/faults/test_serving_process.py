"""What machines do to a server: no disk, no memory, no descriptors, kill -9, a second server, files cut under it.

The numbers are those of the list of faults in the research on serving.
"""

import json
import resource
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import numpy as np
import psutil
import pytest

from qatflow.artifacts import write_json
from qatflow.deploy.archive import pack
from qatflow.deploy.local import CURRENT, deploy_local, point_to
from qatflow.release.bundle import MODEL, load_bundle
from qatflow.release.bundle_runtime import BundleRunner
from tests.serving.running import Reply, Running, serving, until
from tests.unit.release import fabricate

pytestmark = [pytest.mark.slow, pytest.mark.fault]
UNSHARE = ["unshare", "--user", "--map-root-user", "--mount"]


def _can_mount() -> bool:
    trial = [*UNSHARE, "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/mnt"]
    return (
        shutil.which("unshare") is not None and not subprocess.run(trial, capture_output=True, check=False).returncode
    )


needs_mounts = pytest.mark.skipif(not _can_mount(), reason="needs user namespaces to mount a small disk")


def mounted(options: str, place: str) -> list[str]:
    """Words before a command that let it see a small disk at a place."""
    return [*UNSHARE, "sh", "-c", f'mount -t tmpfs -o {options} tmpfs {place} && exec "$@"', "sh"]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("bundles")
    return [fabricate.bundle(folder / name, fabricate.flatbuffer(name)) for name in ("int8", "int4")]


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return np.asarray(fabricate.digits().test.arrays(8)[0] * 16, np.float32)


@pytest.fixture
def root(bundles: list[Path], tmp_path: Path) -> Path:
    """A deploy root that holds both bundles and points to the first."""
    for bundle in reversed(bundles):
        deploy_local(bundle, tmp_path / "deployed")
    return tmp_path / "deployed"


def is_true(reply: Reply, bundle: Path, x: np.ndarray) -> bool:
    """The reply is of this bundle, and right."""
    assert reply.status == 200, reply
    named = reply.headers["x-model-sha256"] == load_bundle(bundle).sha256
    scores = np.asarray(reply.content["outputs"][0]["data"], np.float32).reshape(len(x), -1)
    return named and np.array_equal(scores, BundleRunner(bundle).predict(x)["scores"])


def figure(server: Running, name: str) -> float:
    """The value of a metric without labels."""
    lines = server.ask("GET", "/metrics").body.decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(name + " "))


class TestRecords:
    """74: the records' disk is full, or cannot be written; the answers do not suffer."""

    @needs_mounts
    @pytest.mark.parametrize("options", ["size=64k", "size=1m,ro"])
    def test_no_disk_for_records(self, bundles, x, tmp_path, options):
        home = tmp_path / "home"
        (home / "records").mkdir(parents=True)
        with serving(home, bundles[0], prefix=mounted(options, "records"), monitoring={"path": "records"}) as server:
            asked = 0
            while figure(server, "qatflow_records_failed") == 0:
                assert is_true(server.infer(x), bundles[0], x)
                asked += 1
                assert asked < 5000
            assert is_true(server.infer(x), bundles[0], x)
            assert figure(server, "qatflow_records_recording") == 0

            label = json.dumps({"labels": [{"id": "a-1", "label": "3"}]}).encode()
            reply = server.ask("POST", "/v2/feedback", label)
            assert reply.status == 503, reply
            assert "later" in reply.content["error"]

            assert server.is_well()
            assert server.stop() == 0
            assert "Traceback" not in server.log.read_text()
            assert server.log.read_text().count("No space left" if "ro" not in options else "ead-only") <= 2


class TestDeployRoot:
    """78, 79, 81."""

    @needs_mounts
    def test_a_root_that_cannot_be_written(self, root, bundles, x, tmp_path):
        """It is served; a bundle that is uploaded is refused, and nothing changes."""
        prefix = [*UNSHARE, "sh", "-c", f'mount --bind -o ro {root} {root} && exec "$@"', "sh"]
        with serving(tmp_path / "home", root, prefix=prefix) as server:
            reply = server.ask("PUT", "/v2/bundle", pack(bundles[1], None))

            assert reply.status in {409, 422, 503}
            assert str(root) not in reply.body.decode()
            assert is_true(server.infer(x), bundles[0], x)

    def test_two_servers_on_one_root_and_one_folder_of_records(self, root, bundles, x, tmp_path):
        """Both answer, or the second says that the records are another's; the first is not disturbed."""
        with serving(tmp_path / "home", root) as first:
            with serving(tmp_path / "second", root, poll_s=0.05) as second:
                point_to(root, load_bundle(bundles[1]).sha256)
                until(
                    lambda: is_true(first.infer(x), bundles[1], x) and is_true(second.infer(x), bundles[1], x), "swaps"
                )
            with pytest.raises(RuntimeError, match="another"), serving(tmp_path / "home", root):
                pass
            assert is_true(first.infer(x), bundles[1], x)
            assert first.is_well()

    def test_locks_and_leftovers_of_a_dead_process(self, root, bundles, x, tmp_path):
        (root / ".lock").write_text("4711")
        (root / f".{CURRENT}.tmp").symlink_to("versions/nowhere")
        leftover = root / "versions" / ".0123456789abcdef.tmp"
        leftover.mkdir()
        (leftover / MODEL).write_bytes(b"half")
        with serving(tmp_path / "home", root, poll_s=0.05) as server:
            assert is_true(server.infer(x), bundles[0], x)
            assert server.ask("PUT", "/v2/bundle", pack(bundles[1], None)).status == 200
            assert is_true(server.infer(x), bundles[1], x)

    def test_a_pointer_that_breaks_while_it_serves(self, root, bundles, x, tmp_path):
        pointer, digests = root / CURRENT, [load_bundle(bundle).sha256[:16] for bundle in bundles]
        (root / "versions" / "eeeeeeeeeeeeeeee").mkdir()
        damages = {
            "gone": lambda: None,
            "nowhere": lambda: pointer.symlink_to("versions/ffffffffffffffff"),
            "file": lambda: pointer.write_text("no folder"),
            "empty": lambda: pointer.symlink_to("versions/eeeeeeeeeeeeeeee"),
            "itself": lambda: pointer.symlink_to(CURRENT),
        }
        with serving(tmp_path / "home", root, poll_s=0.05) as server:
            for turn, damage in enumerate(damages.values()):
                pointer.unlink()
                damage()
                until(lambda: server.ask("GET", "/v2/rollout").content["refused"], "a refusal")

                assert is_true(server.infer(x), bundles[turn % 2], x)
                pointer.unlink(missing_ok=True)
                pointer.symlink_to(f"versions/{digests[(turn + 1) % 2]}")
                until(lambda turn=turn: is_true(server.infer(x), bundles[(turn + 1) % 2], x), "the next swap")
                assert server.ask("GET", "/v2/rollout").content["refused"] is None

    def test_a_rollout_file_that_is_none(self, root, bundles, x, tmp_path):
        contents = (b"", b"{", b"null", b"[" * 99_999, b'{"challenger": "../../etc"}', b"\xff" * 64)
        with serving(tmp_path / "home", root, poll_s=0.05) as server:
            for content in contents:
                (root / "rollout.json").write_bytes(content)
                until(lambda: server.ask("GET", "/v2/rollout").content["refused"], "a refusal")
                assert is_true(server.infer(x), bundles[0], x)
                (root / "rollout.json").unlink()
                until(lambda: not server.ask("GET", "/v2/rollout").content["refused"], "its end")
            point_to(root, load_bundle(bundles[1]).sha256)
            until(lambda: is_true(server.infer(x), bundles[1], x), "a swap")

    def test_a_bundle_that_is_cut_under_the_server(self, root, bundles, x, tmp_path):
        """38: a mapped file that shrinks kills a process; ours are read."""
        with serving(tmp_path / "home", root, poll_s=0.05) as server:
            for bundle in bundles:
                (root / "versions" / load_bundle(bundle).sha256[:16] / MODEL).write_bytes(b"")
            assert is_true(server.infer(x), bundles[0], x)
            (root / CURRENT).unlink()
            (root / CURRENT).symlink_to(f"versions/{load_bundle(bundles[1]).sha256[:16]}")
            until(lambda: server.ask("GET", "/v2/rollout").content["refused"], "a refusal")
            assert is_true(server.infer(x), bundles[0], x)
            assert server.is_well()

    def test_another_signature_is_refused(self, root, bundles, x, tmp_path):
        """32: clients of a running server rely on its labels and shapes."""
        other = shutil.copytree(bundles[1], tmp_path / "other")
        manifest = json.loads((other / "manifest.json").read_text())
        manifest["labels"] = list(reversed(manifest["labels"]))
        write_json(other / "manifest.json", manifest)
        with serving(tmp_path / "home", root, poll_s=0.05) as server:
            shutil.rmtree(root / "versions" / load_bundle(bundles[1]).sha256[:16])
            deploy_local(other, root)
            until(lambda: server.ask("GET", "/v2/rollout").content["refused"], "a refusal")
            assert is_true(server.infer(x), bundles[0], x)


class TestKill:
    """75."""

    def test_kill_9_in_the_middle_of_swaps(self, root, bundles, x, tmp_path):
        """What is started again serves what the pointer names, whole, and records go on."""
        digests = [load_bundle(bundle).sha256 for bundle in bundles]
        for turn, asked in enumerate((0, 3, 40)):
            with serving(tmp_path / "home", root, poll_s=0.05) as server:
                assert is_true(server.infer(x), bundles[turn % 2], x)
                point_to(root, digests[(turn + 1) % 2])
                for _ in range(asked):
                    server.infer(x)
                assert server.stop(signal.SIGKILL) == -signal.SIGKILL
        with serving(tmp_path / "home", root) as server:
            assert is_true(server.infer(x), bundles[1], x)

    def test_kill_9_in_the_middle_of_an_upload(self, root, bundles, x, tmp_path):
        archive = pack(bundles[1], None)
        head = f"PUT /v2/bundle HTTP/1.1\r\nHost: here\r\nContent-Length: {len(archive)}\r\n"
        with serving(tmp_path / "home", root) as server:
            token = (server.home / "tokens").read_text().strip()
            with socket.create_connection(("127.0.0.1", server.port)) as connection:
                connection.sendall(f"{head}Authorization: Bearer {token}\r\n\r\n".encode() + archive)
                server.stop(signal.SIGKILL)
        with serving(tmp_path / "home", root) as server:
            served = server.infer(x)
            live = next(bundle for bundle in bundles if is_true(served, bundle, x))
            assert (root / CURRENT).resolve().name == load_bundle(live).sha256[:16]


class TestLimits:
    """76, 77, 82."""

    def test_no_memory(self, bundles, x, tmp_path):
        """Where a request does not fit, it is refused; the process lives and answers the next."""
        with serving(tmp_path / "home", bundles[0], max_batch=100_000, max_body_bytes=64 << 20) as server:
            size = psutil.Process(server.process.pid).memory_info().vms
            resource.prlimit(server.process.pid, resource.RLIMIT_AS, (size + (24 << 20), resource.RLIM_INFINITY))
            many = np.repeat(x, 10_000, axis=0)
            statuses = {_large(server, many) for _ in range(3)}

            assert statuses <= {0, 200, 503}
            resource.prlimit(server.process.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            assert is_true(server.infer(x), bundles[0], x)
            assert server.is_well()

    def test_no_descriptors(self, bundles, x, tmp_path):
        with serving(tmp_path / "home", bundles[0]) as server:
            used = psutil.Process(server.process.pid).num_fds()
            resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (used + 8, 4096))
            connections = [socket.create_connection(("127.0.0.1", server.port), timeout=5) for _ in range(60)]
            for connection in connections:
                connection.close()
            resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (1024, 4096))
            until(lambda: server.infer(x).status == 200, "an answer")
            assert server.is_well()
            assert len(server.log.read_bytes()) < 100_000

    def test_a_port_that_is_taken(self, bundles, tmp_path):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            with (
                pytest.raises(RuntimeError) as raised,
                serving(tmp_path, bundles[0], "--port", str(other.getsockname()[1])),
            ):
                pass
        assert "Cannot listen on 127.0.0.1 port" in str(raised.value)
        assert "Traceback" not in str(raised.value)

    @pytest.mark.parametrize("host", ["no.such.host.invalid", "0.0.0.1"])
    def test_an_address_that_is_not_ours(self, bundles, tmp_path, host):
        with pytest.raises(RuntimeError) as raised, serving(tmp_path, bundles[0], "--host", host):
            pass
        assert f"Cannot listen on {host}" in str(raised.value)
        assert "Traceback" not in str(raised.value)


def _large(server: Running, x: np.ndarray) -> int:
    """Status of a large binary request; 0 if the server closed the connection."""
    parameters = {"binary_data_size": x.nbytes}
    tensor = {"name": "input", "shape": list(x.shape), "datatype": "FP32", "parameters": parameters}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    length = {"Inference-Header-Content-Length": str(len(head))}
    try:
        return server.ask("POST", "/v2/models/digits/infer", head + x.tobytes(), length).status
    except OSError:
        return 0
