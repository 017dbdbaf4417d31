import numpy as np

from qatflow.online import figures
from qatflow.online.figures import BUCKET, Prequential, Window


def test_accuracy_of_each_bucket():
    prequential = Prequential()
    assert prequential.recent() is None
    prequential.add(np.arange(BUCKET * 2 + 30) % 4 == 0)
    ends, accuracy = prequential.curve()
    assert ends.tolist() == [BUCKET, 2 * BUCKET]
    assert accuracy.tolist() == [0.25, 0.25]
    assert prequential.recent() == 0.25


def test_goes_on_within_a_bucket():
    hits = np.random.default_rng(0).random(950) < 0.7
    whole, first = Prequential(), Prequential()
    whole.add(hits)
    first.add(hits[:333])
    resumed = Prequential()
    resumed.restore(first.arrays())
    resumed.add(hits[333:])
    assert [part.tolist() for part in whole.curve()] == [part.tolist() for part in resumed.curve()]


def test_of_a_long_stream_the_oldest_go(monkeypatch):
    monkeypatch.setattr(figures, "MAX_BUCKETS", 3)
    prequential = Prequential()
    prequential._hits = type(prequential._hits)(maxlen=3)
    prequential.add(np.ones(5 * BUCKET, bool))
    assert prequential.curve()[0].tolist() == [3 * BUCKET, 4 * BUCKET, 5 * BUCKET]


def test_a_window_holds_the_last_samples():
    window = Window(3, (2,))
    for value in range(5):
        window.add(np.full((1, 2), value, np.float32), np.array([value]))
    assert window.labels.tolist() == [2, 3, 4]
    again = Window(3, (2,))
    again.restore(window.arrays())
    assert again.x.tolist() == window.x.tolist()
