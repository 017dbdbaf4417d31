from qatflow.report.sections.variants import status, variants
from qatflow.report.wording import ABSENT, SPACE


def test_each_variant_has_its_row(run):
    rows = {row["name"]: row for row in variants(run)["rows"]}
    assert list(rows) == ["ptq_w8a8", "qat_w8a8_per_channel", "qat_w4a8"]
    row = {key: value.replace(SPACE, " ") for key, value in rows["qat_w4a8"].items() if isinstance(value, str)}
    assert row == {
        "name": "qat_w4a8",
        "status": "refused",
        "score": "95.3 %",
        "interval": "93.8 to 96.4",
        "change": "\u22122.8 points",
        "agreement": "99.2 %",
        "size": "15.3 kB",
        "smaller": "5.1\u00d7 smaller",
        "compressed": "10.1 kB",
        "p50": "14.4 \u00b5s",
        "p95": "19.4 \u00b5s",
        "faster": "1.4\u00d7 faster",
    }
    assert rows["qat_w4a8"]["refused_by"] == ["accuracy_drop"]


def test_the_status_is_champion_passed_or_refused(run):
    assert [status(run, variant) for variant in run.variants] == ["passed", "champion", "refused"]


def test_what_was_not_measured_has_a_dash(run):
    measured = {row["name"]: row for row in variants(run)["measured"]}
    assert measured["ptq_w8a8"]["fake_quant"] == ABSENT
    assert measured["qat_w4a8"]["kernels"] == ABSENT
    assert measured["qat_w4a8"]["fake_quant"] == f"100.0{SPACE}%"
    assert measured["ptq_w8a8"]["throughput"] == "161,020"


def test_there_is_no_interval_without_one(build_run, load):
    part = variants(load(build_run(task="regression")))
    assert part["intervals"] is False
    assert {row["interval"] for row in part["rows"]} == {""}
