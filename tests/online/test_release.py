"""Releases of what was learned, with a real registry, log and deployment."""

import shutil

import numpy as np
import pytest

from tests.online.project import PARAMS, STRATEGY

pytestmark = pytest.mark.slow
DIGITS = tuple(str(digit) for digit in range(10))


@pytest.fixture
def released(project, tmp_path):
    """A root of its own, and what releases into it."""
    from qatflow.adapters.online_release import ProjectRelease
    from qatflow.data.prepared import open_prepared

    shutil.copytree(project / "artifacts", tmp_path / "artifacts")
    data = open_prepared(tmp_path / "artifacts" / "prepare")
    return tmp_path, ProjectRelease(tmp_path, PARAMS, data, STRATEGY, {"prepare": "a" * 64}, "spool:s")


def judged_of(model, classes):
    from qatflow.artifacts import sha256_bytes
    from qatflow.online.candidates import Judged, Place

    place = Place(number=1, learned=256, classes=classes, offset="7", holdout_at_start=0.9)
    figures = {"holdout": 0.9, "window": 0.8, "window_champion": 0.5, "window_samples": 96}
    sha256, size = sha256_bytes(model), len(model)
    return Judged(**place._asdict(), **figures, sha256=sha256, size_bytes=size, reasons=(), outcome="pending")


def model_of(project, classes):
    """Convert what the project would begin with, its head grown."""
    from qatflow.deploy.local import current
    from qatflow.online.source import begin, open_source

    source = open_source(project, PARAMS, current(project / "deployed"))
    course = begin(source, PARAMS)
    if classes > 10:
        course.parts.learner.grow(classes)
    return course.parts.learner.flatbuffer(source.data.train.arrays(limit=32)[0])


def test_a_release_is_one_however_often_it_is_repeated(project, released):
    from qatflow.adapters import promotions
    from qatflow.deploy.local import current
    from qatflow.release.bundle import load_bundle

    root, release = released
    model = model_of(project, 10)
    assert [release(judged_of(model, DIGITS), model) for _ in range(2)] == ["promoted", "promoted"]
    assert len(promotions.open_log(PARAMS, root).read()) == 1
    bundle = load_bundle(current(root / "deployed"))
    assert bundle.model == model
    assert "online.json" in bundle.manifest.files


def test_a_model_that_grew_is_released_with_its_new_label(project, released):
    from qatflow.deploy.local import current
    from qatflow.release.bundle import load_bundle
    from qatflow.serving.loader import Loader

    root, release = released
    model = model_of(project, 11)
    assert release(judged_of(model, (*DIGITS, "negative")), model) == "promoted"
    bundle = load_bundle(current(root / "deployed"))
    assert bundle.manifest.labels == (*DIGITS, "negative")
    assert bundle.manifest.float_score > 0.8  # the float model, which knows ten classes, stands beside it
    answer = bundle.predict(release.data.test.raw(np.arange(5)))
    assert answer["scores"].shape == (5, 11)
    before, after = (Loader(place / "deployed")(place / "deployed" / "current") for place in (project, root))
    assert after.replaces(before)  # a server that runs takes it up,
    assert before.replaces(after)  # and goes back


def test_a_course_begins_with_the_classes_of_a_champion_that_grew(project, released):
    from qatflow.deploy.local import current
    from qatflow.online.source import begin, open_source

    root, release = released
    model = model_of(project, 11)
    release(judged_of(model, (*DIGITS, "negative")), model)
    course = begin(open_source(root, PARAMS, current(root / "deployed")), PARAMS)
    assert course.parts.intake.names[-1] == "negative"
    assert course.parts.learner.classes == 11
