from dataclasses import replace

from qatflow.report.sections.gates import gates


def test_each_variant_has_a_cell_for_each_gate(run):
    part = gates(run)
    assert part["names"] == ["accuracy_drop", "agreement", "golden", "beats_champion"]
    cells = {row["name"]: row["cells"] for row in part["rows"]}
    assert [cell["passed"] for cell in cells["qat_w4a8"]] == [False, True, True, True]
    assert (cells["qat_w4a8"][0]["measured"], cells["qat_w4a8"][0]["threshold"]) == ("0.0278", "0.02")
    assert cells["ptq_w8a8"][3]["measured"] == "\u2013"
    assert part["reasons"] == [
        "promoted qat_w8a8_per_channel as version 3",
        "qat_w8a8_per_channel: wins",
        "qat_w4a8: refused",
    ]


def test_a_gate_that_was_not_asked_leaves_its_cell_empty(build_run, load):
    run = load(build_run())
    asked = run.receipt.gates["qat_w4a8"]
    fewer = run.receipt.gates | {"qat_w4a8": (*asked[:2], *asked[3:])}
    receipt = run.receipt.model_copy(update={"gates": fewer})
    cells = gates(replace(run, receipt=receipt))["rows"][2]["cells"]
    assert [cell and cell["measured"] for cell in cells] == ["0.0278", "0.9917", None, "\u2013"]
