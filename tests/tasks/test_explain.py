"""The stage `explain` on real artifacts: what it measures, that it repeats itself, switched off, and refused."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from qatflow import artifacts
from qatflow.errors import ArtifactError
from qatflow.params.explain import ExplainParams
from qatflow.params.quantize import QuantizeParams
from qatflow.params.release import ReleaseParams
from qatflow.params.root import Params
from qatflow.pipeline.stage import StageRun
from qatflow.progress import silent
from tasks.explain import explain
from tests.tasks.converted import GOLDEN, VARIANTS, fill, opened, place

QUICK = {"samples": 5, "evaluations": 16, "gradient": False}


def _stage(root: Path, **wanted: object) -> StageRun:
    asked = ExplainParams.model_validate({**QUICK, **wanted})
    gates = {} if asked.samples else {"gates": {"explanation_drift": None}}
    params = Params(
        quantize=QuantizeParams(variants=tuple(VARIANTS)), explain=asked, release=ReleaseParams.model_validate(gates)
    )
    return StageRun(root, params, "", silent)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which the stages before have run."""
    root = tmp_path_factory.mktemp("project")
    home = fill(_stage(root))
    place(home, "ensemble", "int8")
    return root


def _run(root: Path, **wanted: object) -> tuple[Path, dict[str, object]]:
    explain(_stage(root, **wanted))
    return opened(root, "explain", "explanation.json")


def test_every_flatbuffer_has_its_drift_and_its_curves(root: Path) -> None:
    out, record = _run(root)
    models = record["models"]

    assert sorted(models) == sorted(["float", *VARIANTS, "ensemble"])
    for name, model in models.items():
        assert model["sha256"] == artifacts.sha256_bytes(_flatbuffer(name))
        assert len(model["deletion"]["curve"]) == 17
        assert model["deletion"]["gain"]["mean"] > 0.05
    assert models["float"]["drift"] is None
    assert models["ptq_w8a8"]["drift"] == models["ensemble"]["drift"], "it is the same flatbuffer"
    means = {name: models[name]["drift"]["rank_correlation"]["mean"] for name in VARIANTS}
    assert means["float16"] > 0.999, "half precision keeps nearly all"
    assert means["float16"] > means["ptq_w8a8"] > record["floor"]["rank_correlation"]["mean"]
    arrays = artifacts.load_arrays(out / "explanations.npz")
    assert {name: values.shape for name, values in arrays.items()} == dict.fromkeys(models, (5, 16))


def _flatbuffer(name: str) -> bytes:
    return (GOLDEN / f"{({'float': 'float32', 'ensemble': 'int8'} | VARIANTS)[name]}.tflite").read_bytes()


def test_classes_are_those_that_the_float_model_picks_and_examples_hold_all_models(root: Path) -> None:
    _, record = _run(root)
    drift = record["models"]["qat_w4a8"]["drift"]

    assert sum(each["rank_correlation"]["samples"] for each in drift["per_class"].values()) == 5
    assert [len(example["values"]) for example in record["examples"]] == [5, 5, 5]
    assert {example["output"] for example in record["examples"]} <= set(drift["per_class"])
    likeness = [example["likeness"] for example in record["examples"]]
    assert likeness == sorted(likeness)
    assert np.array(record["examples"][0]["input"]).shape == (8, 8, 1)
    assert np.array(record["examples"][0]["input"]).max() > 10, "in the data's own units, 0 to 16"


def test_a_repeat_gives_the_same_bytes_and_another_seed_others(root: Path) -> None:
    digests = []
    for seed in (42, 42, 43):
        stage = _stage(root)
        explain(StageRun(root, stage.params.model_copy(update={"seed": seed}), "", silent))
        out = root / "artifacts" / "explain"
        digests.append([artifacts.sha256_file(out / name) for name in ("explanation.json", "explanations.npz")])

    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


def test_its_parents_are_data_float_model_variants_and_ensemble(root: Path) -> None:
    out, _ = _run(root, samples=1)

    assert sorted(artifacts.read_json(out / "manifest.json")["parents"]) == sorted(
        ["prepare", "transfer", "ensemble", *(f"convert/{name}" for name in VARIANTS)]
    )


def test_switched_off_it_explains_nothing(root: Path) -> None:
    out, record = _run(root, samples=0, gradient=True)

    assert record == {"samples": 0, "models": {}, "floor": None, "gradient": None, "examples": []}
    assert sorted(path.name for path in out.iterdir()) == ["explanation.json", "manifest.json"]


def test_the_gate_cannot_ask_for_what_is_switched_off() -> None:
    with pytest.raises(ValidationError, match=r"explanation_drift judges what explain.samples 0 never measures"):
        Params.model_validate(
            {"explain": {"samples": 0}, "release": {"gates": {"explanation_drift": {"min_rank_correlation": 0.5}}}}
        )


@pytest.mark.parametrize("wanted", [{"players": 0}, {"evaluations": 1}, {"fill": "noise"}, {"samples": -1}])
def test_settings_out_of_range_are_refused(wanted: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ExplainParams.model_validate(wanted)


def test_a_float_model_that_was_altered_leaves_the_former_output(root: Path) -> None:
    _run(root, samples=1)
    before = (root / "artifacts" / "explain" / "manifest.json").read_bytes()
    model = root / "artifacts" / "transfer" / "model.tflite"
    kept = model.read_bytes()
    model.write_bytes(kept[:-1])

    with pytest.raises(ArtifactError, match="was altered"):
        _run(root)

    model.write_bytes(kept)
    assert (root / "artifacts" / "explain" / "manifest.json").read_bytes() == before


def test_a_blur_works_on_images(root: Path) -> None:
    _, record = _run(root, fill="blur", samples=2)

    assert record["fill"] == "blur"
    assert record["models"]["ptq_w8a8"]["drift"]["rank_correlation"]["mean"] > 0.5


@pytest.mark.slow
def test_gradients_of_the_keras_model_stand_beside(tmp_path: Path, root: Path) -> None:
    import shutil

    from qatflow.backend import start
    from qatflow.data.prepared import open_prepared
    from qatflow.models import ARCHITECTURES
    from qatflow.models.store import save_model
    from qatflow.params.pretrain import PretrainParams
    from qatflow.tflite.convert import convert_float
    from qatflow.training.fit import fit

    shutil.copytree(root / "artifacts", tmp_path / "artifacts")
    start(0)
    data = open_prepared(tmp_path / "artifacts" / "prepare")
    model = ARCHITECTURES["mlp"](data.input_shape, data.num_outputs, 1.0, data.task)
    fit(model, data, PretrainParams(epochs=2), 0, "float")
    with artifacts.stage_output(tmp_path / "artifacts" / "transfer", "transfer") as out:
        save_model(model, out)
        (out / "model.tflite").write_bytes(convert_float(model))

    _, record = _run(tmp_path, gradient=True, evaluations=128, samples=4)

    assert record["gradient"]["rank_correlation"]["mean"] > 0.6
