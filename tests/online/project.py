"""A project that online learning can begin with: a small model of the digits, on its grids and deployed."""

import shutil
from contextlib import closing
from pathlib import Path

from qatflow.online.feed import Feed, open_pool, records
from qatflow.online.records import encode
from qatflow.online.streams import open_stream
from qatflow.params.evaluate import EvaluateParams
from qatflow.params.online import OnlineParams
from qatflow.params.quantize import QuantizeParams
from qatflow.params.root import Params

STRATEGY = "qat_w8a8_per_channel"
SETTINGS = OnlineParams(
    checkpoint_every=96,
    candidate_every=256,
    window=96,
    replay=16,
    reservoir=60,
    label_window=40,
    max_holdout_drop=1.0,
    min_window_gain=-0.5,  # so short a window is sure of nothing
)
PARAMS = Params(quantize=QuantizeParams(variants=[STRATEGY]), evaluate=EvaluateParams(latency_runs=1), online=SETTINGS)


def make_project(root: Path) -> Path:
    """Write prepared data, the float model, the quantized one and a deployed bundle into `root`."""
    from qatflow import artifacts, backend
    from qatflow.backend import keras
    from qatflow.deploy.local import deploy_local
    from qatflow.models.store import save_model
    from qatflow.quantization.base import Work
    from qatflow.quantization.run import find_strategy
    from qatflow.quantization.store import save_quantized
    from qatflow.release.bundle import build_bundle
    from qatflow.tflite.convert import convert_float
    from tests.unit.release import fabricate

    data = fabricate.digits()
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
    with artifacts.stage_output(root / "artifacts" / "transfer", "transfer") as out:
        save_model(model, out)
        (out / "model.tflite").write_bytes(convert_float(model))
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
