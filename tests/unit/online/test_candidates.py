"""A candidate is held to what is deployed, and noise on the window is no gain. Real flatbuffers of digits."""

from dataclasses import replace

import numpy as np

from qatflow.online.candidates import Judge, Judged, Place
from qatflow.online.figures import Window
from qatflow.params.online import OnlineParams
from qatflow.tflite.runtime import Runner
from tests.unit.release.fabricate import digits, flatbuffer

SETTINGS = OnlineParams(max_holdout_drop=0.001)


def judge(model: bytes, deployed: bytes, window: Window, *, at_start: float = 0.5, **settings) -> Judged:
    place = Place(1, 500, digits().class_names, "7", at_start)
    judging = Judge(*digits().test.arrays(), SETTINGS.model_copy(update=settings))
    return judging(model, Runner(deployed), window, place)


def window(labels: np.ndarray | None = None) -> Window:
    x, y = digits().val.arrays()
    made = Window(len(x), x.shape[1:])
    made.add(x, y if labels is None else labels)
    return made


def answers(model: str) -> np.ndarray:
    return Runner(flatbuffer(model)).predict(digits().val.arrays()[0]).argmax(axis=1)


def on_test(model: str) -> float:
    x, y = digits().test.arrays()
    return float((Runner(flatbuffer(model)).predict(x).argmax(axis=1) == y).mean())


WORSE, BETTER = sorted(("int4", "int8"), key=on_test)


def test_the_limit_counts_from_what_is_deployed_not_from_the_model_that_learning_began_with():
    found = judge(flatbuffer(WORSE), flatbuffer(BETTER), window(answers(WORSE)), min_window_gain=-1.0)

    assert (found.holdout, found.holdout_champion) == (on_test(WORSE), on_test(BETTER))
    assert found.outcome == "dropped"
    assert found.reasons == (
        f"hold-out {on_test(WORSE):.4f} is more than max_holdout_drop below {on_test(BETTER):.4f} of what is deployed",
    )


def test_nor_do_small_losses_add_up_from_candidate_to_candidate():
    found = judge(flatbuffer(WORSE), flatbuffer(WORSE), window(), at_start=0.99, min_window_gain=-1.0)

    (reason,) = found.reasons
    assert reason.endswith("is more than max_holdout_drop below 0.9900 of what was deployed at the start")


def test_a_gain_within_noise_on_the_window_promotes_nobody():
    """The labels are what the candidate answers: it beats the champion where the two differ, on very few samples."""
    labels = answers("int4").copy()
    differing = np.flatnonzero(labels != answers("int8"))
    labels[differing[2:]] = answers("int8")[differing[2:]]
    few = judge(flatbuffer("int4"), flatbuffer("int8"), window(labels), max_holdout_drop=1.0)

    assert "does not surely beat" in few.reasons[0] or "does not beat" in few.reasons[0]
    many = Window(500, (8, 8, 1))
    many.add(
        np.repeat(digits().val.arrays()[0][differing[:1]], 60, axis=0), np.repeat(answers("int4")[differing[:1]], 60)
    )
    assert judge(flatbuffer("int4"), flatbuffer("int8"), many, max_holdout_drop=1.0).outcome == "pending"


def test_what_older_checkpoints_hold_is_still_read():
    found = judge(flatbuffer("int8"), flatbuffer("int8"), window())
    kept = {name: value for name, value in found.to_dict().items() if name != "holdout_champion"}

    assert Judged.from_dict(kept) == replace(found, holdout_champion=None)
