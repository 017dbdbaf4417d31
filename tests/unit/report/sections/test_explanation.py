import shutil

import numpy as np
import pytest

from qatflow import artifacts
from qatflow.report.page import render
from qatflow.report.sections.explanation import MOST_CLASSES, explanation
from qatflow.report.wording import MINUS

EVIL = "<script>alert(1)</script>"
NAMES = ("ptq_w8a8", "qat_w8a8_per_channel", "qat_w4a8")
PATCHES = {"kind": "patches", "grid": [2, 2], "names": ["row 0", "row 1", "row 2", "row 3"]}
FEATURES = {"kind": "features", "grid": [1, 4], "names": ["age", EVIL, "height", "weight"]}


def figure(mean, samples=4):
    return {"mean": mean, "interval": [mean - 0.05, mean + 0.01] if samples > 1 else None, "samples": samples}


def drift(mean, classes):
    each = {name: {"rank_correlation": figure(mean, 1), "top_overlap": figure(1.0, 1)} for name in classes}
    return {"rank_correlation": figure(mean), "top_overlap": figure(0.8), "per_class": each}


def curve(gain):
    return {"curve": [1, 0.5, 0.2, 0.1, 0], "random": [1, 0.8, 0.5, 0.3, 0], "area": 0.3, "random_area": 0.5,
            "gain": figure(gain)}  # fmt: skip


def record(players=PATCHES, classes=("0", "1"), gain=0.2):
    models = {
        name: {"sha256": "0" * 64, "drift": drift(mean, classes), "deletion": curve(gain), "insertion": curve(gain)}
        for name, mean in zip(("float", *NAMES), (1.0, 0.99, 0.97, 0.9), strict=True)
    }
    models["float"]["drift"] = None
    values = {name: [0.1, -0.4, 0.0, 0.3] for name in models}
    example = {
        "sample": 7, "label": classes[0], "output": classes[0], "likeness": 0.97, "answers": dict.fromkeys(models, 0.5),
        "values": values, "input": np.arange(64.0).reshape(8, 8, 1).tolist(),
    }  # fmt: skip
    return {
        "samples": 4, "players": players, "fill": "mean", "evaluations": 64, "top": 5, "models": models,
        "floor": drift(0.85, classes), "gradient": None, "examples": [example],
    }  # fmt: skip


@pytest.fixture(scope="module")
def explained(build_run, load):
    """Return a function that reads a fabricated run whose explain stage wrote a record."""
    run = load(build_run())

    def made(written):
        shutil.rmtree(run.home / "explain", ignore_errors=True)
        with artifacts.stage_output(run.home / "explain", "explain") as out:
            artifacts.write_json(out / "explanation.json", written)
        return run

    return made


def test_every_model_has_its_drift_beside_the_noise_floor(explained):
    part = explanation(explained(record()))

    rows = {row["name"]: row for row in part["rows"]}
    assert list(rows) == ["float", "float, other masks", *NAMES]
    assert rows["qat_w4a8"]["correlation"] == ("0.900", "0.850 to 0.910")
    assert rows["float, other masks"]["correlation"][0] == "0.850"
    assert rows["float"]["deletion"] == ("+0.200", "+0.150 to +0.210")
    assert part["floor"] == "0.85"
    assert part["figures"][0].title.startswith("qat_w4a8 drifts most: rank correlation 0.900")


def test_gradients_have_a_row_where_there_are_some(explained):
    written = record()
    written["gradient"] = drift(0.8, ("0",))

    names = [row["name"] for row in explanation(explained(written))["rows"]]

    assert "float, gradients of the Keras model" in names


def test_the_example_shows_float_beside_int8_and_int4(explained, parse):
    part = explanation(explained(record()))

    assert part["shown"] == ["int8 is qat_w8a8_per_channel", "int4 is qat_w4a8"], "the one in focus, and the only one"
    nodes = parse(part["examples"][0].svg)
    assert [node.text for node in nodes if node.tag == "text" and node.attributes["class"] == "label"] == [
        "a 0", "float", "int8", "int4"
    ]  # fmt: skip
    assert next(node for node in nodes if node.tag == "image").attributes["href"].startswith("data:image/png;base64,")
    colours = [node.attributes.get("style") for node in nodes if node.tag == "rect" and "style" in node.attributes]
    assert len(colours) == 3 * 4
    assert colours[1] == "fill:var(--warn);fill-opacity:1.00"
    assert colours[3] == "fill:var(--accent);fill-opacity:0.75"
    assert f"float: row 1 {MINUS}0.4, row 3 0.3" in nodes[0].attributes["aria-label"]


def test_curves_say_whether_the_attribution_beats_chance(explained):
    good, bad = (explanation(explained(record(gain=gain)))["figures"][1:] for gain in (0.2, 0.0))

    assert good[0].title == (
        "Removing the strongest patches first, the answer falls sooner than in random order: area 0.3 against 0.5"
    )
    assert "the answer rises no surer than in random order" in bad[1].title


def test_tables_have_bars_and_their_features_are_escaped(explained, parse):
    run = explained(record(players=FEATURES, classes=(EVIL, "b")))

    page = render(run, "model")

    assert EVIL not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "On test sample 7 the models agree on what speaks for" in page
    parse(explanation(run)["examples"][0].svg)


def test_inputs_that_were_not_kept_leave_only_maps(explained, parse):
    written = record()
    written["examples"][0]["input"] = None

    nodes = parse(explanation(explained(written))["examples"][0].svg)

    assert not [node for node in nodes if node.tag == "image"]


def test_of_many_classes_those_that_drift_most_are_listed(explained):
    classes = [f"c{i}" for i in range(50)]
    written = record(classes=classes)
    written["models"]["qat_w4a8"]["drift"]["per_class"]["c33"]["rank_correlation"]["mean"] = -0.5

    part = explanation(explained(written))["classes"]

    assert (len(part["rows"]), part["left_out"]) == (MOST_CLASSES, 50 - MOST_CLASSES)
    assert part["rows"][0] == ("c33", 1, ["0.99", "0.97", f"{MINUS}0.50"])


def test_without_an_explanation_the_section_is_left_out(explained, run):
    off = explained({"samples": 0, "models": {}, "floor": None, "gradient": None, "examples": []})

    assert explanation(off) is None
    assert explanation(run) is None
    assert 'id="explanation"' not in render(off, "model")
