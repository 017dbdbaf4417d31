import json

import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.errors import ArtifactError
from qatflow.quantization.canonical import canonical
from qatflow.quantization.deployed import Deployable, converted_form, device_form
from qatflow.quantization.fake_quant import Grids, initial_steps
from qatflow.quantization.plan import Fixed, Own, Plan, Tied
from qatflow.quantization.store import load_quantized, save_quantized

pytestmark = pytest.mark.slow

layers = keras.layers


@pytest.fixture
def quantized(sequence, lively):
    stack = [layers.Conv2D(4, 3, name="c"), layers.ReLU(name="r"), layers.AveragePooling2D(2, name="p")]
    stack += [layers.Flatten(name="f"), layers.Dense(3, activation="softmax", name="d")]
    flat = canonical(lively(sequence((8, 8, 2), *stack)))
    end = flat.output_names[0]
    plan = Plan(
        {"c": 4, "d": 8}, {"input_grid": Own(), "r": Own(), "p": Tied("r"), "d": Own(), end: Fixed(0, 255 / 256)}
    )
    steps = {
        name: initial_steps(flat.get_layer(name), bits, per_channel=name == "c") for name, bits in plan.weights.items()
    }
    ranges = {"input_grid": (-3.1, 2.9), "r": (0.0, 4.3), "d": (-1.7, 2.1)}
    return Deployable(flat, plan, Grids(steps, ranges), reference=flat)


@pytest.fixture
def saved(quantized, tmp_path):
    save_quantized(quantized, tmp_path)
    return tmp_path


@pytest.mark.parametrize("form", [converted_form, device_form])
def test_every_form_computes_the_same_bit_for_bit(quantized, saved, samples, form):
    loaded = load_quantized(saved)

    x = samples((8, 8, 2))
    np.testing.assert_array_equal(form(loaded)(x), form(quantized)(x))
    np.testing.assert_array_equal(loaded.reference(x), quantized.reference(x))
    assert loaded.plan == quantized.plan
    assert loaded.grids.ranges == quantized.grids.ranges


def test_a_model_without_fake_quants_and_reference(sequence, tmp_path, samples):
    model = sequence((4,), layers.Dense(3, name="d"))
    save_quantized(Deployable(model), tmp_path)

    loaded = load_quantized(tmp_path)

    np.testing.assert_array_equal(loaded.model(samples((4,))), model(samples((4,))))
    assert not loaded.plan.layers
    assert loaded.reference is None


def test_files_are_json_and_arrays_that_hold_no_code(saved):
    kinds = {path.suffix for path in saved.rglob("*") if path.is_file()}

    assert kinds == {".json", ".npz"}
    for path in saved.rglob("*.npz"):
        with np.load(path, allow_pickle=False) as file:
            assert all(file[name].dtype != object for name in file.files)


@pytest.mark.parametrize(
    "change",
    [
        lambda plan: plan.pop("weights"),
        lambda plan: plan.update(weights=[1]),
        lambda plan: plan.update(ranges={"r": [1]}),
        lambda plan: plan["outputs"]["r"].update(kind="lambda"),
        lambda plan: plan["outputs"]["r"].update(more=1),
        lambda plan: plan["outputs"]["r"].pop("kind"),
        lambda plan: plan["weights"].update(c="four"),
        lambda plan: plan["outputs"].update(r=3),
    ],
)
def test_a_damaged_plan_is_refused(saved, change):
    path = saved / "plan.json"
    plan = json.loads(path.read_text())
    change(plan)
    path.write_text(json.dumps(plan))

    with pytest.raises(ArtifactError, match=r"plan\.json holds no plan"):
        load_quantized(saved)


@pytest.mark.parametrize("content", ["[1]", "3"])
def test_another_files_content_is_refused(saved, content):
    (saved / "plan.json").write_text(content)

    with pytest.raises(ArtifactError, match=r"plan\.json"):
        load_quantized(saved)


@pytest.mark.parametrize("name", ["plan.json", "steps.npz", "weights.npz", "architecture.json"])
def test_a_missing_file_is_refused(saved, name):
    (saved / name).unlink()

    with pytest.raises(ArtifactError):
        load_quantized(saved)
