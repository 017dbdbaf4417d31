"""One bundle of several: read, held against each other, combined and measured."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qatflow.data.preprocessing import Preprocessing
from qatflow.ensemble.combine import COMBINERS
from qatflow.errors import ArtifactError, DataError, ModelError, ParamsError
from qatflow.release.base import GoldenCheck
from qatflow.release.bundle import build_bundle, load_bundle
from qatflow.release.ensembled import ensemble_bundles
from qatflow.release.golden import check_golden
from qatflow.release.members import load_members
from qatflow.release.own_data import OwnData
from qatflow.tflite.runtime import Runner
from tests.unit.release.fabricate import bundle, candidate, digits, flatbuffer, lineage

NAMES = {"ptq_w8a8": "int8", "qat_w4a8": "int4", "float16": "float16"}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Strategy -> bundle of a classifier of digits."""
    place = tmp_path_factory.mktemp("bundles")
    return {strategy: bundle(place / strategy, flatbuffer(name), strategy) for strategy, name in NAMES.items()}


def make(bundles: dict[str, Path], out: Path, *names: str, **wanted: Any) -> dict[str, Any]:
    return ensemble_bundles([bundles[name] for name in names], OwnData("digits"), out, **wanted)


class TestBundle:
    def test_it_answers_as_its_members_combined(self, bundles: dict[str, Path], tmp_path: Path):
        make(bundles, tmp_path / "out", "ptq_w8a8", "qat_w4a8", combine="mean")
        x, _ = digits().test.arrays(limit=20)
        raw = x * 16

        answer = load_bundle(tmp_path / "out").predict(raw)

        # alphabetical, as they are added up
        outputs = np.stack([Runner(flatbuffer(name)).predict(x) for name in ("int8", "int4")])
        expected = COMBINERS["mean"].combine(outputs, [np.float32(0.5)] * 2)
        assert np.array_equal(answer["scores"], expected)

    def test_it_runs_in_a_clean_process(self, bundles: dict[str, Path], tmp_path: Path):
        make(bundles, tmp_path / "out", *NAMES, combine="vote")

        assert check_golden(tmp_path / "out") == GoldenCheck(0.0)

    def test_its_manifest_says_what_the_members_were(self, bundles: dict[str, Path], tmp_path: Path):
        result = make(bundles, tmp_path / "out", "ptq_w8a8", "qat_w4a8")
        loaded = load_bundle(tmp_path / "out")

        assert loaded.manifest.strategy == "ensemble"
        assert loaded.manifest.float_score is None
        assert loaded.manifest.lineage.members == {
            name: load_bundle(bundles[name]).sha256 for name in ("ptq_w8a8", "qat_w4a8")
        }
        assert {"ensemble.json", "result.json"} < set(loaded.manifest.files)
        assert json.loads((tmp_path / "out" / "result.json").read_text()) == result
        assert result["sha256"] == loaded.sha256

    def test_its_card_says_gain_and_price(self, bundles: dict[str, Path], tmp_path: Path):
        result = make(bundles, tmp_path / "out", "ptq_w8a8", "qat_w4a8")
        card = (tmp_path / "out" / "MODEL_CARD.md").read_text()

        assert "- ensemble of several flatbuffers in one, combined by `weighted`: `ptq_w8a8` (weight " in card
        assert f"against `{result['best']}`, the best single model (p = " in card
        assert "(float model" not in card

    def test_it_keeps_the_members_preprocessing(self, bundles: dict[str, Path], tmp_path: Path):
        make(bundles, tmp_path / "out", "ptq_w8a8", "qat_w4a8")

        assert load_bundle(tmp_path / "out").manifest.preprocessing.scale == (1 / 16,)

    def test_the_same_order_gives_the_same_flatbuffer_whatever_comes_first(
        self, bundles: dict[str, Path], tmp_path: Path
    ):
        one, other = (
            make(bundles, tmp_path / name, *names)["sha256"]
            for name, names in (("a", ("ptq_w8a8", "qat_w4a8")), ("b", ("qat_w4a8", "ptq_w8a8")))
        )

        assert one == other

    def test_an_ensemble_can_be_a_member(self, bundles: dict[str, Path], tmp_path: Path):
        inner = make(bundles, tmp_path / "inner", "ptq_w8a8", "qat_w4a8", combine="mean")
        paths = [tmp_path / "inner", bundles["float16"]]

        result = ensemble_bundles(paths, OwnData("digits"), tmp_path / "out", combine="mean")

        assert list(result["members"]) == [f"ensemble-{inner['sha256'][:8]}", "float16"]
        assert {"ensemble", *result["members"]} == set(result["losses"])

    def test_an_earlier_result_is_replaced(self, bundles: dict[str, Path], tmp_path: Path):
        for names in (("ptq_w8a8", "qat_w4a8"), ("qat_w4a8", "float16")):
            make(bundles, tmp_path / "out", *names)

        assert set(load_bundle(tmp_path / "out").manifest.lineage.members) == {"qat_w4a8", "float16"}


class TestRefused:
    def refuse(self, paths: list[Path], tmp_path: Path, data: str = "digits", **wanted: Any) -> str:
        with pytest.raises((ArtifactError, DataError, ModelError, ParamsError)) as error:
            ensemble_bundles(paths, OwnData(data), tmp_path / "out", **wanted)
        assert not (tmp_path / "out").exists()
        return str(error.value)

    def altered(self, tmp_path: Path, **fields: object) -> Path:
        """Build a bundle for data that differ in some fields."""
        data = replace(digits(), **fields)  # type: ignore[arg-type]
        return build_bundle(tmp_path / "other", candidate("other", flatbuffer("int4")), data, lineage())

    def test_one_bundle(self, bundles: dict[str, Path], tmp_path: Path):
        assert "needs two bundles at least" in self.refuse([bundles["ptq_w8a8"]], tmp_path)

    def test_the_same_model_twice(self, bundles: dict[str, Path], tmp_path: Path):
        twin = bundle(tmp_path / "twin", flatbuffer("int8"), "ptq_w8a8")

        assert "hold the same flatbuffer" in self.refuse([bundles["ptq_w8a8"], twin], tmp_path)
        assert "hold the same flatbuffer" in self.refuse([bundles["ptq_w8a8"]] * 2, tmp_path)

    def test_other_classes(self, bundles: dict[str, Path], tmp_path: Path):
        other = self.altered(tmp_path, class_names=tuple("abcdefghij"))

        said = self.refuse([bundles["ptq_w8a8"], other], tmp_path)
        assert f"the list of classes of {other} is ['a', 'b'" in said

    def test_other_preprocessing(self, bundles: dict[str, Path], tmp_path: Path):
        other = self.altered(tmp_path, preprocessing=Preprocessing((1.0,), (0.0,)))

        said = self.refuse([bundles["ptq_w8a8"], other], tmp_path)
        assert f"the preprocessing of {other} is {{'scale': [1.0]" in said

    def test_other_task_or_shape(self, bundles: dict[str, Path], tmp_path: Path):
        other = bundles["qat_w4a8"]
        manifest = json.loads((other / "manifest.json").read_text())
        for change, what in (
            ({"task": "regression", "labels": []}, "task"),
            ({"input": manifest["input"] | {"shape": [4, 16, 1]}}, "input shape"),
        ):
            altered = tmp_path / what
            altered.mkdir()
            for name in manifest["files"]:
                (altered / name).write_bytes((other / name).read_bytes())
            (altered / "manifest.json").write_text(json.dumps(manifest | change))
            assert f"the {what} of {altered} is" in self.refuse([bundles["ptq_w8a8"], altered], tmp_path)

    def test_what_is_no_bundle(self, bundles: dict[str, Path], tmp_path: Path):
        assert "is no bundle" in self.refuse([bundles["ptq_w8a8"], tmp_path], tmp_path)

    def test_data_of_another_shape(self, bundles: dict[str, Path], tmp_path: Path):
        np.savez(tmp_path / "flat.npz", x=np.random.default_rng(0).random((90, 64)), y=np.arange(90) % 10)

        said = self.refuse([bundles["ptq_w8a8"], bundles["qat_w4a8"]], tmp_path, str(tmp_path / "flat.npz"))
        assert "holds samples of shape [64]; the bundles are for [8, 8, 1]" in said

    def test_data_of_other_classes(self, bundles: dict[str, Path], tmp_path: Path):
        x = np.random.default_rng(0).random((90, 8, 8, 1)).astype(np.float32)
        np.savez(tmp_path / "few.npz", x=x, y=np.arange(90) % 3)

        said = self.refuse([bundles["ptq_w8a8"], bundles["qat_w4a8"]], tmp_path, str(tmp_path / "few.npz"))
        assert "holds the classes ['0', '1', '2']; the bundles are for ['0'," in said

    def test_nothing_to_combine(self, bundles: dict[str, Path], tmp_path: Path):
        """8 bits are the float model's own, but coarser: they get no weight."""
        said = self.refuse([bundles["ptq_w8a8"], bundles["float16"]], tmp_path)

        assert "nothing to combine: on the validation split no combination is better than float16 alone" in said
        assert said.endswith("use its bundle as it is")

    def test_an_unknown_combiner(self, bundles: dict[str, Path], tmp_path: Path):
        assert "Unknown combiner 'voting'" in self.refuse(list(bundles.values()), tmp_path, combine="voting")

    def test_a_place_that_holds_something_else(self, bundles: dict[str, Path], tmp_path: Path):
        (tmp_path / "mine").write_text("mine")

        with pytest.raises(ArtifactError, match="nothing is overwritten"):
            make(bundles, tmp_path, "ptq_w8a8", "qat_w4a8")
        assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_bundles_of_one_strategy_are_told_apart_by_their_digest(bundles: dict[str, Path], tmp_path: Path):
    other = bundle(tmp_path, flatbuffer("float32"), "ptq_w8a8")

    names = list(load_members([bundles["ptq_w8a8"], other, bundles["qat_w4a8"]]))

    assert names[2] == "qat_w4a8"
    assert [name.partition("-")[0] for name in names[:2]] == ["ptq_w8a8"] * 2
    assert names[1].endswith(load_bundle(other).sha256[:8])
