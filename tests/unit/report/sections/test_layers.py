from qatflow.report.sections.layers import layers


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
    assert counts == {"ptq_w8a8": 2, "qat_w8a8_per_channel": 3, "qat_w4a8": 2}


def test_a_layer_unlike_the_float_models_has_no_errors(build_run, load):
    run = load(build_run())
    for layer in run.variants[0].evaluation["layers"]:
        layer |= {"error_histogram": None, "sqnr_db": None}
    part = layers(run)[0]
    assert {(layer["errors"], layer["sqnr"]) for layer in part["layers"]} == {("", "\u2013")}
    assert len(part["figures"]) == 1
