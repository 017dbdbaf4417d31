from dataclasses import replace

from qatflow.report.compare.tables import differing, figures, layers, variants
from qatflow.report.wording import ABSENT, MINUS, SPACE, TIMES


def test_figures_stand_side_by_side_with_their_verdicts(measured):
    rows = {row.name: row for row in figures(*measured)}
    assert list(rows) == ["Accuracy", "Float model's", "Size", "Compressed (zstd)"]
    assert rows["Accuracy"].reason.startswith("McNemar on the same ")
    assert rows["Accuracy"].verdict in {"real", "within noise"}
    assert rows["Size"].verdict == "real"


def test_what_one_side_does_not_know_has_no_difference(sides):
    a, b = sides
    timed = replace(a, model=replace(a.model, latency_us=(10.0, 12.0), latency_ratio=0.5, agreement=0.9))
    rows = {row.name: row for row in figures(timed, b)}
    assert (rows["Latency p50"].b, rows["Latency p50"].difference, rows["Latency p50"].verdict) == (ABSENT, "", "")
    assert rows["Agreement with float"].a == f"90.0{SPACE}%"


def test_times_are_compared_as_ratios(sides):
    a, b = (
        replace(s, model=replace(s.model, latency_us=t))
        for s, t in zip(sides, [(10.0, 30.0), (20.0, 40.0)], strict=True)
    )
    row = {row.name: row for row in figures(a, b)}["Latency p50"]
    assert (row.difference, row.verdict) == (f"2.0{TIMES} slower", "within noise")


def test_variants_are_matched_by_name(sides):
    a, b = sides
    both = {"x": a.model, "y": replace(a.model, score=0.5, sha256="other")}
    rows = variants(replace(a, models=both), replace(b, models={"y": both["y"], "z": b.model}))
    assert [(row.name, row.difference) for row in rows] == [("y", f"0.0{SPACE}points")]
    assert variants(a, b) == []


def test_layers_are_compared_one_by_one(sides):
    rows = layers(sides[0].model, sides[1].model)
    assert [row["name"] for row in rows] == ["conv", "depthwise", "classes"]
    assert "INT8" in rows[0]["a"]
    assert any("INT4" in row["b"] for row in rows)
    assert all(row["difference"].endswith("dB") for row in rows)
    assert {row["difference"] for row in layers(sides[0].model, sides[0].model)} == {"the same weights"}


def test_layers_of_other_shapes_are_matched_by_name(sides, golden):
    other = replace(sides[1].model, flatbuffer=golden["regressor"])
    rows = layers(sides[0].model, other)
    assert {row["difference"] for row in rows} <= {"on one side only", "another shape"}
    assert layers(sides[0].model, replace(other, flatbuffer=None)) == []


def test_only_what_differs_is_listed():
    assert differing({"a": "1", "b": "2"}, {"a": "1", "b": "3", "c": "4"}) == [("b", "2", "3"), ("c", ABSENT, "4")]


def test_losses_have_a_minus(sides):
    a, b = sides
    row = figures(a, replace(b, model=replace(b.model, score=a.model.score - 0.01)))[0]
    assert row.difference == f"{MINUS}1.0{SPACE}points"
