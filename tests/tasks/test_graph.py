"""What this project's stages declare, and what that means for DVC."""

from pathlib import Path

import pytest

from qatflow.identity import code_digest
from qatflow.params.quantize import QuantizeParams
from tasks.stages import STAGES

ROOT = Path(__file__).parents[2]
NAMES = [stage.name for stage in STAGES]


@pytest.mark.parametrize("stage", STAGES, ids=NAMES)
def test_a_stage_reads_only_what_stages_before_it_write(stage) -> None:
    before = {*NAMES[: NAMES.index(stage.name)]}

    assert {name.partition("/")[0] for name in stage.reads} <= before


@pytest.mark.parametrize("stage", STAGES, ids=NAMES)
def test_only_what_acts_on_the_world_is_never_restored_from_a_cache(stage) -> None:
    assert stage.cached == (stage.name not in {"release", "deploy"})


def test_every_setting_of_the_engine_makes_the_variants_anew() -> None:
    (quantize,) = [stage for stage in STAGES if stage.name == "quantize"]

    settings = {f"quantize.{name}" for name in QuantizeParams.model_fields if name != "variants"}
    assert settings <= set(quantize.params)  # `variants` makes more of them, and changes none


@pytest.fixture(scope="module")
def code() -> dict[str, frozenset[str]]:
    """Return the modules whose code each stage depends on."""
    found = {name: code_digest(ROOT / "tasks" / f"{name}.py", project=ROOT) for name in NAMES}
    return {name: frozenset(each.modules) for name, each in found.items()}


@pytest.mark.parametrize("section", ["serving", "monitoring", "online", "sweep", "flow", "tracking"])
def test_a_new_parameter_of_what_runs_later_is_no_code_of_any_stage(code, section) -> None:
    assert [name for name in NAMES if f"qatflow.params.{section}" in code[name]] == []


@pytest.mark.parametrize(
    ("module", "stages"),
    [
        ("qatflow.quantization.grid", {"quantize", "convert"}),
        ("qatflow.training.fit", {"pretrain", "transfer"}),
        ("qatflow.release.promote", {"release"}),
        ("qatflow.serving.app", set()),
    ],
)
def test_a_line_of_a_module_runs_exactly_the_stages_that_import_it(code, module, stages) -> None:
    assert {name for name in NAMES if module in code[name]} == stages
