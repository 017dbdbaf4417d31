"""Members of registries that a project adds: found, used, part of the stage's code, and refused in a sentence."""

import shutil
from pathlib import Path

import pytest

from qatflow import artifacts, params_file
from qatflow.errors import ParamsError
from qatflow.params.plugins import PluginParams
from qatflow.pipeline.dvc_yaml import bring_up_to_date
from qatflow.pipeline.plugins import install
from qatflow.pipeline.project import declared_stages
from qatflow.pipeline.stage import execute
from qatflow.progress import silent

ROOT = Path(__file__).parents[3]
SOURCE = """
from dataclasses import replace
from qatflow.data.base import Chunk
from qatflow.data.digits import read_digits

def read(data):
    digits = read_digits(data)
    def chunks():
        for chunk in digits.splits["all"]():
            yield Chunk(16 - chunk.x, chunk.y)
    return replace(digits, splits={"all": chunks})
"""
GATE = """
from qatflow.release.base import GateResult

class Weekday:
    settings = {"most": (0.0, 7.0)}

    def __call__(self, candidate, context, settings):
        return GateResult("weekday", True, 1.0, settings["most"], "today it may")

weekday = Weekday()
"""
ENGINE = """
from qatflow.backend import keras
from qatflow.quantization.post_training import PostTraining
from qatflow.tflite.convert import convert_float16

def tiny(input_shape, num_outputs, width, task):
    inputs = keras.layers.Input(input_shape, name="input")
    x = keras.layers.Flatten(name="flat")(inputs)
    return keras.Model(inputs, keras.layers.Dense(num_outputs, "softmax", name="out")(x))

half = PostTraining(lambda model, _: convert_float16(model), weights=16)
"""
PLUGINS = {
    "plugins.sources": {"negatives": "plugins/source.py:read"},
    "plugins.gates": {"weekday": "plugins/gate.py:weekday"},
    "plugins.architectures": {"tiny": "plugins/engine.py:tiny"},
    "plugins.strategies": {"half": "plugins/engine.py:half"},
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "tasks", tmp_path / "tasks", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "params.yaml", tmp_path)
    (tmp_path / "plugins").mkdir()
    for name, code in {"source": SOURCE, "gate": GATE, "engine": ENGINE}.items():
        (tmp_path / "plugins" / f"{name}.py").write_text(code)
    params_file.edit(tmp_path / "params.yaml", PLUGINS)
    return tmp_path


def test_a_source_of_the_projects_own_is_read(project: Path) -> None:
    params_file.edit(project / "params.yaml", {"data.source": "negatives", "data.max_samples": 100})
    bring_up_to_date(project)

    execute(declared_stages(project)["prepare"], project, "", silent)

    assert artifacts.read_json(project / "artifacts/prepare/data_card.json")["source"] == "negatives"


def test_a_gate_of_the_projects_own_is_asked(project: Path) -> None:
    from qatflow.release.settings import check_settings

    params_file.edit(project / "params.yaml", {"release.gates": {"weekday": {"most": 5.0}}})
    params = params_file.load(project / "params.yaml")

    install("release", params.plugins, project)

    assert check_settings(params.release.gates)["weekday"] == {"most": 5.0}


@pytest.mark.slow
def test_an_architecture_and_a_strategy_of_the_projects_own_go_through_the_stages(project: Path) -> None:
    changes = {"model.name": "tiny", "quantize.variants": ["half"], "data.max_samples": 100, "pretrain.epochs": 1}
    params_file.edit(project / "params.yaml", changes)
    bring_up_to_date(project)
    for name in ("prepare", "pretrain", "transfer", "quantize", "convert"):
        execute(declared_stages(project)[name], project, "half" if name in {"quantize", "convert"} else "", silent)

    assert (project / "artifacts/convert/half/model.tflite").is_file()


def test_a_plugins_code_is_that_of_the_stages_that_ask_for_it(project: Path) -> None:
    bring_up_to_date(project)
    path = project / "plugins" / "gate.py"
    path.write_text(path.read_text() + "\n# a remark\n")
    assert bring_up_to_date(project) == []
    path.write_text(path.read_text().replace("True", "False"))

    assert bring_up_to_date(project) == ["code of release changed"]


@pytest.mark.parametrize(
    ("plugins", "stage", "words"),
    [
        ({"gates": {"size": "plugins/gate.py:weekday"}}, "release", "plugins.gates.size: that name is taken"),
        (
            {"gates": {"mine": "plugins/gate.py:nothing"}},
            "release",
            "there is no plugins/gate.py:nothing",
        ),
        ({"gates": {"mine": "plugins/none.py:it"}}, "release", "plugins.gates.mine: there is no plugins/none.py:it"),
        ({"sources": {"mine": "no.such:it"}}, "prepare", "plugins.sources.mine: there is no no.such:it"),
    ],
)
def test_what_is_not_there_is_named(project: Path, plugins: dict[str, dict[str, str]], stage: str, words: str) -> None:
    with pytest.raises(ParamsError, match=words):
        install(stage, PluginParams(**plugins), project)


@pytest.mark.parametrize("place", ["../elsewhere.py:x", "/etc/x.py:y", "plugins/x.py", "a b:c", "x.py:1"])
def test_places_outside_of_the_project_are_refused(project: Path, place: str) -> None:
    with pytest.raises(ParamsError, match=r"expected 'plugins/file\.py:name', below the project"):
        params_file.edit(project / "params.yaml", {"plugins.gates": {"mine": place}})


def test_a_name_that_no_plugin_has_is_unknown_still(project: Path) -> None:
    with pytest.raises(ParamsError, match=r"data\.source: unknown 'negative'.*Did you mean 'negatives'"):
        params_file.edit(project / "params.yaml", {"data.source": "negative"})
