from hypothesis import given
from hypothesis import strategies as st

from qatflow.search.pareto import pareto_front

rows = st.lists(st.tuples(*[st.integers(-4, 4)] * 3), max_size=12)


def dominates(a, b):
    return all(x <= y for x, y in zip(a, b, strict=True)) and a != b


@given(rows)
def test_the_front_is_all_that_nothing_dominates(costs):
    assert pareto_front(costs) == [not any(dominates(other, row) for other in costs) for row in costs]


@given(rows)
def test_everything_off_the_front_is_dominated_by_a_member_of_it(costs):
    front = [row for row, on in zip(costs, pareto_front(costs), strict=True) if on]

    assert bool(front) == bool(costs)
    for row, on in zip(costs, pareto_front(costs), strict=True):
        assert on or any(dominates(member, row) for member in front)


def test_smaller_but_worse_and_faster_but_larger_all_have_their_place():
    assert pareto_front([(100, -0.9, 5.0), (50, -0.8, 5.0), (100, -0.9, 4.0), (120, -0.9, 6.0)]) == [
        False,
        True,
        True,
        False,
    ]
