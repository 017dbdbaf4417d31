"""`qatflow deploy`: a bundle from whichever command to each target."""

from pathlib import Path

import pytest

from qatflow.adapters.targets import TARGETS
from qatflow.deploy.archive import read_archive, verify
from qatflow.deploy.local import current
from qatflow.deploy.signing import make_keys
from qatflow.release.bundle import load_bundle
from tests.unit.cli.commands import fail, run
from tests.unit.release.fabricate import bundle


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle, and an empty current folder that is no project."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return bundle(tmp_path)


def test_c_sources_carry_the_given_name(made: Path) -> None:
    said = run("deploy", str(made), "--target", "micro", "--to", "mcu", "--name", "wand")

    assert said.startswith(" micro  mcu/current")
    assert sorted(path.name for path in Path("mcu/current").glob("*.h")) == ["wand_golden.h", "wand_model.h"]


def test_an_archive_can_be_signed(made: Path) -> None:
    make_keys(Path("key"))

    run("deploy", str(made), "--target", "archive", "--to", "out", "--name", "wand", "--key", "key")

    (archive,) = Path("out").glob("wand*")
    sha256, signed_by = verify(read_archive(archive))
    assert (sha256, bool(signed_by)) == (load_bundle(made).sha256, True)


def test_a_folder_is_a_deploy_root(made: Path) -> None:
    run("deploy", str(made), "--target", "local", "--to", "root")

    assert load_bundle(current(Path("root"))).sha256 == load_bundle(made).sha256


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--target", "mikro", "--to", "x"), "Unknown deploy target 'mikro'"),
        (("--target", "http", "--to", "somewhere"), "'somewhere' is no address of a server"),
    ],
)
def test_mistakes_are_named(made: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], says: str) -> None:
    assert says in fail(monkeypatch, "deploy", str(made), *words)
    assert "nowhere is no bundle" in fail(monkeypatch, "deploy", "nowhere", "--target", "local", "--to", "x")
    assert not Path("x").exists()


def test_the_place_of_a_projects_champion_is_left_to_promote(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("dvc.yaml").write_text("stages: {}\n")
    Path("params.yaml").write_text("{}\n")

    assert "`qatflow promote VERSION`" in fail(
        monkeypatch, "deploy", str(made), "--target", "local", "--to", "deployed"
    )
    assert not Path("deployed").exists()


def test_the_help_names_every_target() -> None:
    said = run("deploy", "--help")

    assert all(name in said for name in TARGETS)
