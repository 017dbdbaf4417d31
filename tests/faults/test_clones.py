"""Clones on one registry that promote at the same moment: MLflow on SQLite, its server on SQLite and on PostgreSQL."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from qatflow.release.log import PromotionLog
from qatflow.release.promote import champion
from tests.faults.promoter import open_registry, race
from tests.faults.test_promotions import processes, register
from tests.unit.adapters.test_mlflow_pyfunc import free_port, serving

pytestmark = [pytest.mark.fault, pytest.mark.slow]
CLONES, ROUNDS = 3, 10
__all__ = ["processes"]


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """Run a PostgreSQL server of our own and give its address; skip where there is none."""
    pytest.importorskip("psycopg2", reason="psycopg2-binary of the dev group is not installed")
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs or os.geteuid() != 0 or shutil.which("runuser") is None:
        pytest.skip("needs root and Debian's package postgresql (apt-get install postgresql)")
    folder.mkdir()
    for place in (folder, *folder.parents):
        if place.stat().st_uid == 0 and len(place.parts) > 2:
            place.chmod(place.stat().st_mode | 0o011)
    shutil.chown(folder, "postgres", "postgres")
    port, data = free_port(), str(folder / "data")

    def as_postgres(program: str, *arguments: str) -> None:
        command = ["runuser", "-u", "postgres", "--", str(programs[-1] / program), *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd=folder)

    as_postgres("initdb", "-D", data, "-A", "trust", "-U", "postgres", "--no-sync")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    as_postgres("pg_ctl", "-D", data, "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    finally:
        as_postgres("pg_ctl", "-D", data, "-w", "-t", "120", "-m", "fast", "stop")


@contextmanager
def server(store: str, folder: Path) -> Iterator[str]:
    """Run MLflow's server with two workers over a database."""
    arguments = ["server", "--backend-store-uri", store, "--artifacts-destination", str(folder / "files")]
    with serving([*arguments, "--workers", "2"], "/health") as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(params=["sqlite", "server on sqlite", "server on postgresql"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/mlflow.db"
    elif request.param == "server on sqlite":
        with server(f"sqlite:///{tmp_path}/server.db", tmp_path) as uri:
            yield uri
    else:
        with postgresql(tmp_path / "postgresql") as store, server(store, tmp_path) as uri:
            yield uri


def test_in_each_of_many_races_of_clones_exactly_one_wins(shared: str, tmp_path: Path, processes: ProcessPoolExecutor):
    register(open_registry(tmp_path, shared), tmp_path, CLONES + 1)

    racing = [processes.submit(race, tmp_path, clone, CLONES, shared, ROUNDS) for clone in range(CLONES)]

    winners = []
    for outcomes in zip(*(done.result() for done in racing), strict=True):
        won = [version for version, outcome in outcomes if outcome == "won"]
        assert len(won) == 1
        assert all("another promotion came first" in outcome for _, outcome in outcomes if outcome != "won")
        winners += won
    registry = open_registry(tmp_path, shared)
    logs = [PromotionLog(tmp_path / f"clone{clone}", "digits") for clone in range(CLONES)]
    assert {champion(registry, log) for log in logs} == {winners[-1]} == {registry.aliases()["champion"]}
    assert [entry.version for entry in logs[0].read()] == winners
    assert len({log.path.read_bytes() for log in logs}) == 1
