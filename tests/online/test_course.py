"""Courses of a real fake-quant model over real streams: learned, interrupted, judged, released."""

import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from qatflow.errors import DataError, ModelError, ParamsError, StreamError
from qatflow.online.checkpoint import newest_checkpoint
from qatflow.online.feed import Feed, open_pool, records
from qatflow.online.records import encode
from qatflow.online.streams import open_stream
from qatflow.params import DataParams, OnlineParams, Params, QuantizeParams

pytestmark = pytest.mark.slow
STRATEGY = "qat_w8a8_per_channel"
SETTINGS = OnlineParams(
    checkpoint_every=96, candidate_every=256, window=96, replay=16, reservoir=60, label_window=40, max_holdout_drop=1.0
)
PARAMS = Params(quantize=QuantizeParams(variants=[STRATEGY]), online=SETTINGS)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A project on the digits: prepared data, a small trained model on its grids, and a bundle that is deployed."""
    from qatflow import artifacts, backend
    from qatflow.backend import keras
    from qatflow.deploy.local import deploy_local
    from qatflow.quantization.base import Work
    from qatflow.quantization.run import find_strategy
    from qatflow.quantization.store import save_quantized
    from qatflow.release.bundle import build_bundle
    from tests.unit.release import fabricate

    root, data = tmp_path_factory.mktemp("project"), fabricate.digits()
    (root / "artifacts").mkdir()
    shutil.copytree(Path(fabricate._folder.name) / "prepare", root / "artifacts" / "prepare")
    backend.start(1)
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((8, 8, 1), name="input"),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dropout(0.1),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model = keras.Model(model.inputs, model.outputs)
    model.compile("adam", "sparse_categorical_crossentropy")
    x, y = data.train.arrays()
    model.fit(x, y, epochs=25, batch_size=32, verbose=0)
    strategy, work = find_strategy(STRATEGY), Work(data, PARAMS.quantize, 1)
    quantized = strategy.prepare(model, work)
    with artifacts.stage_output(root / "artifacts" / "quantize" / STRATEGY, "quantize") as out:
        save_quantized(quantized, out)
    flatbuffer = strategy.convert(quantized, work.calibration())
    candidate = fabricate.candidate(STRATEGY, flatbuffer, trained=True)
    deploy_local(build_bundle(root / "bundle", candidate, data, fabricate.lineage()), root / "deployed")
    return root


def begun(project, params=PARAMS):
    from qatflow import backend
    from qatflow.deploy.local import current
    from qatflow.online.source import begin, open_source

    source = open_source(project, params, current(project / "deployed"))
    backend.start(params.seed)
    return begin(source, params)


def filled(address, project, count=400, *, seed=3, drift="rotation", delay=7):
    made = [encode(one) for one in records(open_pool(str(project)), Feed(count, seed, drift, delay))]
    made[50], made[90] = b"poison", made[40]
    with closing(open_stream(address)) as stream:
        stream.append(made)
    return address


def learn(project, address, state, *, params=PARAMS, stop_after=None, release=None):
    """Learn until the end, or until some records were taken; as a process would."""
    from qatflow.online.run import run
    from qatflow.online.snapshot import take_snapshot

    course, said = begun(project, params), []
    with closing(open_stream(address)) as stream:
        run(
            course,
            stream,
            state,
            release or (lambda *_: "promoted"),
            lambda _, event, __: said.append(event),
            until_end=True,
            stop=lambda: stop_after is not None and course.now.records >= stop_after,
            keep=lambda learned, judged: take_snapshot(
                learned, stream, state, judged, project / "artifacts" / "quantize" / STRATEGY
            ),
        )
        letters = [letter.reason for letter in stream.dead_letters(10)]
    return course, said, letters


def same(one, other):
    """Whether two checkpoints hold the same, but their numbers."""
    assert one.arrays.keys() == other.arrays.keys()
    for name, values in one.arrays.items():
        assert values.tobytes() == other.arrays[name].tobytes(), name
    assert one.model == other.model
    skipped = {"checkpoint", "offset", "base", "kept", "segments"}
    facts = [{key: value for key, value in each.facts.items() if key not in skipped} for each in (one, other)]
    for each in facts:
        each["candidates"] = [{**judged, "offset": ""} for judged in each["candidates"]]
    assert facts[0] == facts[1]


@pytest.fixture(scope="module")
def whole(project, tmp_path_factory):
    """An undisturbed course."""
    folder = tmp_path_factory.mktemp("whole")
    return learn(project, filled(f"spool:{folder / 's'}", project), folder / "state"), folder


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
