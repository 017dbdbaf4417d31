"""Courses of a real fake-quant model over real streams: learned, interrupted, judged, released."""

import shutil
from contextlib import closing

import numpy as np
import pytest

from qatflow.errors import DataError, ModelError, ParamsError, StreamError
from qatflow.online.checkpoint import newest_checkpoint
from qatflow.online.feed import Feed, open_pool, records
from qatflow.online.records import Sample, encode
from qatflow.online.streams import open_stream
from qatflow.params.data import DataParams
from qatflow.params.quantize import QuantizeParams
from tests.online.project import PARAMS, SETTINGS, STRATEGY, begun, filled, learn, same

pytestmark = pytest.mark.slow


def test_a_drifting_stream_is_learned_and_what_is_better_is_released(whole):
    (course, said, letters), _ = whole
    assert course.now.learned == 384
    assert said[0] == "begun"
    assert "checkpoint" in said
    assert said[-1] == "ended"
    judged = course.candidates[0]
    assert judged.outcome == "promoted"
    assert judged.window > judged.window_champion
    assert len(letters) == 1
    assert "does not begin as a record" in letters[0]
    assert course.parts.intake.counts["duplicate"] == 1


@pytest.mark.parametrize("kind", ["spool", "redis"])
def test_one_that_was_killed_goes_on_bit_for_bit(project, whole, tmp_path, kind, redis):
    address = f"spool:{tmp_path / 's'}" if kind == "spool" else f"{redis.url}exact"
    filled(address, project)
    state = tmp_path / "state"
    learn(project, address, state, stop_after=333)
    stopped = newest_checkpoint(state)[0]
    shutil.rmtree(state / f"checkpoint-{stopped.number:08d}")  # as if it had been killed since the last whole interval
    course, said, letters = learn(project, address, state)
    assert said[0] == "resumed"
    assert len(letters) == 1
    assert course.now.learned == 384
    same(newest_checkpoint(state)[0], newest_checkpoint(whole[1] / "state")[0])


def test_a_release_that_was_cut_off_is_repeated(project, whole, tmp_path):
    address, calls = filled(f"spool:{tmp_path / 's'}", project), []

    def cut_off(judged, model):
        calls.append(judged.sha256)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn(project, address, tmp_path / "state", release=cut_off)
    course, _, _ = learn(
        project, address, tmp_path / "state", release=lambda j, _: calls.append(j.sha256) or "promoted"
    )
    assert calls == [course.candidates[0].sha256] * 2
    same(newest_checkpoint(tmp_path / "state")[0], newest_checkpoint(whole[1] / "state")[0])


def test_a_released_model_is_rebuilt_from_its_snapshot(project, whole):
    from qatflow.artifacts import sha256_bytes
    from qatflow.online.snapshot import rebuild

    (course, _, _), folder = whole
    judged = course.candidates[0]
    (snapshot,) = (folder / "state" / "snapshots").iterdir()
    assert snapshot.name == judged.sha256[:16]
    assert sha256_bytes(rebuild(begun(project), snapshot)) == judged.sha256


def test_a_snapshot_of_other_data_gives_other_bytes_and_says_so(project, whole, tmp_path):
    from qatflow.online.snapshot import rebuild

    (snapshot,) = (whole[1] / "state" / "snapshots").iterdir()
    shutil.copytree(snapshot, tmp_path / "copy")
    seeded = PARAMS.model_copy(update={"online": SETTINGS.model_copy(update={"learning_rate": 0.1})})
    with pytest.raises(ModelError, match="is another"):
        rebuild(begun(project, seeded), tmp_path / "copy")


def test_a_refused_candidate_does_not_predict(project, tmp_path):
    address = filled(f"spool:{tmp_path / 's'}", project)
    course, _, _ = learn(project, address, tmp_path / "state", release=lambda *_: "refused: a test")
    assert course.candidates[0].outcome == "refused: a test"
    assert course.model == (project / "deployed/current/model.tflite").read_bytes()


def test_one_that_forgets_is_dropped(project, tmp_path):
    params = PARAMS.model_copy(
        update={"online": SETTINGS.model_copy(update={"max_holdout_drop": 0.0, "learning_rate": 0.05, "replay": 0})}
    )
    address = filled(f"spool:{tmp_path / 's'}", project)
    course, _, _ = learn(project, address, tmp_path / "state", params=params)
    assert course.candidates[0].outcome == "dropped"
    assert "max_holdout_drop" in course.candidates[0].reasons[0]


def test_two_learners_refuse_each_other(project, tmp_path):
    address = filled(f"spool:{tmp_path / 's'}", project)
    with closing(open_stream(address)) as other, other.lease(), pytest.raises(StreamError):
        learn(project, address, tmp_path / "state")


def test_a_lost_model_is_no_checkpoint(project, tmp_path):
    online = SETTINGS.model_copy(update={"learning_rate": 3e38, "optimizer": "sgd"})
    address = filled(f"spool:{tmp_path / 's'}", project)
    with pytest.raises(ModelError, match="the loss is NaN or infinite"):
        learn(project, address, tmp_path / "state", params=PARAMS.model_copy(update={"online": online}))
    assert newest_checkpoint(tmp_path / "state")[0].facts["learned"] == 0


def test_the_state_of_another_model_is_refused(project, whole):
    course = begun(project)
    found = newest_checkpoint(whole[1] / "state")[0]
    name = next(name for name in found.arrays if name.startswith("learner/weight"))
    arrays = {**found.arrays, name: np.zeros((1, 1, 1, 7))}
    with pytest.raises(ModelError, match="another model"):
        course.restore(type(found)(found.number, arrays, found.facts, found.model))


@pytest.mark.parametrize(
    ("strategy", "variants", "says"),
    [
        ("ptq_w8a8", [STRATEGY], "not trained"),
        ("pqat_w8a8", [STRATEGY], "compresses"),
        ("qat_w4a8", [STRATEGY], "none of quantize.variants"),
        ("qat_w9a8", [STRATEGY], "9-bit"),
        (None, ["ptq_w8a8"], "None of quantize.variants"),
    ],
)
def test_strategies_that_cannot_learn_are_named(project, strategy, variants, says):
    params = PARAMS.model_copy(
        update={
            "quantize": QuantizeParams(variants=variants),
            "online": SETTINGS.model_copy(update={"strategy": strategy}),
        }
    )
    with pytest.raises(ParamsError, match=says):
        begun(project, params)


def test_a_bundle_of_other_classes_is_refused(project, tmp_path):
    from qatflow.artifacts import stage_output
    from qatflow.data.prepare import prepare_data
    from qatflow.online.source import open_source

    x = np.random.default_rng(0).random((60, 4)).astype(np.float32)
    np.savez(tmp_path / "d.npz", x=x, y=np.arange(60) % 2)
    with stage_output(tmp_path / "artifacts" / "prepare", "prepare") as out:
        prepare_data(DataParams(source="arrays", path=str(tmp_path / "d.npz")), "none", 1, out)
    with pytest.raises(DataError, match="other classes or shapes"):
        open_source(tmp_path, PARAMS, project / "deployed" / "current")


GROWING = PARAMS.model_copy(
    update={"online": SETTINGS.model_copy(update={"max_classes": 11, "new_class_samples": 20, "learning_rate": 0.005})}
)


def with_negatives(address, project, count=800):
    """Fill a stream in which, after a quarter, each other digit is shown in negative and labelled so."""
    made = []
    for number, one in enumerate(records(open_pool(str(project)), Feed(count, 4))):
        if number > count // 4 and number % 2:
            one = Sample(one.id, one.time, 16 - one.x, "negative")  # noqa: PLW2901 (the record that is appended)
        made.append(encode(one))
    made[30] = encode(Sample("typo", 1.7e9, np.zeros((8, 8, 1)), "sveen"))
    with closing(open_stream(address)) as stream:
        stream.append(made)
    return address


@pytest.fixture(scope="module")
def grown(project, tmp_path_factory):
    """An undisturbed course over a stream in which a class is new."""
    folder = tmp_path_factory.mktemp("grown")
    address = with_negatives(f"spool:{folder / 's'}", project)
    return learn(project, address, folder / "state", params=GROWING), folder


def test_the_head_grows_by_a_class_that_appears(project, grown):
    from qatflow.data.prepared import open_prepared
    from qatflow.tflite.runtime import Runner

    (course, _, letters), _ = grown
    names = course.parts.intake.names
    assert names == (*(str(digit) for digit in range(10)), "negative")
    assert not letters
    assert course.parts.intake.counts["forgotten"] == 1  # a misspelt label makes no class
    released = [judged for judged in course.candidates if judged.outcome == "promoted"]
    assert released[-1].classes == names
    x, _ = open_prepared(project / "artifacts" / "prepare").test.arrays(limit=100)
    answers = Runner(course.model).predict(1 - x).argmax(axis=1)
    assert np.mean(answers == 10) > 0.5  # only 320 of them were learned
    assert np.mean(Runner(course.model).predict(x).argmax(axis=1) == 10) < 0.3


@pytest.mark.parametrize("stop_after", [150, 333])  # before the class came to be, and after
def test_one_that_grows_goes_on_bit_for_bit(project, grown, tmp_path, stop_after):
    address = with_negatives(f"spool:{tmp_path / 's'}", project)
    state = tmp_path / "state"
    learn(project, address, state, params=GROWING, stop_after=stop_after)
    shutil.rmtree(state / f"checkpoint-{newest_checkpoint(state)[0].number:08d}")
    learn(project, address, state, params=GROWING)
    same(newest_checkpoint(state)[0], newest_checkpoint(grown[1] / "state")[0])


def test_a_model_that_grew_is_rebuilt_from_its_snapshot(project, grown):
    from qatflow.artifacts import sha256_bytes
    from qatflow.online.snapshot import rebuild

    (course, _, _), folder = grown
    judged = next(judged for judged in course.candidates if len(judged.classes) == 11 and judged.outcome == "promoted")
    snapshot = folder / "state" / "snapshots" / judged.sha256[:16]
    assert sha256_bytes(rebuild(begun(project, GROWING), snapshot)) == judged.sha256


def test_a_label_that_is_new_is_refused_unless_the_head_may_grow(project, tmp_path):
    address = with_negatives(f"spool:{tmp_path / 's'}", project, 200)
    course, _, letters = learn(project, address, tmp_path / "state")
    assert len(course.parts.intake.names) == 10
    assert "'negative' is none of the model's 10 classes" in letters[1]
