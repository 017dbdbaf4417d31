"""Data sources, checks, splits and the prepared shards every later stage reads. No TensorFlow at import."""

from qatflow.data.arrays import read_arrays
from qatflow.data.base import DataSource
from qatflow.data.csv_table import read_csv
from qatflow.data.digits import read_digits
from qatflow.data.idx import read_idx
from qatflow.data.image_folder import read_image_folder

SOURCES: dict[str, DataSource] = {
    "arrays": read_arrays,
    "csv": read_csv,
    "digits": read_digits,
    "idx": read_idx,
    "image_folder": read_image_folder,
}
