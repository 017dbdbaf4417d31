from qatflow.report.figures.sensitivity import sensitivity


def test_the_title_names_the_most_sensitive_layer_and_gains_point_left(parse):
    entries = [
        {"layer": "conv", "bits": 4, "loss": 0.03, "bytes_saved": 400},
        {"layer": "dense", "bits": 4, "loss": -0.01, "bytes_saved": 90},
    ]
    figure = sensitivity(entries)
    assert figure.title == "conv bears 4 bits worst"
    bars = [node.attributes for node in parse(figure.svg) if node.tag == "rect"]
    assert float(bars[1]["x"]) < float(bars[0]["x"])
    assert "saves 400" in figure.svg


def test_layers_that_cost_nothing_can_be_drawn(parse):
    assert parse(sensitivity([{"layer": "a", "bits": 4, "loss": 0.0, "bytes_saved": 0}]).svg)
