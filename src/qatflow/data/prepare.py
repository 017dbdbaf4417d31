"""The prepare stage: two passes over a source become checked, split, shuffled shards and a data card.

Memory holds a chunk, a shard and less than 100 bytes for each sample, however large the samples are.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qatflow.artifacts import Array
from qatflow.data import SOURCES
from qatflow.data.base import RawData, in_order
from qatflow.data.card import DataCard, describe_samples, describe_values, digest_shards
from qatflow.data.checks import check_splits
from qatflow.data.duplicates import Duplicates, resolve_duplicates
from qatflow.data.files import card_entries, check_unchanged, hash_files
from qatflow.data.index import Index, build_index
from qatflow.data.preprocessing import choose_normalization
from qatflow.data.splits import assign_splits, cap, split_rule, strata_of
from qatflow.data.write import write_splits
from qatflow.errors import lookup
from qatflow.params.data import DataParams
from qatflow.progress import Progress, silent


def prepare_data(
    data: DataParams,
    normalization: str,
    seed: int,
    out: Path,
    progress: Progress = silent,
    columns: Sequence[str] = (),
) -> DataCard:
    """Check, split and write a data set; equal files, parameters and seed give equal bytes.

    Args:
        data: Source, path, task and how to split.
        normalization: `auto`, `unit`, `standard` or `none`.
        seed: Decides splits and order.
        out: Folder to fill with data_card.json and train/, val/, test/ with shards x-NNNNN.npy and y-NNNNN.npy.
        progress: Told about both passes.
        columns: Names of columns in the order in which they are to go; empty to take them as they are.

    Returns:
        The data card.

    Raises:
        ParamsError: If the source is unknown.
        DataError: If the data cannot be used.
    """
    raw = in_order(lookup("data source", data.source, SOURCES)(data), columns)
    files = hash_files(raw)
    index = build_index(raw, data.task, progress)
    rng = np.random.default_rng(seed)
    splits, duplicates = plan_splits(index, raw, data, seed)
    train = write_splits(raw, index, splits, rng, out, progress)
    check_unchanged(raw, files)
    kind = choose_normalization(normalization, raw.full_scale, index.x_shape)
    card = DataCard.model_validate(
        {
            "source": data.source,
            "task": data.task,
            **describe_samples(raw, index, splits, duplicates),
            "split": split_rule(index, data, seed),
            **describe_values(train, kind, raw.full_scale),
            **card_entries(files),
            "sha256": digest_shards(out),
        }
    )
    card.write(out)
    return card


def plan_splits(index: Index, raw: RawData, data: DataParams, seed: int) -> tuple[Array, Duplicates]:
    """Decide the split of every sample: drawn or given, without duplicates across splits, capped, checked.

    Returns:
        (n,) int8 split of each sample, and the duplicates found.

    Raises:
        DataError: If duplicates are refused, or a split does not hold what it must.
    """
    splits, duplicates = resolve_duplicates(index, assign_splits(index, data, seed), data.duplicates)
    if data.max_samples is not None:
        splits = cap(splits, strata_of(index.y), data.max_samples, np.random.default_rng(seed))
    check_splits(splits, index.y, data.task, raw.class_names, duplicates.within + duplicates.dropped)
    return splits, duplicates
