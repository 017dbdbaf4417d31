from qatflow import artifacts
from qatflow.report.sections.lineage import lineage


def test_everything_traceable_is_listed(run):
    part = lineage(run)
    assert part["data"] == artifacts.digest("data")
    assert part["models"][0] == ("float", artifacts.digest("float"))
    assert len(part["models"]) == 4
    assert [name for name, _ in part["stages"]][:3] == ["prepare", "pretrain", "transfer"]


def test_the_bundles_lineage_is_flat(run):
    chain = dict(lineage(run)["bundle"])
    assert chain["git_commit"] == "9f1c2e7"
    assert chain["data.sha256"] == artifacts.digest("data")
    assert chain["data_md5"] == "\u2013"


def test_without_a_bundle_there_is_no_chain(build_run, load):
    assert lineage(load(build_run(champion=None)))["bundle"] == []
