import re
from itertools import pairwise

import pytest

from qatflow.artifacts import read_json, verify
from qatflow.params.data import DataParams
from qatflow.params.root import Params
from qatflow.params.sweep import SweepParams
from qatflow.report import sweep_figures
from qatflow.report.sweep import write_report
from qatflow.sweep.result import TrialResult

HOSTILE = '<script>alert("x")</script>'


def result(optimizer, seed, score, size=30_000, status="done", curve=(0.5, 0.9), **trial):
    of = {"optimizer": optimizer, "strategy": "qat_w4a8", "model": "mlp", "seed": seed, "learning_rate": 0.001, **trial}
    history = [{"epoch": float(i), "val_accuracy": value, "val_loss": 1.0} for i, value in enumerate(curve, 1)]
    common = {"trial": of, "key": f"{optimizer}{seed}{of['strategy']}", "status": status, "history": history}
    if status != "done":
        return TrialResult.model_validate({**common, "reason": HOSTILE})
    figures = {"val_score": score, "test_score": score, "size_bytes": size, "sha256": "a" * 64, "seconds": 4.0}
    reference = {"val_score": 0.95, "test_score": 0.95, "size_bytes": 90_000, "sha256": "f" * 64}
    times = [float(i) for i in range(1, len(curve) + 1)]
    return TrialResult.model_validate({**common, **figures, "float": reference, "epoch_seconds": times})


PARAMS = Params(sweep=SweepParams(optimizers=("adam", "lion"), target=0.8))
GRID = [result(name, seed, score + seed / 100) for name, score in (("adam", 0.8), ("lion", 0.9)) for seed in (1, 2)]
SWEEPS = {
    "grid": GRID,
    "one trial": GRID[:1],
    "other sizes": [*GRID, result("adam", 3, 0.5, 10_000), result("lion", 3, 0.4, 10_000, strategy="qat_mixed")],
    "pruned, failed, lost": [
        *GRID,
        *(result("adam", 9, 0, status=s, strategy=s) for s in ("pruned", "failed", "lost")),
    ],
    "nothing done": [result("adam", 1, 0, status="failed"), result("lion", 1, 0, status="failed")],
    "target never reached": [result("adam", 1, 0.3, curve=(0.1,)), result("lion", 1, 0.2, curve=(0.1,))],
    "negative R²": [result("adam", 1, -0.3), result("lion", 1, 0.2)],
}


@pytest.fixture(params=SWEEPS.values(), ids=SWEEPS)
def page(request, tmp_path):
    write_report(request.param, PARAMS, tmp_path / "sweep")
    return (tmp_path / "sweep/index.html").read_text()


def test_the_page_is_well_formed_needs_nothing_from_outside_and_states_findings(page, parse):
    nodes = parse(page)
    ids = [node.attributes["id"] for node in nodes if "id" in node.attributes]
    assert {node.attributes["href"].removeprefix("#") for node in nodes if node.tag == "a"} <= set(ids)
    assert not {node.tag for node in nodes} & {"img", "iframe", "object", "embed", "base", "form"}
    assert not re.findall(r"url\(|@import|https?:", page)
    assert page.startswith("<!DOCTYPE html>")
    titles = [after.text for before, after in pairwise(nodes) if before.tag == "figcaption"]
    assert len(titles) == len([node for node in nodes if node.tag == "figure"])
    assert all(titles)
    assert all(node.attributes["aria-label"] for node in nodes if node.tag == "svg")


def test_the_page_shows_every_trial_and_escapes_reasons(tmp_path, parse):
    write_report(SWEEPS["pruned, failed, lost"], PARAMS, tmp_path / "sweep")
    page = (tmp_path / "sweep/index.html").read_text()
    assert len([node for node in parse(page) if node.tag == "tr"]) == 2 + 2 + 7
    assert "4 came to an end; 1 ended early, as worse than most; 1 failed for reasons of their own; 1 lost." in page
    assert page.count("<script") == 1


def test_equal_results_give_equal_bytes_in_whatever_order_they_came(tmp_path):
    for name, results in (("one", GRID), ("other", GRID[::-1])):
        summary = write_report(results, PARAMS, tmp_path / name)
        verify(tmp_path / name)
        assert read_json(tmp_path / name / "results.json") == summary
    one, other = ((tmp_path / name / "index.html").read_bytes() for name in ("one", "other"))
    assert one == other


def test_other_tasks_are_told_in_their_own_words(tmp_path):
    params = PARAMS.model_copy(update={"data": DataParams(task="regression")})
    write_report(SWEEPS["negative R²"], params, tmp_path / "sweep")
    assert "R²" in (tmp_path / "sweep/index.html").read_text()


def ranked(means, margin, blocks=4):
    table = {name: {"mean": mean, "interval": [1.0, 3.0]} for name, mean in means.items()}
    return {"optimizers": table, "margin": margin, "blocks": blocks, "friedman_p": 0.01}


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (ranked({"adam": 2.0, "lion": 1.0}, 1.0), "lion ranks first, but 4 blocks cannot tell it from any other"),
        (ranked({"adam": 2.0, "lion": 1.0}, 0.4), "lion ranks first, surely above adam"),
        (ranked({"adam": 3.0, "lion": 1.0, "sgd": 3.0}, 0.4), "lion ranks first, surely above adam and sgd"),
        (ranked({"adam": 1.5, "lion": 1.5}, 2.0, 1), "adam and lion share the first rank, but 1 block cannot tell"),
    ],
)
def test_the_title_of_the_ranks_claims_no_more_than_the_intervals_do(found, words):
    assert sweep_figures.ranks(found).title.startswith(words)


def test_the_title_of_the_time_names_the_quickest(tmp_path, parse):
    quick, slow = result("adam", 1, 0.9, curve=(0.9,)), result("lion", 1, 0.9, curve=(0.1, 0.1, 0.9))
    write_report([quick, slow], PARAMS, tmp_path / "sweep")
    assert "adam reaches 80.0\N{NO-BREAK SPACE}% soonest, after 1.0 s" in (tmp_path / "sweep/index.html").read_text()
