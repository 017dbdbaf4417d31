"""The amount read at once, and the bomb rule."""

import pytest

from qatflow.data.limits import check_inflation, rows_per_chunk
from qatflow.errors import DataError


@pytest.mark.parametrize(("sample_bytes", "rows"), [(1, 8192), (512, 8192), (3072, 1365), (5 << 20, 1), (0, 8192)])
def test_chunk_has_at_most_4_mib_and_8192_rows(sample_bytes: int, rows: int) -> None:
    assert rows_per_chunk("x", sample_bytes) == rows


def test_refuses_a_sample_larger_than_memory_allows() -> None:
    with pytest.raises(DataError, match="one sample has 268435457 bytes"):
        rows_per_chunk("x", (256 << 20) + 1)


def test_bomb_needs_both_size_and_ratio() -> None:
    check_inflation("small", 1, 256 << 20)
    check_inflation("dense", 2 << 20, 400 << 20)
    with pytest.raises(DataError, match=r"a\.npz would inflate from 1048576 to 419430400 bytes.*bomb"):
        check_inflation("a.npz", 1 << 20, 400 << 20)
