from dataclasses import replace

from qatflow.report.sections.layers import layers
from qatflow.report.wording import ABSENT, SPACE
from tests.unit.report.fabricate import remeasured


def test_only_the_variant_in_focus_is_unfolded(run):
    assert [(part["name"], part["unfolded"]) for part in layers(run)] == [
        ("ptq_w8a8", False),
        ("qat_w8a8_per_channel", True),
        ("qat_w4a8", False),
    ]


def test_a_variant_shows_its_layers_and_what_it_is_made_of(run):
    part = layers(run)[2]
    assert [layer["name"] for layer in part["layers"]] == ["conv_1", "conv_2", "conv_3", "dense"]
    assert part["layers"][3]["operator"] == "FULLY_CONNECTED"
    assert part["layers"][0]["weights"].startswith("<svg")
    assert part["operators"]["CONV_2D"] == 3
    assert list(part["weight_bytes"]) == ["INT32", "INT4"]


def test_comparisons_that_were_not_made_have_no_figure(run):
    counts = {part["name"]: len(part["figures"]) for part in layers(run)}
    assert counts == {"ptq_w8a8": 4, "qat_w8a8_per_channel": 5, "qat_w4a8": 4}


def test_a_layer_unlike_the_float_models_has_no_errors(build_run, load):
    run = load(build_run())
    unlike = [
        layer.to_dict() | {"error_histogram": None, "sqnr_db": None} for layer in run.variants[0].evaluation.layers
    ]
    first = remeasured(run.variants[0], {"layers": unlike})
    part = layers(replace(run, variants=(first, *run.variants[1:])))[0]
    assert {(layer["errors"], layer["sqnr"]) for layer in part["layers"]} == {("", "\u2013")}
    assert "is the noisiest layer" not in " ".join(figure.title for figure in part["figures"])


def test_what_compression_kept_is_shown_by_layer(build_run, load):
    run = load(build_run())
    found = [{"name": "conv_2", "weights": 2000, "zeros": 1000, "distinct": 17}]
    first = remeasured(run.variants[0], {"compression": {"layers": found, "sparsity": 0.5}})
    parts = layers(replace(run, variants=(first, *run.variants[1:])))
    assert [part["compressed"] for part in parts] == [True, False, False]
    shown = {layer["name"]: (layer["zeros"], layer["distinct"]) for layer in parts[0]["layers"]}
    assert shown["conv_2"] == (f"50.0{SPACE}%", "17")
    assert shown["dense"] == (ABSENT, ABSENT)


def test_sensitivity_is_drawn_where_it_was_measured(build_run, load):
    run = load(build_run())
    entry = {"layer": "conv_2", "bits": 4, "loss": 0.02, "bytes_saved": 700}
    run.variants[0].sensitivity.extend([entry, entry | {"layer": "dense", "loss": -0.001}])
    assert "conv_2 bears 4 bits worst" in [figure.title for figure in layers(run)[0]["figures"]]


def test_an_ensemble_whose_layers_match_no_float_models_has_no_channels(build_run, load):
    part = layers(load(build_run(ensemble=True)))[-1]
    assert part["name"] == "ensemble"
    assert part["figures"]
