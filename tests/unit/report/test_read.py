import shutil

import pytest

from qatflow import artifacts
from qatflow.data.card import DataCard
from qatflow.errors import ArtifactError
from qatflow.report.read import read_run

FOLDERS = [
    "prepare",
    "pretrain",
    "transfer",
    "quantize/ptq_w8a8",
    "convert/ptq_w8a8",
    "evaluate/ptq_w8a8",
    "ensemble",
    "release",
]


def test_a_run_holds_what_the_stages_wrote(run, default_run):
    home = default_run.root / "artifacts"
    assert [variant.name for variant in run.variants] == list(default_run.params.quantize.variants)
    assert [bool(variant.history) for variant in run.variants] == [False, True, True]
    assert run.card == DataCard.read(home / "prepare")
    assert run.float_model.size_bytes == 78_212
    assert run.lineage["git_commit"] == "9f1c2e7"
    assert run.manifests["release"] == artifacts.sha256_file(home / "release" / "manifest.json")
    assert len(run.manifests) == 5 + 3 * 3


@pytest.mark.parametrize("folder", FOLDERS)
def test_an_altered_file_is_refused(build_run, folder):
    fake = build_run()
    file = next(
        path for path in (fake.root / "artifacts" / folder).iterdir() if path.is_file() and path.name != "manifest.json"
    )
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(ArtifactError, match=f"{file.name} was altered"):
        read_run(fake.root, fake.params.quantize.variants)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_without_manifest_is_refused(build_run, folder):
    fake = build_run()
    (fake.root / "artifacts" / folder / "manifest.json").unlink()
    with pytest.raises(ArtifactError, match=r"manifest\.json is missing; run `qatflow run`"):
        read_run(fake.root, fake.params.quantize.variants)


def test_an_altered_bundle_is_refused(build_run):
    fake = build_run()
    (fake.root / "artifacts" / "release" / "bundle" / "manifest.json").write_text("{}")
    with pytest.raises(ArtifactError, match="was altered"):
        read_run(fake.root, fake.params.quantize.variants)


def test_a_release_of_other_variants_is_refused(default_run):
    with pytest.raises(ArtifactError, match=r"judged ptq_w8a8, .* but the variants are ptq_w8a8;"):
        read_run(default_run.root, ["ptq_w8a8"])


def test_an_ensemble_is_the_last_variant(build_run, load):
    run = load(build_run(ensemble=True))

    assert [variant.name for variant in run.variants][-2:] == ["qat_w4a8", "ensemble"]
    assert run.variants[-1].history == []
    assert list(run.ensemble["members"]) == ["ptq_w8a8", "qat_w8a8_per_channel"]


def test_a_release_that_did_not_see_the_ensemble_is_refused(build_run):
    fake, other = build_run(ensemble=True), build_run()
    shutil.rmtree(fake.root / "artifacts" / "release")
    shutil.copytree(other.root / "artifacts" / "release", fake.root / "artifacts" / "release")

    with pytest.raises(ArtifactError, match=r"but the variants are .*, ensemble;"):
        read_run(fake.root, fake.params.quantize.variants)


def test_without_a_champion_there_is_no_lineage(build_run, load):
    assert load(build_run(champion=None)).lineage == {}
