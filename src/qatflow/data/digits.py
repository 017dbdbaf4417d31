"""The embedded default: scikit-learn's 1,797 handwritten 8x8 digits (UCI optdigits test set)."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from qatflow.artifacts import Array
from qatflow.data.base import Chunk, RawData
from qatflow.data.labels import numeric_targets
from qatflow.params.data import DataParams

FULL_SCALE = 16.0


def read_digits(data: DataParams) -> RawData:
    """Open the digits: (8, 8, 1) uint8, 0 to 16.

    Regression predicts the digit as a number. For anomaly detection zeros are normal, all other digits anomalous.
    """
    import sklearn
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    images = x.reshape(-1, 8, 8, 1).astype(np.uint8)
    labels = (y != 0) if data.task == "anomaly" else y

    def chunks() -> Iterator[Chunk]:
        yield Chunk(images, numeric_targets("digits", labels, data.task))

    package = Path(sklearn.__file__).parent
    return RawData(
        splits={"all": chunks},
        class_names=_class_names(y) if data.task == "classification" else (),
        full_scale=FULL_SCALE,
        count=len(images),
        files=(package / "datasets" / "data" / "digits.csv.gz",),
        root=package.parent,
    )


def _class_names(y: Array) -> tuple[str, ...]:
    return tuple(str(digit) for digit in np.unique(y))
