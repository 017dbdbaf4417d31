"""params.yaml: what is accepted, what is refused and in which words, and that edits keep the file."""

import time
from pathlib import Path

import pytest

from qatflow import params_file
from qatflow.errors import ParamsError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    copy = tmp_path / "params.yaml"
    copy.write_text((ROOT / "params.yaml").read_text())
    return copy


def test_shipped_file_is_valid_and_complete(file: Path) -> None:
    tree = params_file.read_tree(file)

    assert params_file.load(file).model_dump(mode="json") == {**tree, "release": {**tree["release"]}}


def test_scientific_notation_is_a_number(file: Path) -> None:
    params_file.edit(file, params_file.parse_assignments(["pretrain.learning_rate=1e-3"]))

    assert params_file.load(file).pretrain.learning_rate == 0.001


def test_widths_of_layers_are_told_by_any_name(file: Path) -> None:
    params_file.edit(file, params_file.parse_assignments(["quantize.layers={Conv2D_1: 8, 'head*': float}"]))

    assert params_file.load(file).quantize.layers == {"Conv2D_1": 8, "head*": "float"}


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("quantize.layers={conv: 6}", ["quantize.layers.conv", "4, 8 or 'float'"]),
        ("pretrain.epoch=5", ["pretrain.epoch", "Did you mean 'pretrain.epochs'"]),
        ("flow.timezone=Europe/Berln", ["'Europe/Berln' is no time zone", "Did you mean 'Europe/Berlin'"]),
        ("pretrian.epochs=5", ["Did you mean 'pretrain.epochs'"]),
        ('pretrain.epochs="5"', ["pretrain.epochs", "valid integer", "'5'"]),
        ('pretrain.learning_rate="1e-3"', ["pretrain.learning_rate", "valid number", "'1e-3'"]),
        ("pretrain.learning_rate=.nan", ["pretrain.learning_rate", "nan"]),
        ("pretrain.learning_rate=-0.1", ["pretrain.learning_rate", "greater than 0"]),
        ("pretrain.epochs=-1", ["pretrain.epochs", "greater than or equal to 0"]),
        ("pretrain.epochs=0", ["pretrain.epochs 0 takes a model as it is", "'file'"]),
        ("quantize.training.epochs=0", ["quantize.training.epochs", "greater than or equal to 1"]),
        ("data.val_fraction=0.9", ["val_fraction + test_fraction must stay below 1"]),
        ("quantize.variants=[ptq_w8a8, ptq_w8a8]", ["names one twice"]),
        ("quantize.variants=[]", ["quantize.variants", "at least 1"]),
        ("ensemble.members=[ptq_w8a8]", ["ensemble.members", "needs two members at least"]),
        ("ensemble.members=[qat_w4a8, qat_w4a8]", ["ensemble.members", "named twice"]),
        ("ensemble.members=[ptq_w8a8, qat_w4a]", ["qat_w4a, not among quantize.variants", "mean 'qat_w4a8'"]),
        ("ensemble.members=5", ["expected auto, none or a list of variants"]),
        ("ensemble.size=1", ["ensemble.size", "greater than or equal to 2"]),
        ("tracking.uri=./mlruns", ["tracking.uri"]),
        ("seed", ["expected NAME=VALUE"]),
        ("data.path=!!python/object/apply:os.system [true]", ["not plain YAML"]),
    ],
)
def test_bad_assignment_says_what_and_where_and_changes_nothing(file: Path, assignment: str, words: list[str]) -> None:
    before = file.read_bytes()

    with pytest.raises(ParamsError) as error:
        params_file.edit(file, params_file.parse_assignments([assignment]))

    assert [word for word in words if word not in str(error.value)] == []
    assert file.read_bytes() == before


def test_unknown_key_in_file_names_the_nearest(file: Path) -> None:
    file.write_text(file.read_text().replace("batch_size: 64", "batchsize: 64", 1))

    with pytest.raises(
        ParamsError, match=r"pretrain\.batchsize: unknown parameter\. Did you mean 'pretrain\.batch_size'"
    ):
        params_file.load(file)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a: &x [1]\nb: *x\n", "aliases"),
        ("seed: [", "not plain YAML"),
        ("a: 1\na: 2\n", "duplicate key"),
        ("- 1\n", "not right"),
        ("seed: 1\n" + "#" * (1 << 20), "bytes"),
    ],
)
def test_hostile_yaml_is_refused(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(content)

    with pytest.raises(ParamsError, match=words):
        params_file.load(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"nowhere\.yaml: No such file"):
        params_file.load(tmp_path / "nowhere.yaml")


def test_edit_keeps_comments_and_other_lines(file: Path) -> None:
    before = file.read_text().splitlines()
    comment = "# 0 takes your own model as it is"

    changes = params_file.edit(file, {"pretrain.epochs": 3, "seed": 42})

    after = file.read_text().splitlines()
    assert changes == {"pretrain.epochs": (30, 3)}
    assert [(old, new) for old, new in zip(before, after, strict=True) if old != new] == [
        (f"  epochs: 30                {comment}", f"  epochs: 3                 {comment}")
    ]


def test_gate_settings_can_be_set(file: Path) -> None:
    params_file.edit(file, {"release.gates.size.max_ratio": 0.5})

    assert params_file.load(file).release.gates["size"] == {"max_ratio": 0.5}


def test_flatten_gives_dotted_names() -> None:
    assert params_file.flatten({"a": {"b": {"c": 1}}, "d": [2]}) == {"a.b.c": 1, "d": [2]}


SIZE = 250_000
HOSTILE = {
    "flow lists": "seed: " + "[" * SIZE,
    "flow lists that end": "seed: " + "[" * 4000 + "]" * 4000,
    "flow sections": "{a: " * (SIZE // 4),
    "block lists": "- " * (SIZE // 2),
    "block sections": "\n".join(" " * depth + f"a{depth}:" for depth in range(500)),
    "complex keys": "? " * (SIZE // 2),
    "keys": "\n".join(f"k{number}: 1" for number in range(20_000)),
    "values": f"seed: [{'1,' * 100_000}]",
    "digits": "seed: " + "9" * 10_000,
    "letters": "seed: " + "a" * SIZE,
    "lines": "seed: x\n" + "  y\n" * (SIZE // 4),
    "a date that is none": "seed: 2001-99-99",
    "bytes": "seed: \x80",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_text_is_refused_in_a_moment(what: str, tmp_path: Path):
    path = tmp_path / "params.yaml"
    path.write_text(HOSTILE[what])

    began = time.process_time()
    with pytest.raises(ParamsError) as refused:
        params_file.load(path)

    assert time.process_time() - began < 5
    assert len(str(refused.value)) < 5000
