"""A real Prometheus scrapes a real server, with its token, and can be asked for what it found."""

import json
import os
import shutil
import signal
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.serving.running import serving, until
from tests.unit.release import fabricate

pytestmark = pytest.mark.slow
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "qatflow-tests"


@pytest.fixture(scope="module")
def prometheus() -> Path:
    """Return Debian's Prometheus: installed, or fetched and unpacked once without installing it."""
    found = shutil.which("prometheus") or CACHE / "prometheus" / "usr" / "bin" / "prometheus"
    if not Path(found).exists():
        if not shutil.which("apt-get") or not shutil.which("dpkg"):
            pytest.skip("there is no prometheus here, and no apt-get to fetch it")
        CACHE.mkdir(parents=True, exist_ok=True)
        command = "apt-get -qq download prometheus && dpkg -x prometheus_*.deb prometheus && rm prometheus_*.deb"
        done = subprocess.run(
            ["sh", "-c", command], cwd=CACHE, capture_output=True, text=True, timeout=120, check=False
        )
        if done.returncode:
            pytest.skip(f"Debian's prometheus cannot be fetched here: {done.stderr.strip().splitlines()[-1:]}")
    return Path(found)


def test_prometheus_scrapes_and_answers_queries(prometheus: Path, tmp_path: Path) -> None:
    x = np.asarray(fabricate.digits().test.arrays(5)[0] * 16, np.float32)
    with serving(tmp_path / "home", fabricate.bundle(tmp_path)) as server:
        sha256 = server.infer(x).headers["x-model-sha256"]
        assert server.infer(x[:, :4]).status == 400
        server.ask("GET", "/no/such/path")
        port = _free_port()
        config = {
            "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms"},
            "scrape_configs": [
                {
                    "job_name": "qatflow",
                    "static_configs": [{"targets": [f"127.0.0.1:{server.port}"]}],
                    "authorization": {"credentials_file": str(server.home / "tokens")},
                }
            ],
        }
        (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
        with (tmp_path / "prometheus.log").open("wb") as log:
            process = subprocess.Popen(
                [
                    *(
                        prometheus,
                        f"--config.file={tmp_path / 'prometheus.yml'}",
                        f"--storage.tsdb.path={tmp_path}/tsdb",
                    ),
                    f"--web.listen-address=127.0.0.1:{port}",
                ],
                stdout=log,
                stderr=log,
            )
        try:
            until(lambda: process.poll() is not None or _value(port, "up") == 1, "a scrape")
            until(lambda: _value(port, "qatflow_inference_count_total") == 5, "all samples counted")
            infer = 'http_route=~".*infer"'
            for query, expected in {
                f'http_server_request_duration_seconds_count{{{infer},http_response_status_code="200"}}': 1,
                f'http_server_request_duration_seconds_count{{{infer},http_response_status_code="400"}}': 1,
                'http_server_request_duration_seconds_count{http_route="unknown"}': 1,
                'sum(qatflow_inference_request_failure_total{reason="refused"})': 1,
                f'qatflow_model_info{{sha256="{sha256}"}}': 1,
                'count(http_server_request_duration_seconds_bucket{http_route=~".*infer",le="0.0001"})': 2,
            }.items():
                assert _value(port, query) == expected, query
            quantile = _value(
                port, "histogram_quantile(0.5, sum by (le) (http_server_request_duration_seconds_bucket))"
            )
            assert quantile is not None
            assert 0 < quantile < 1
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def _value(port: int, query: str) -> float | None:
    """Return the value of the one series that a query finds; None without any."""
    url = f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": query})
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            found: list[Any] = json.loads(reply.read())["data"]["result"]
    except (urllib.error.URLError, ConnectionError):
        return None
    return float(found[0]["value"][1]) if len(found) == 1 else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
