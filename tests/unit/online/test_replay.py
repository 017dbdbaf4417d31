import json

import numpy as np
import pytest

from qatflow.online.replay import Replay

ANCHOR = (np.arange(20, dtype=np.float32).reshape(20, 1), np.zeros(20, np.int64))


def stream(start, count):
    return np.arange(start, start + count, dtype=np.float32).reshape(-1, 1), np.ones(count, np.int64)


def test_half_of_a_draw_is_old_once_there_is_something_new():
    replay = Replay(ANCHOR, 10, 1)
    assert replay.draw(8)[1].sum() == 0
    replay.add(*stream(100, 2))
    assert replay.draw(8)[1].sum() == 2
    replay.add(*stream(102, 50))
    x, labels = replay.draw(8)
    assert labels.tolist() == [0] * 4 + [1] * 4
    assert len(np.unique(x)) == 8


def test_every_sample_of_a_stream_is_held_as_often():
    held = np.zeros(40)
    for seed in range(2000):
        replay = Replay(ANCHOR, 10, seed)
        replay.add(*stream(0, 40))
        held[replay.arrays()["x"].astype(int).ravel()] += 1
    np.testing.assert_allclose(held / 2000, 0.25, atol=0.05)


@pytest.mark.parametrize("before", [0, 3, 10, 37])
def test_goes_on_from_its_state_bit_for_bit(before):
    whole, first = Replay(ANCHOR, 10, 5), Replay(ANCHOR, 10, 5)
    for replay in (whole, first):
        replay.add(*stream(0, before))
        replay.draw(4)
    arrays = {name: value.copy() for name, value in first.arrays().items()}
    resumed = Replay(ANCHOR, 10, 99)
    resumed.restore(arrays, json.loads(json.dumps(first.state())))
    for replay in (whole, resumed):
        replay.add(*stream(before, 25))
    assert [part.tolist() for part in whole.draw(8)] == [part.tolist() for part in resumed.draw(8)]
    assert whole.arrays()["x"].tolist() == resumed.arrays()["x"].tolist()


def test_fewer_training_samples_than_asked_for_are_all_there_is():
    assert len(Replay(ANCHOR, 10, 1).draw(50)[0]) == 20
