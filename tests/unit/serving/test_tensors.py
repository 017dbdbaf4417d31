import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qatflow.serving import tensors
from qatflow.serving.replies import RefusalError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(width=32, allow_nan=False) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=1), inner, max_size=2),
    max_leaves=12,
)


@given(arrays(np.float32, st.tuples(st.integers(1, 4), st.just(3), st.just(1)), elements=st.floats(-9, 9, width=32)))
def test_nested_lists_become_what_they_say(x):
    found = tensors.samples(x.tolist(), (3, 1), 4)
    assert found.dtype == np.float32
    assert found.tolist() == x.tolist()


@given(JSON)
def test_anything_else_is_samples_or_refused(values):
    try:
        found = tensors.samples(values, (2,), 3)
    except RefusalError:
        return
    assert found.shape[1:] == (2,)
    assert found.tolist() == np.float32(values).tolist()


NO_NUMBERS = [["a", "b"]], [[1, "2"]], [[None, 1]], [[True, False]], [[0.5, True]], [[1, [2]]]


@pytest.mark.parametrize("values", [["ab"], [{"a": 1, "b": 2}], "ab", *NO_NUMBERS])
def test_what_has_the_length_but_no_numbers_is_refused(values):
    with pytest.raises(RefusalError):
        tensors.samples(values, (2,), 3)


def test_a_sum_beyond_float32_of_finite_values_is_no_fault():
    x = [[3e38, 3e38]]
    assert tensors.samples(x, (2,), 1).tolist() == np.float32(x).tolist()
    with pytest.raises(RefusalError, match="beyond float32"):
        tensors.samples([[1e39, 0.0]], (2,), 1)
