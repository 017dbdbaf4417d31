"""What this project's stages declare, and what that means for DVC."""

import pytest

from qatflow.params.quantize import QuantizeParams
from tasks.stages import STAGES

NAMES = [stage.name for stage in STAGES]
TRAIN = ("pretrain", "transfer", "quantize", "convert")


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
