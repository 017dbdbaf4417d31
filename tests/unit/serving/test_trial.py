import asyncio

import pytest

from qatflow.errors import ConversionError
from qatflow.serving.trial import Trial
from tests.unit.serving.asgi import images, question

PATH = "/v2/models/digits/infer"


async def settle(server):
    while server.inference._comparing:
        await asyncio.sleep(0.001)


def ask(server, count, x=None, **headers):
    async def all_of_them():
        replies = []
        for _ in range(count):
            replies.append(await server.ask("POST", PATH, question(images() if x is None else x), **headers))
            await settle(server)
        return replies

    return asyncio.run(all_of_them())


def test_a_share_of_clients_meets_the_challenger_and_each_always_the_same(server, other):
    trial = server.try_challenger(other, share=0.3)
    met = [trial.takes(f"client {i}") for i in range(4000)]
    assert met == [trial.takes(f"client {i}") for i in range(4000)]
    assert 0.27 < sum(met) / 4000 < 0.33
    replies = ask(server, 3, x_client_id=f"client {met.index(True)}")
    assert {reply.headers["x-model-version"] for reply in replies} == {trial.challenger.version}


def test_an_equal_challenger_is_good_after_enough_requests(server, other):
    trial = server.try_challenger(other, min_requests=20, max_latency_ratio=1e9)
    ask(server, 19)
    assert trial.verdict == "trying"
    ask(server, 1)
    assert (trial.verdict, trial.agreed, trial.compared) == ("good", 20, 20)
    found = server("GET", "/v2/rollout").json
    assert found["trial"]["verdict"] == "good"
    assert found["trial"]["agreement"] == 1.0


def test_a_shadow_answers_nobody_and_is_compared(server, coarse):
    trial = server.try_challenger(coarse, mode="shadow", min_agreement=0.0, max_latency_ratio=1e9)
    x = images(8)
    replies = ask(server, 5, x)
    assert {reply.headers["x-model-sha256"] for reply in replies} == {server.model.sha256}
    assert (trial.requests, trial.compared) == (5, 40)


def test_one_that_disagrees_retreats_before_it_had_its_turn(server, coarse):
    trial = server.try_challenger(coarse, min_requests=30, min_agreement=0.9)
    trial.challenger.manifest = trial.challenger.manifest.model_copy()
    run = trial.challenger.answer
    trial.challenger.answer = lambda question: _shifted(run(question))
    replies = ask(server, 10)
    assert trial.verdict == "retreated"
    assert trial.requests < 10
    assert replies[-1].headers["x-model-sha256"] == server.model.sha256


def test_one_that_fails_never_fails_a_client(server, other):
    trial = server.try_challenger(other, min_requests=50, max_error_share=0.1)

    def broken(_):
        raise ConversionError("broken")

    trial.challenger.answer = broken
    replies = ask(server, 10)
    assert {reply.status for reply in replies} == {200}
    assert {reply.headers["x-model-sha256"] for reply in replies} == {server.model.sha256}
    assert trial.reasons == ["6 of 6 requests failed"]


def test_one_that_is_slow_retreats(server, other):
    trial = server.try_challenger(other, min_requests=20, max_latency_ratio=3.0)
    run = trial.challenger.answer
    trial.challenger.answer = lambda question: _with_time(run(question), 1.0)
    ask(server, 20)
    assert "times the champion's time" in trial.reasons[0]


def test_beyond_a_few_comparisons_requests_are_left_out(server, other):
    trial = server.try_challenger(other, mode="shadow")

    async def at_once():
        await asyncio.gather(*[server.ask("POST", PATH, question(images())) for _ in range(40)])
        await settle(server)

    asyncio.run(at_once())
    assert trial.skipped > 0
    assert trial.requests + trial.skipped == 40


@pytest.mark.parametrize("mode", ["shadow", "canary"])
def test_only_a_canary_takes_traffic(server, other, mode):
    trial = server.try_challenger(other, mode=mode)
    assert isinstance(trial, Trial)
    assert trial.takes("anyone") is (mode == "canary")


def _shifted(answer):
    return type(answer)(answer.scores, (answer.labels + 1) % 10, answer.infer_s)


def _with_time(answer, seconds):
    return type(answer)(answer.scores, answer.labels, seconds)
