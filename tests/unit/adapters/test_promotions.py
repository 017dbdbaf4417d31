"""Promotion and rollback of a project: real registry, real log, real deploy root."""

import shutil
from pathlib import Path

import pytest

from qatflow.adapters import promotions
from qatflow.deploy.local import current
from qatflow.deploy.rollout import name_of, read_rollout
from qatflow.errors import DeployError, PromotionError, TrackingError
from qatflow.params.release import ReleaseParams
from qatflow.params.root import Params
from qatflow.release.bundle import load_bundle
from tests.unit.release import fabricate

pytestmark = pytest.mark.slow
PARAMS = Params(release=ReleaseParams(name="digits"))


@pytest.fixture(scope="module")
def promoted(tmp_path_factory) -> tuple[Path, list[str]]:
    """A project whose second version replaced its first, and the digests of both."""
    root, digests = tmp_path_factory.mktemp("project"), []
    for padding in (0, 4):
        bundle = fabricate.bundle(root / f"made{padding}", fabricate.flatbuffer("int8", padding))
        digests.append(load_bundle(bundle).sha256)
        facts = {"model_sha256": digests[-1], "variant": "ptq_w8a8", "score": "0.9", "latency_us": "1.0"}
        registry = promotions.open_registry(PARAMS, root)
        number = registry.register(registry.log_model(bundle, facts, {}))
        promotions.promote(PARAMS, root, number, number - 1 or None, "a test")
    return root, digests


@pytest.fixture
def project(promoted, tmp_path) -> Path:
    shutil.copytree(promoted[0], tmp_path / "project", symlinks=True)
    return tmp_path / "project"


def deployed(project: Path) -> str:
    return load_bundle(current(project / "deployed")).sha256


def test_a_promotion_names_the_version(project, promoted):
    assert deployed(project) == promoted[1][1]
    assert [name_of(project / "deployed", sha256) for sha256 in promoted[1]] == ["1", "2"]


def test_the_pointer_moves_before_the_registry_is_opened(project, promoted, monkeypatch):
    seen = []
    opened = promotions.open_registry
    monkeypatch.setattr(promotions, "open_registry", lambda *known: [seen.append(deployed(project)), opened(*known)][1])
    assert promotions.rollback(PARAMS, project, "a test").version == 1
    assert seen == [promoted[1][0]] == [deployed(project)]


def test_a_registry_that_does_not_open_leaves_all_as_it_was(project, promoted):
    (project / "mlflow.db").write_bytes(b"no database" * 1000)
    entries = promotions.last_seq(PARAMS, project)
    with pytest.raises(TrackingError):
        promotions.rollback(PARAMS, project, "a test")
    assert deployed(project) == promoted[1][1]
    assert promotions.last_seq(PARAMS, project) == entries


def test_without_a_former_champion_nothing_moves(project, promoted):
    promotions.rollback(PARAMS, project, "a test")
    with pytest.raises(PromotionError, match="Nothing to roll back"):
        promotions.rollback(PARAMS, project, "a test")
    assert deployed(project) == promoted[1][0]


def test_a_former_champion_that_was_removed_is_deployed_again(project, promoted):
    shutil.rmtree(project / "deployed" / "versions" / promoted[1][0][:16])
    promotions.rollback(PARAMS, project, "a test")
    assert deployed(project) == promoted[1][0]


def test_a_challenger_stands_beside_the_champion(project, promoted):
    promotions.rollback(PARAMS, project, "a test")
    promotions.challenge(PARAMS, project, 2, "shadow", 0.25)
    rollout = read_rollout(project / "deployed")
    assert (rollout.challenger, rollout.mode, rollout.share) == (promoted[1][1][:16], "shadow", 0.25)
    assert deployed(project) == promoted[1][0]
    with pytest.raises(PromotionError, match=r"Version 2 of digits was withdrawn: .* rolled it back"):
        promotions.challenge(PARAMS, project, 2, "canary", 0.25)


@pytest.mark.parametrize(("version", "share", "error"), [(7, 0.5, PromotionError), (2, 0.0, DeployError)])
def test_no_challenger_of_a_wrong_version_or_share(project, version, share, error):
    with pytest.raises(error):
        promotions.challenge(PARAMS, project, version, "canary", share)
    assert read_rollout(project / "deployed") is None
