"""Columns that a client names go into the order of the model's vector; unknown and missing ones are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from qatflow.release import bundle_runtime
from qatflow.release.manifest import BundleManifest
from qatflow.serving import tensors
from qatflow.serving.replies import RefusalError, shown
from qatflow.serving.served import Floats


def taken(names: Any, rows: Any, manifest: BundleManifest, max_batch: int) -> Floats:
    """Return samples (n, columns) float32 of rows, in the order that the model knows.

    Args:
        names: Of the rows' columns, as the client gave them. Only looked at if the model knows names itself.
        rows: Lists of numbers, or an array (n, columns) of finite ones.
        manifest: The model's.
        max_batch: Most rows.

    Raises:
        RefusalError: 400 if the model takes no vectors, the columns are not its own, or the rows are no samples; 413 if
            they are too many.
    """
    shape = manifest.input.shape
    if len(shape) != 1:
        raise RefusalError(400, f"rows are vectors, the model takes samples of {list(shape)}; send inputs or instances")
    if not manifest.features:
        return _samples(rows, shape, max_batch)
    if not isinstance(names, list):
        raise RefusalError(400, f"columns are {shown(names)}; expected a list with the name of each")
    if names == list(manifest.features):
        return _samples(rows, shape, max_batch)
    try:
        order = bundle_runtime.column_order(manifest.features, names)
    except ValueError as error:
        raise RefusalError(400, str(error)) from None
    return np.take(_samples(rows, shape, max_batch), order, axis=1)


def _samples(rows: Any, shape: tuple[int, ...], max_batch: int) -> Floats:
    if isinstance(rows, np.ndarray):
        return tensors.batch_of(rows, shape, max_batch)
    return tensors.samples(rows, shape, max_batch)


def rows_of(table: Mapping[str, Any]) -> list[list[Any]]:
    """Return the rows of columns (n,), or (n, 1), that a client names.

    Raises:
        RefusalError: 400 if they are no lists of one length.
    """
    if not all(isinstance(values, list) for values in table.values()) or len(set(map(len, table.values()))) != 1:
        raise RefusalError(400, "columns by name must be lists of numbers, all of one length")
    flat = ([one[0] if isinstance(one, list) and len(one) == 1 else one for one in values] for values in table.values())
    return [list(row) for row in zip(*flat, strict=True)]
