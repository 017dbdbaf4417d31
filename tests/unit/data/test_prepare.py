"""The prepare stage from files to card and shards."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from qatflow.artifacts import Array
from qatflow.data.card import DataCard
from qatflow.data.duplicates import Duplicates
from qatflow.data.prepare import prepare_data
from qatflow.data.prepared import PreparedData
from qatflow.data.preprocessing import Preprocessing
from qatflow.errors import DataError, ParamsError
from qatflow.params.data import DataParams
from qatflow.progress import silent

Save = Callable[..., str]
Prepare = Callable[..., PreparedData]
Labelled = tuple[Array, Array]


def test_card_of_the_digits(prepare: Prepare) -> None:
    card = prepare().card

    assert card.samples == {"train": 1186, "val": 251, "test": 360}
    assert sum(card.class_counts["train"].values()) == 1186
    assert (card.x_shape, card.x_dtype, card.y_shape) == ((8, 8, 1), "uint8", ())
    assert (card.normalization, card.preprocessing) == ("unit", Preprocessing((0.0625,), (0.0,)))
    assert (card.value_range.min, card.value_range.max, card.full_scale) == (0.0, 16.0, 16.0)
    assert [file.path for file in card.files] == ["sklearn/datasets/data/digits.csv.gz"]


def test_card_is_what_is_written(tmp_path: Path) -> None:
    card = prepare_data(DataParams(), "auto", 42, tmp_path)

    assert DataCard.read(tmp_path) == card


def test_equal_seed_equal_bytes_other_seed_other_splits(tmp_path: Path) -> None:
    first, second, other = (
        prepare_data(DataParams(), "auto", seed, tmp_path / name) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )

    assert first == second
    for path in sorted((tmp_path / "a").rglob("*.npy")):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()
    assert first.sha256 != other.sha256


def test_path_stays_as_the_user_wrote_it(
    save_npz: Save, labelled: Labelled, prepare: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_npz(x=labelled[0], y=labelled[1])
    monkeypatch.chdir(tmp_path)

    assert prepare(source="arrays", path="data.npz").card.files[0].path == "data.npz"


def test_unknown_source_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"Unknown data source 'digit'.*Did you mean 'digits'"):
        prepare_data(DataParams(source="digit"), "auto", 0, tmp_path)


def test_duplicates_across_splits(save_npz: Save, labelled: Labelled, prepare: Prepare) -> None:
    x, y = labelled
    path = save_npz(x_train=x, y_train=y, x_test=np.vstack([x[:6], x[50:] + 1]), y_test=np.r_[y[:6], y[50:]])
    card = prepare(source="arrays", path=path).card

    assert card.duplicates == Duplicates(within=0, across=6, dropped=6, conflicting_labels=0)
    assert card.samples["train"] + card.samples["val"] == 54
    with pytest.raises(DataError, match="6 different samples are in more than one split"):
        prepare(source="arrays", path=path, duplicates="refuse")


def test_mislabelled_samples_are_counted(save_npz: Save, labelled: Labelled, prepare: Prepare) -> None:
    x, y = labelled
    path = save_npz(x=np.vstack([x, x[:4]]), y=np.r_[y, (y[:4] + 1) % 3])

    assert prepare(source="arrays", path=path).card.duplicates.conflicting_labels == 4


def test_constant_features_are_counted_and_harmless(save_npz: Save, labelled: Labelled, prepare: Prepare) -> None:
    x, y = labelled
    x[:, 2] = 5.0
    data = prepare(source="arrays", path=save_npz(x=x, y=y))

    assert data.card.constant_features == 1
    assert data.card.normalization == "standard"
    assert (data.train.arrays()[0][:, 2] == 0).all()


def test_imbalance_of_100_to_1_keeps_the_rare_class_everywhere(save_npz: Save, prepare: Prepare) -> None:
    x = np.random.default_rng(0).normal(size=(1010, 2))
    counts = prepare(source="arrays", path=save_npz(x=x, y=np.repeat([0, 1], [1000, 10]))).card.class_counts

    assert sum(counts[split]["1"] for split in ("train", "val", "test")) == 10
    assert min(counts[split]["1"] for split in ("train", "val", "test")) >= 1


def test_max_samples_caps_each_split(prepare: Prepare) -> None:
    card = prepare(max_samples=50).card

    assert card.samples == {"train": 50, "val": 50, "test": 50}
    assert set(card.class_counts["train"].values()) == {5}


def test_anomaly_counts(save_npz: Save, labelled: Labelled, prepare: Prepare) -> None:
    x, _ = labelled
    y = np.repeat([0, 1], [50, 10])
    card = prepare(source="arrays", path=save_npz(x=x, y=y), task="anomaly").card

    assert card.class_counts["test"]["anomaly"] == 10
    assert card.class_counts["test"]["normal"] > 0
    assert card.class_counts["train"]["anomaly"] == card.class_counts["val"]["anomaly"] == 0


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (slice(0, 0), "The data set is empty"),
        (slice(0, 1), "All samples have one class, '0'"),
        (slice(0, 60, 3), "All samples have one class, '0'"),
        (slice(0, 4), r"Split 'train' has 1 of 4 samples, each needs at least 2: bring more data"),
        (slice(0, 8), r"Class '2' has no sample in split 'val' \(2 in all splits\)"),
    ],
)
def test_too_little_data(
    keep: slice, message: str, save_npz: Save, labelled: Labelled, prepare: Prepare, tmp_path: Path
) -> None:
    x, y = labelled
    with pytest.raises(DataError, match=message):
        prepare(source="arrays", path=save_npz(x=x[keep], y=y[keep]))
    assert not list(tmp_path.glob("prepared-*"))


def test_one_row_of_regression(save_npz: Save, prepare: Prepare) -> None:
    with pytest.raises(DataError, match=r"Split 'train' has [01] of 1 samples, each needs at least 2"):
        prepare(source="arrays", path=save_npz(x=np.ones((1, 2)), y=np.ones(1)), task="regression")


def test_class_that_only_the_test_split_has(save_npz: Save, labelled: Labelled, prepare: Prepare) -> None:
    x, y = labelled
    path = save_npz(x_train=x[:30], y_train=y[:30] % 2, x_test=x[30:], y_test=y[30:])

    with pytest.raises(DataError, match="Class '2' has no sample in split 'train'"):
        prepare(source="arrays", path=path)


def test_nan_in_the_middle_leaves_nothing_behind(
    save_npz: Save, labelled: Labelled, prepare: Prepare, tmp_path: Path
) -> None:
    x, y = labelled
    x[33, 1] = np.nan
    with pytest.raises(DataError, match=r"sample 33 holds nan at \(1,\)"):
        prepare(source="arrays", path=save_npz(x=x, y=y))
    assert not list(tmp_path.glob("*prepared-*"))


@pytest.mark.parametrize(
    ("changed", "message"),
    [("x", "Samples changed while they were read, from 0 on"), ("y", "data.npz changed while it was read")],
)
def test_file_that_changes_between_hash_and_last_read(
    changed: str, message: str, save_npz: Save, labelled: Labelled, prepare: Prepare
) -> None:
    arrays = dict(zip("xy", labelled, strict=True))
    path = save_npz(**arrays)
    arrays[changed] = arrays[changed][::-1].copy()

    def overwrite(label: str, done: int, total: int) -> None:
        if (label, done) == ("checking data", total):
            save_npz(**arrays)

    with pytest.raises(DataError, match=message):
        prepare(source="arrays", path=path, progress=overwrite)


def test_file_that_shrinks_while_it_is_read(save_npz: Save, labelled: Labelled, prepare: Prepare) -> None:
    x, y = labelled
    path = save_npz(x=x, y=y)

    with pytest.raises(DataError, match=r"data\.npz.* cannot be read .*truncated"):
        prepare(source="arrays", path=path, progress=lambda *_: Path(path).write_bytes(b""))


def test_progress_never_passes_its_total(prepare: Prepare) -> None:
    steps: list[tuple[str, int, int]] = []
    prepare(progress=lambda *step: steps.append(step))

    assert steps[-1] == ("writing data", 1797, 1797)
    assert all(0 <= done <= total for _, done, total in steps)
    assert silent("", 0, 0) is None
