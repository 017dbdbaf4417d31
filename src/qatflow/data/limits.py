"""How much is read at once, and when a compressed file is refused as a decompression bomb."""

from qatflow.errors import DataError

CHUNK_ROWS = 8192
CHUNK_BYTES = 4 << 20
SAMPLE_BYTES = 256 << 20
INFLATION = 200
INFLATED_BYTES = 256 << 20


def rows_per_chunk(where: str, sample_bytes: int) -> int:
    """Return how many samples of `sample_bytes` bytes are read at once.

    Raises:
        DataError: If one sample alone is larger than `SAMPLE_BYTES`.
    """
    if sample_bytes > SAMPLE_BYTES:
        raise DataError(f"{where}: one sample has {sample_bytes} bytes, at most {SAMPLE_BYTES} are supported")
    return max(1, min(CHUNK_ROWS, CHUNK_BYTES // max(1, sample_bytes)))


def check_inflation(where: str, compressed_bytes: int, inflated_bytes: int) -> None:
    """Refuse what would inflate more than 200-fold to more than 256 MiB; real data compress far less.

    Raises:
        DataError: If both limits are passed.
    """
    if inflated_bytes > INFLATED_BYTES and inflated_bytes > INFLATION * compressed_bytes:
        raise DataError(
            f"{where} would inflate from {compressed_bytes} to {inflated_bytes} bytes; that looks like a decompression "
            f"bomb (more than {INFLATION}-fold and {INFLATED_BYTES >> 20} MiB). Save the data uncompressed."
        )
