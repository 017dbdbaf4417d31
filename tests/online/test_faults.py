"""Faults in the middle of a course: it ends with an error that says what to do, or goes on as if nothing had been."""

import resource
import shutil
from contextlib import closing, contextmanager

import numpy as np
import pytest

from qatflow.errors import OffsetGoneError, OtherSchemaError
from qatflow.online.checkpoint import newest_checkpoint
from qatflow.online.feed import Feed, Pool, open_pool, records
from qatflow.online.records import encode
from qatflow.online.streams import open_stream
from tests.online.project import PARAMS, SETTINGS, filled, learn, same
from tests.online.redis_server import redis_server

pytestmark = [pytest.mark.slow, pytest.mark.fault]


@contextmanager
def no_file_over(size_bytes):
    """Let no file of this process grow beyond a size: writing fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_is_full_at_a_checkpoint_costs_no_sample(project, whole, tmp_path):
    address, state = filled(f"spool:{tmp_path / 's'}", project), tmp_path / "state"
    learn(project, address, state, stop_after=150)
    before = newest_checkpoint(state)[0].number
    with no_file_over(5000), pytest.raises(OSError, match="File too large"):
        learn(project, address, state)
    assert newest_checkpoint(state)[0].number == before
    shutil.rmtree(state / f"checkpoint-{before:08d}")  # the stop's own, which the undisturbed course lacks
    learn(project, address, state)
    same(newest_checkpoint(state)[0], newest_checkpoint(whole[1] / "state")[0])


def test_a_corrupt_newest_checkpoint_is_named_and_the_one_before_goes_on(project, whole, tmp_path):
    address, state = filled(f"spool:{tmp_path / 's'}", project), tmp_path / "state"
    learn(project, address, state, stop_after=150)
    newest = max(state.glob("checkpoint-*"))
    (newest / "arrays.npz").write_bytes((newest / "arrays.npz").read_bytes()[:-100])
    _, said, _ = learn(project, address, state)
    assert f"refused {newest.name} cannot be used" in said[0]
    same(newest_checkpoint(state)[0], newest_checkpoint(whole[1] / "state")[0])


def test_records_that_went_before_they_were_learned_end_the_course(project, tmp_path, redis):
    address, state = filled(f"{redis.url}trimmed", project), tmp_path / "state"
    learn(project, address, state, stop_after=150)
    before = newest_checkpoint(state)[0].number
    with closing(open_stream(f"{redis.url}trimmed?maxlen=100")) as other:
        for _ in range(20):
            other.append([b"pushes the oldest out"] * 20)
    with pytest.raises(OffsetGoneError, match="the oldest record kept is"):
        learn(project, address, state)
    assert newest_checkpoint(state)[0].number == before


def test_a_stream_of_another_schema_ends_the_course_and_keeps_what_was_learned(project, tmp_path):
    address, state = filled(f"spool:{tmp_path / 's'}", project), tmp_path / "state"
    other = bytearray(encode(next(records(open_pool(str(project)), Feed(1, 0)))))
    other[4] = 9
    with closing(open_stream(address)) as stream:
        stream.append([bytes(other)])
    with pytest.raises(OtherSchemaError, match="schema 9; this version of QATFlow reads 1"):
        learn(project, address, state)
    assert newest_checkpoint(state)[0].facts["learned"] >= 288


def test_a_stream_of_one_class_makes_no_champion_that_forgot_the_others(project, tmp_path):
    pool = open_pool(str(project))
    threes = pool.y == 3
    made = [encode(one) for one in records(Pool(pool.x[threes], pool.y[threes]), Feed(600, 5))]
    address = f"spool:{tmp_path / 's'}"
    with closing(open_stream(address)) as stream:
        stream.append(made)
    strict = PARAMS.model_copy(update={"online": SETTINGS.model_copy(update={"max_holdout_drop": 0.05})})
    course, _, _ = learn(project, address, tmp_path / "state", params=strict)
    assert course.now.learned == 576
    assert np.isfinite([judged.holdout for judged in course.candidates]).all()
    assert course.prequential.recent() > 0.8
    kept = course.parts.judge.holdout(course._runner)
    assert kept > course.now.holdout_at_start - 0.05 - 1e-9


def test_a_broker_that_is_killed_while_it_is_read_changes_nothing(project, whole, tmp_path):
    with redis_server() as server:
        address = filled(f"{server.url}killed", project)

        def restarted(*_):
            server.kill()
            server.start()
            return "promoted"

        learn(project, address, tmp_path / "state", release=restarted)
    same(newest_checkpoint(tmp_path / "state")[0], newest_checkpoint(whole[1] / "state")[0])
