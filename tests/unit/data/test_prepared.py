"""What later stages get."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from qatflow.artifacts import Array
from qatflow.data.prepared import PreparedData, open_prepared
from qatflow.errors import ArtifactError

Save = Callable[..., str]
Prepare = Callable[..., PreparedData]


@pytest.fixture
def data(prepare: Prepare, save_npz: Save, labelled: tuple[Array, Array]) -> PreparedData:
    """37 training samples of 4 features, not normalized."""
    return prepare("none", source="arrays", path=save_npz(x=labelled[0], y=labelled[1]))


def test_describes_the_data(data: PreparedData) -> None:
    assert (data.task, data.class_names, data.input_shape, data.num_outputs) == (
        "classification",
        ("0", "1", "2"),
        (4,),
        3,
    )
    assert [(split.name, split.count, split.x_shape) for split in (data.train, data.val, data.test)] == [
        ("train", 37, (4,)),
        ("val", 10, (4,)),
        ("test", 13, (4,)),
    ]


@pytest.mark.parametrize(("task", "y", "outputs"), [("regression", np.ones((60, 2)), 2), ("anomaly", None, 4)])
def test_outputs_of_other_tasks(
    task: str, y: Array | None, outputs: int, prepare: Prepare, save_npz: Save, labelled: tuple[Array, Array]
) -> None:
    targets = np.repeat([0, 1], [40, 20]) if y is None else y

    assert prepare(source="arrays", path=save_npz(x=labelled[0], y=targets), task=task).num_outputs == outputs


def test_batches_in_stored_order(data: PreparedData) -> None:
    batches = list(data.train.batches(16))
    x, y = data.train.arrays()

    assert [len(batch) for batch, _ in batches] == [16, 16, 5]
    assert np.array_equal(np.concatenate([batch for batch, _ in batches]), x)
    assert np.array_equal(np.concatenate([labels for _, labels in batches]), y)
    assert np.array_equal(data.train.labels(), y)
    assert x.dtype == np.float32


def test_seed_and_epoch_decide_the_order(data: PreparedData) -> None:
    def order(seed: int, epoch: int) -> list[float]:
        return [value for x, _ in data.train.batches(16, seed, epoch) for value in x[:, 0].tolist()]

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)
    assert sorted(order(1, 0)) == sorted(order(2, 3))


def test_samples_keep_their_labels_when_shuffled(data: PreparedData, labelled: tuple[Array, Array]) -> None:
    label_of = dict(zip(labelled[0][:, 0].tolist(), labelled[1].tolist(), strict=True))

    for x, y in data.train.batches(10, seed=3):
        assert [label_of[value] for value in x[:, 0].tolist()] == y.tolist()


def test_other_targets_go_with_their_samples(data: PreparedData) -> None:
    targets = np.stack([data.train.arrays()[0][:, 0], np.arange(37, dtype=np.float32)], axis=1)

    for seed in (None, 3):
        for x, y in data.train.batches(10, seed, targets=targets):
            assert y.shape == (len(x), 2)
            assert np.array_equal(y[:, 0], x[:, 0])


def test_drop_remainder_and_limit(data: PreparedData) -> None:
    assert [len(x) for x, _ in data.train.batches(16, drop_remainder=True)] == [16, 16]
    assert len(data.train.arrays(5)[0]) == 5
    assert len(data.train.arrays(500)[0]) == 37


def test_first_samples_are_a_fair_sample_of_sorted_data(prepare: Prepare, save_npz: Save) -> None:
    x = np.random.default_rng(0).normal(size=(3000, 2))
    data = prepare(source="arrays", path=save_npz(x=x, y=np.repeat([0, 1, 2], 1000)))
    counts = np.bincount(data.train.arrays(300)[1])

    assert (counts > 70).all()


def test_altered_shard_is_refused(prepare: Prepare, tmp_path: Path) -> None:
    prepare()
    shard = tmp_path / "prepared-0" / "test" / "x-00000.npy"
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)

    with pytest.raises(ArtifactError, match=r"test/x-00000\.npy was altered"):
        open_prepared(tmp_path / "prepared-0")
