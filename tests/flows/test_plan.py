"""What the schedule says it will do, without a server."""

from datetime import timedelta
from pathlib import Path

import pytest
from prefect.settings import PREFECT_SERVER_DATABASE_CONNECTION_URL, temporary_settings

from qatflow.errors import StageError
from qatflow.params.flow import FlowParams
from qatflow.params.release import ReleaseParams
from qatflow.params.root import Params
from qatflow.pipeline.monitor import deployment_name, resource
from qatflow.pipeline.schedules import next_run, plan
from qatflow.pipeline.server import database_of


def test_the_next_run_is_in_the_schedules_own_zone_also_where_clocks_change() -> None:
    for zone in ("UTC", "Europe/Berlin", "Asia/Kolkata", "America/New_York"):
        when = next_run(FlowParams(cron="30 2 * * *", timezone=zone))

        assert (when.hour, when.minute, str(when.tzinfo)) == (2, 30, zone)
        assert timedelta(0) < when - when.now(when.tzinfo) <= timedelta(hours=49)


def test_the_terminal_says_when_in_which_zone_and_where_to_look() -> None:
    said = "\n".join(plan(FlowParams(cron="0 2 * * *", timezone="Europe/Berlin"), "http://127.0.0.1:4311/api"))

    assert "02:00 Europe/Berlin; flow.cron '0 2 * * *'" in said
    assert said.endswith("http://127.0.0.1:4311")


def test_a_cron_that_is_none_is_named() -> None:
    with pytest.raises(StageError, match=r"flow\.cron 'every night' is no schedule"):
        next_run(FlowParams(cron="every night"))


def test_two_projects_on_one_server_have_names_of_their_own(tmp_path) -> None:
    names = {deployment_name(tmp_path / "a", Params(release=ReleaseParams(name=name))) for name in ("wand", "patients")}
    names.add(deployment_name(tmp_path / "another clone", Params(release=ReleaseParams(name="wand"))))

    assert len(names) == 3
    assert resource(tmp_path, Params()) == f"qatflow.project.{deployment_name(tmp_path, Params())}"


def test_a_server_of_schedules_keeps_its_runs_in_the_project_unless_a_database_is_set(tmp_path: Path) -> None:
    assert list(database_of(tmp_path).values()) == ["sqlite+aiosqlite:///.qatflow/prefect.db"]
    assert (tmp_path / ".qatflow").is_dir()

    with temporary_settings({PREFECT_SERVER_DATABASE_CONNECTION_URL: "sqlite+aiosqlite:////elsewhere.db"}):
        assert database_of(tmp_path) == {}
