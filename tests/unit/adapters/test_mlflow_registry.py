"""The registry's rules, on MLflow and on the fake alike; then what only MLflow can get wrong."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from qatflow.adapters.in_memory import InMemoryRegistry
from qatflow.adapters.mlflow_registry import MlflowRegistry
from qatflow.adapters.mlflow_tracking import MlflowTracker
from qatflow.errors import ArtifactError, PromotionError
from qatflow.release.bundle import load_bundle
from qatflow.release.ports import Registry, Version
from tests.unit.release.fabricate import bundle, flatbuffer

Make = Callable[[], Registry]


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> MlflowTracker:
    return MlflowTracker("sqlite:///mlflow.db", "qatflow", tmp_path_factory.mktemp("project"))


@pytest.fixture
def real(tracker: MlflowTracker, tmp_path: Path) -> MlflowRegistry:
    return MlflowRegistry(tracker, tmp_path.name)


@pytest.fixture(params=[pytest.param("mlflow", marks=pytest.mark.slow), "in_memory"])
def registry(request: pytest.FixtureRequest) -> Registry:
    return request.getfixturevalue("real") if request.param == "mlflow" else InMemoryRegistry("fake")


def facts(made: Path) -> dict[str, str]:
    return {"model_sha256": load_bundle(made).sha256, "variant": "ptq_w8a8", "score": "0.975", "latency_us": "12.5"}


def store(registry: Registry, folder: Path, padding: int = 0) -> str:
    made = bundle(folder / f"{padding}", flatbuffer("int8", padding))
    return registry.log_model(made, facts(made), {"score": 0.975})


def test_a_version_keeps_the_facts_it_was_stored_with(registry: Registry, tmp_path: Path):
    number = registry.register(store(registry, tmp_path))

    sha256 = load_bundle(tmp_path / "0" / "bundle").sha256
    assert registry.version(number) == Version(1, sha256, "ptq_w8a8", 0.975, 12.5)


def test_the_same_bytes_are_stored_and_registered_once(registry: Registry, tmp_path: Path):
    uris = [store(registry, tmp_path / name) for name in ("a", "b")]

    assert uris[0] == uris[1]
    assert [registry.register(uri) for uri in uris] == [1, 1]
    assert registry.register(store(registry, tmp_path, padding=4)) == 2


def test_a_bundle_comes_back_byte_for_byte(registry: Registry, tmp_path: Path):
    number = registry.register(store(registry, tmp_path))

    got = registry.download(number, tmp_path / "new" / "folder")

    assert got == tmp_path / "new" / "folder"
    assert {path.name: path.read_bytes() for path in got.iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "0" / "bundle").iterdir()
    }


def test_aliases_move_and_go(registry: Registry, tmp_path: Path):
    assert registry.aliases() == {}
    for padding in (0, 4):
        registry.register(store(registry, tmp_path, padding))

    registry.set_alias("champion", 1)
    registry.set_alias("champion", 2)
    registry.set_alias("previous", 1)
    assert registry.aliases() == {"champion": 2, "previous": 1}

    for _ in range(2):
        registry.delete_alias("previous")
    assert registry.aliases() == {"champion": 2}


def test_a_version_that_is_not_there_is_named(registry: Registry, tmp_path: Path):
    registry.register(store(registry, tmp_path))

    for call in (
        lambda: registry.version(9),
        lambda: registry.set_alias("champion", 9),
        lambda: registry.download(9, tmp_path / "x"),
    ):
        with pytest.raises(PromotionError, match=f"{registry.name} has no version 9, or it was deleted"):
            call()


def test_a_bundle_that_is_not_whole_is_not_stored(registry: Registry, tmp_path: Path):
    made = bundle(tmp_path)
    known = facts(made)
    (made / "golden.npz").unlink()

    with pytest.raises(ArtifactError, match=r"golden\.npz"):
        registry.log_model(made, known, {})


def artifacts_of(real: MlflowRegistry, uri: str) -> Path:
    location = real._client.get_logged_model(uri.removeprefix("models:/")).artifact_location
    return Path(location.removeprefix("file://")) / "artifacts" / "bundle"


@pytest.mark.slow
def test_a_version_of_an_unknown_model_is_not_there(real: MlflowRegistry):
    with pytest.raises(PromotionError, match="has no version 1"):
        real.version(1)


@pytest.mark.slow
def test_a_deleted_version_is_not_there_and_no_alias_points_to_it(real: MlflowRegistry, tmp_path: Path):
    number = real.register(store(real, tmp_path))
    real.set_alias("champion", number)
    real._client.delete_model_version(real.name, str(number))

    assert real.aliases() == {}
    with pytest.raises(PromotionError, match="has no version 1, or it was deleted"):
        real.version(number)


@pytest.mark.slow
def test_files_altered_on_the_server_are_not_passed_on(real: MlflowRegistry, tmp_path: Path):
    uri = store(real, tmp_path)
    number = real.register(uri)
    (artifacts_of(real, uri) / "model.tflite").write_bytes(flatbuffer("int8") + b"!")

    with pytest.raises(ArtifactError, match=r"model\.tflite was altered"):
        real.download(number, tmp_path / "got")
    assert not (tmp_path / "got").exists()


@pytest.mark.slow
def test_files_replaced_on_the_server_by_another_whole_bundle_are_not_passed_on(real: MlflowRegistry, tmp_path: Path):
    uri = store(real, tmp_path, padding=8)
    number = real.register(uri)
    shutil.rmtree(artifacts_of(real, uri))
    shutil.copytree(bundle(tmp_path / "other", flatbuffer("int4")), artifacts_of(real, uri))

    with pytest.raises(ArtifactError, match="are not those that were registered"):
        real.download(number, tmp_path / "got")


@pytest.mark.slow
def test_files_gone_from_the_server_are_named(real: MlflowRegistry, tmp_path: Path):
    uri = store(real, tmp_path, padding=12)
    number = real.register(uri)
    shutil.rmtree(artifacts_of(real, uri))

    with pytest.raises(PromotionError, match=f"Cannot fetch the files of version {number} of .* from file://"):
        real.download(number, tmp_path / "got")


@pytest.mark.slow
def test_a_model_whose_upload_broke_off_is_stored_again(
    real: MlflowRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def torn(model_id: str, folder: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(real._client, "log_model_artifacts", torn)
    with pytest.raises(OSError, match="No space left"):
        store(real, tmp_path / "first", padding=16)
    monkeypatch.undo()

    number = real.register(store(real, tmp_path / "second", padding=16))

    assert load_bundle(real.download(number, tmp_path / "got")).model == flatbuffer("int8", 16)


@pytest.mark.slow
@pytest.mark.parametrize("source", ["file:///etc", "s3://bucket/model"])
def test_a_version_with_a_source_of_somebody_elses_is_not_followed(real: MlflowRegistry, tmp_path: Path, source: str):
    real._client.create_registered_model(real.name)
    tags = {"model_sha256": "0" * 64, "variant": "v", "score": "1", "latency_us": "1"}
    real._client.create_model_version(real.name, source, tags=tags)

    with pytest.raises(PromotionError, match="is no model that QATFlow stored"):
        real.download(1, tmp_path / "got")


@pytest.mark.slow
def test_a_version_that_others_registered_cannot_be_champion(real: MlflowRegistry, tmp_path: Path):
    real._client.create_registered_model(real.name)
    real._client.create_model_version(real.name, "s3://bucket/model")

    with pytest.raises(PromotionError, match=r"Version 1 of .* was not registered by QATFlow"):
        real.version(1)


@pytest.mark.slow
def test_each_stored_model_has_a_run_with_its_metrics(real: MlflowRegistry, tracker: MlflowTracker, tmp_path: Path):
    parent = tracker.start_parent("retrain", {}, {})
    uri = store(MlflowRegistry(tracker, real.name, parent), tmp_path, padding=20)

    model = tracker.client.get_logged_model(uri.removeprefix("models:/"))
    run = tracker.client.get_run(model.source_run_id)
    assert run.data.tags["mlflow.parentRunId"] == parent
    assert (run.info.run_name, run.info.status, run.data.metrics["score"]) == ("model ptq_w8a8", "FINISHED", 0.975)
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]
    number = real.register(uri)
    assert tracker.client.get_model_version(real.name, str(number)).run_id == run.info.run_id
