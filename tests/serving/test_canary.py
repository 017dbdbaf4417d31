"""A held winner is tried on a real server beside the champion, then promoted or dropped: nothing is faked."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from qatflow.adapters import canary, promotions
from qatflow.deploy.local import current
from qatflow.deploy.rollout import read_rollout
from qatflow.monitoring.look import Errors
from qatflow.params.deploy import DeployParams
from qatflow.params.release import ReleaseParams
from qatflow.params.root import Params
from qatflow.params.serving import CanaryParams, ServingParams
from qatflow.release import approval
from qatflow.release.bundle import load_bundle
from qatflow.release.past import pending
from qatflow.tflite.runtime import Runner
from tests.serving.running import Running, serving
from tests.unit.release import fabricate

BOUNDS = {"share": 0.5, "min_requests": 40, "min_agreement": 0.9, "max_latency_ratio": 50.0}
RELEASE = ReleaseParams(name="digits", canary=True)


def held_project(root: Path, challenger: bytes) -> None:
    """Make a project whose first version is deployed, and whose second waits."""
    params = Params(release=RELEASE)
    for number, model in enumerate((fabricate.flatbuffer("int8"), challenger), 1):
        bundle = fabricate.bundle(root / f"made{number}", model)
        facts = {"model_sha256": load_bundle(bundle).sha256, "variant": "v", "score": "0.9", "latency_us": "1.0"}
        registry = promotions.open_registry(params, root)
        version = registry.register(registry.log_model(bundle, facts, {}))
        if number == 1:
            promotions.promote(params, root, version, None, "the first")
        else:
            log = promotions.open_log(params, root)
            approval.hold(registry, log, version, 1, who="a test", why="better", gates={"approved": {}})


def params_of(server: Running, **release: bool) -> Params:
    return Params(
        release=RELEASE.model_copy(update=release),
        serving=ServingParams(port=server.port, canary=CanaryParams(**BOUNDS)),
        deploy=DeployParams(token_file="tokens"),
    )


@contextmanager
def traffic(server: Running, labels: bool = True, rows: Sequence[int] = range(200)) -> Iterator[None]:
    """Send digits of many people, and their labels, until the block ends; `rows` of the test split in turn."""
    x, y = fabricate.digits().test.raw(np.array(rows)), fabricate.digits().test.labels()[np.array(rows)]
    done = threading.Event()

    def people() -> None:
        turn = 0
        while not done.is_set():
            index, turn = turn % len(rows), turn + 1
            tensor = {"name": "input", "shape": [1, 8, 8, 1], "datatype": "FP32", "data": x[index].ravel().tolist()}
            answer = server.ask(
                "POST", "/v2/models/digits/infer", _json({"inputs": [tensor]}), {"x-client-id": f"p{turn}"}
            )
            if labels and answer.status == 200:
                label = {"id": answer.headers["x-request-id"], "label": str(y[index])}
                server.ask("POST", "/v2/feedback", _json({"labels": [label]}))

    thread = threading.Thread(target=people)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def disputed(one: str, other: str) -> Sequence[int]:
    """Return the rows of the test split of which two golden models say different classes."""
    x, _ = fabricate.digits().test.arrays()
    classes = [Runner(fabricate.flatbuffer(name)).predict(x).argmax(1) for name in (one, other)]
    return [int(row) for row in np.flatnonzero(classes[0] != classes[1])]


def _json(content: object) -> bytes:
    return json.dumps(content).encode()


@pytest.fixture(scope="module")
def equal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose challenger is as good as the champion."""
    root = tmp_path_factory.mktemp("equal")
    held_project(root, fabricate.flatbuffer("int8", 4))
    return root


@pytest.mark.slow
def test_without_a_server_or_traffic_the_winner_waits_on(equal: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(canary, "UNREACHABLE_S", 0.0)
    params = Params(release=RELEASE, serving=ServingParams(port=1))

    tried = canary.try_pending(params, equal, "a test", 1.0)

    assert tried is not None
    assert (tried.outcome, tried.version) == ("waiting", 2)
    assert "no verdict: 0 requests" in tried.why
    assert read_rollout(equal / "deployed") is None


@pytest.mark.slow
def test_a_good_one_is_promoted_with_its_reasons_in_the_log(equal: Path):
    with serving(equal, equal / "deployed", canary=BOUNDS) as server, traffic(server):
        person = canary.try_pending(params_of(server, require_approval=True), equal, "drift", 60.0)
        assert person is not None
        assert person.outcome == "waiting"
        assert "a person decides" in person.why

        tried = canary.try_pending(params_of(server), equal, "drift of psi; window 123abc", 60.0)

    entries = promotions.open_log(Params(release=RELEASE), equal).read()
    assert tried is not None
    assert tried.outcome == "promoted"
    assert (entries[-1].action, entries[-1].version) == ("promote", 2)
    assert "drift of psi; window 123abc; canary good: " in entries[-1].why
    assert load_bundle(current(equal / "deployed")).sha256 == entries[-1].model_sha256
    assert pending(entries) is None
    assert read_rollout(equal / "deployed") is None
    assert canary.try_pending(Params(release=RELEASE), equal, "again", 1.0) is None


@pytest.mark.slow
def test_one_that_crosses_a_bound_is_dropped_and_does_not_come_back(tmp_path: Path):
    held_project(tmp_path, fabricate.flatbuffer("int4"))
    rows = disputed("int8", "int4")  # of all digits 1 in 36: those first 40 may hold none
    with (
        serving(tmp_path, tmp_path / "deployed", canary=BOUNDS) as server,
        traffic(server, labels=False, rows=rows),
    ):
        tried = canary.try_pending(params_of(server), tmp_path, "drift", 60.0)

    entries = promotions.open_log(Params(release=RELEASE), tmp_path).read()
    assert tried is not None
    assert tried.outcome == "dropped", tried
    assert "canary retreated: agrees with the champion on" in entries[-1].why
    assert (entries[-1].action, entries[-1].version) == ("reject", 2)
    assert load_bundle(current(tmp_path / "deployed")).model == fabricate.flatbuffer("int8")


GOOD = {"verdict": "good", "requests": 120, "errors": 0}


@pytest.mark.parametrize(
    ("champion", "challenger", "outcome"),
    [
        (Errors(0, None), Errors(0, None), "promoted"),
        (Errors(100, 0.1), Errors(20, 0.9), "promoted"),  # too few to say
        (Errors(100, 0.60), Errors(100, 0.05), "promoted"),
        (Errors(100, 0.05), Errors(100, 0.10), "promoted"),  # within chance
        (Errors(100, 0.05), Errors(100, 0.40), "dropped"),
        (Errors(5000, 0.05), Errors(5000, 0.07), "dropped"),
    ],
)
def test_labels_can_drop_what_agrees(champion: Errors, challenger: Errors, outcome: str):
    assert canary.judge(GOOD, champion, challenger)[0] == outcome


def test_what_retreated_or_came_to_no_verdict_is_never_promoted():
    none = Errors(0, None)

    assert canary.judge({"verdict": "retreated", "reasons": ["9 of 9 failed"]}, none, none) == (
        "dropped",
        "canary retreated: 9 of 9 failed",
    )
    assert canary.judge({"verdict": "trying", "requests": 3}, none, none)[0] == "waiting"
    assert canary.judge({}, none, none)[0] == "waiting"
