import json
import shutil

import pytest

from qatflow.errors import ArtifactError, QATFlowError
from qatflow.pipeline.stage import execute
from qatflow.progress import silent
from qatflow.report.build import build_report
from tasks.report import report


def test_page_and_summary_are_written(default_run, tmp_path):
    build_report(default_run.root, default_run.params, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.html", "summary.json"]
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["verdict"].startswith("Promoted qat_w8a8_per_channel as version 3")
    assert "qatflow-digits" in (tmp_path / "index.html").read_text()


def test_equal_artifacts_give_equal_bytes_wherever_they_lie(default_run, tmp_path):
    shutil.copytree(default_run.root, tmp_path / "elsewhere")
    made = []
    for root, out in ((default_run.root, tmp_path / "a"), (tmp_path / "elsewhere", tmp_path / "b")):
        out.mkdir()
        build_report(root, default_run.params, out)
        made.append([(out / name).read_bytes() for name in ("index.html", "summary.json")])
    assert made[0] == made[1]


def test_nothing_is_written_from_broken_artifacts(build_run, tmp_path):
    fake = build_run()
    (fake.root / "artifacts" / "prepare" / "data_card.json").write_text("{}")
    with pytest.raises(ArtifactError):
        build_report(fake.root, fake.params, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_told_and_the_earlier_report_stays(build_run):
    fake = build_run()
    (fake.root / "params.yaml").write_text(json.dumps({"quantize": {"variants": fake.params.quantize.variants}}))
    execute(report, fake.root, "", silent)
    before = (fake.root / "artifacts" / "report" / "index.html").read_bytes()
    (fake.root / "artifacts" / ".report.partial").touch()  # a file where the folder under way would be

    with pytest.raises(QATFlowError, match=r"File exists \(.*\.report\.partial\)"):
        execute(report, fake.root, "", silent)
    assert (fake.root / "artifacts" / "report" / "index.html").read_bytes() == before
