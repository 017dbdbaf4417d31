import numpy as np

from qatflow.online.newcomers import MAX_NAMES, Newcomers


def test_a_class_comes_to_be_when_its_samples_are_enough():
    newcomers = Newcomers(12, 3, (2,))
    assert newcomers.take("a", np.full(2, 0.0), 10) is None
    assert newcomers.take("b", np.full(2, 9.0), 10) is None
    assert newcomers.take("a", np.full(2, 1.0), 10) is None
    assert newcomers.waiting == 3
    held = newcomers.take("a", np.full(2, 2.0), 10)
    assert [x[0] for x in held] == [0.0, 1.0, 2.0]
    assert newcomers.waiting == 1


def test_the_last_class_lets_go_of_all_others():
    newcomers = Newcomers(11, 2, (1,))
    newcomers.take("a", np.zeros(1), 10)
    newcomers.take("b", np.zeros(1), 10)
    assert newcomers.take("a", np.zeros(1), 10)
    assert (newcomers.waiting, newcomers.forgotten) == (0, 1)


def test_labels_that_do_not_come_again_do_not_fill_memory():
    newcomers = Newcomers(100, 3, (1,))
    for number in range(1000):
        newcomers.take(f"typo {number}", np.zeros(1), 10)
    assert newcomers.waiting == MAX_NAMES
    assert newcomers.forgotten == 1000 - MAX_NAMES


def test_it_goes_on_from_its_state():
    one, other = Newcomers(20, 3, (1,)), Newcomers(20, 3, (1,))
    for name in ("a", "b", "a"):
        one.take(name, np.array([len(name)], np.float32), 10)
    other.restore(one.arrays(), one.state())
    assert other.state() == one.state()
    assert len(other.take("a", np.zeros(1), 10)) == 3
