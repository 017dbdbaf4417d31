"""What a release is held to besides its code: licence, version, changelog, and hooks that are the checks of CI."""

import re
import tomllib
import zipfile
from pathlib import Path

from hatchling.builders.wheel import WheelBuilder
from ruamel.yaml import YAML

import qatflow

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_one_version_everywhere():
    releases = re.findall(r"^## \[?v?(\d+\.\d+\.\d+)\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert qatflow.__version__ == PROJECT["version"]
    assert releases[:1] in ([], [PROJECT["version"]])  # none was made yet, or the newest is this one


def test_releases_have_dates_and_the_newest_comes_first():
    headings = [line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## ")]
    dates = [found[1] for line in headings if (found := re.search(r"(\d{4}-\d\d-\d\d)$", line))]

    assert len(dates) == len([line for line in headings if "Unreleased" not in line])
    assert dates == sorted(dates, reverse=True)


def test_the_wheel_holds_the_licence_that_its_metadata_name(tmp_path):
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])

    with zipfile.ZipFile(wheel) as archive:
        (place,) = [name for name in archive.namelist() if name.endswith(".dist-info/licenses/LICENSE")]
        (facts,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        assert archive.read(place) == (ROOT / "LICENSE").read_bytes()
        assert f"License-Expression: {PROJECT['license']}" in archive.read(facts).decode()
    assert "Apache License" in (ROOT / "LICENSE").read_text()


def test_the_hooks_before_a_commit_are_what_lint_runs():
    rule = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    held = YAML(typ="safe", pure=True).load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repo in held["repos"] for hook in repo["hooks"]]

    assert [repo["repo"] for repo in held["repos"]] == ["local"]
    assert rule is not None
    commands = [line.strip().replace("$(BIN)", ".venv/bin") for line in rule[1].splitlines()]
    assert [hook["entry"] for hook in hooks] == commands
