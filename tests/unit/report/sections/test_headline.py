from dataclasses import replace

import pytest

from qatflow.report import summary
from qatflow.report.sections.headline import headline
from qatflow.report.sections.variants import variants
from qatflow.report.wording import SPACE
from tests.unit.report.fabricate import remeasured


def tiles(part):
    return [(tile.name, tile.value.replace(SPACE, " "), tile.beside.replace(SPACE, " ")) for tile in part["tiles"]]


def test_a_manager_sees_the_verdict_and_four_figures(run):
    part = headline(run)
    assert part["verdict"].startswith("Promoted qat_w8a8_per_channel")
    assert part["reason"] == "qat_w8a8_per_channel: wins"
    assert part["candidate"] is None
    assert tiles(part) == [
        ("Size", "25.1 kB", "3.1\u00d7 smaller than float (78.2 kB)"),
        ("Accuracy", "97.8 %", "as good as float (98.1 %)"),
        ("Latency", "18.8 \u00b5s", "as fast as float (19.6 \u00b5s)"),
        ("Agreement", "99.2 %", "picks the same class as float"),
    ]


def test_a_champion_of_an_earlier_run_shows_what_is_remembered(build_run, load):
    part = headline(load(build_run(champion="qat_of_last_week")))
    assert [tile.name for tile in part["tiles"]] == ["Size", "Accuracy", "Latency"]
    assert part["tiles"][2].beside == "when it was promoted"
    assert part["reason"] == "kept version 3: no candidate passed its gates"


def test_the_best_candidate_stands_in_when_nothing_ships(build_run, load):
    part = headline(load(build_run(champion=None, refused=("ptq_w8a8", "qat_w8a8_per_channel", "qat_w4a8"))))
    assert part["candidate"] == "qat_w8a8_per_channel"
    assert len(part["tiles"]) == 4


@pytest.mark.parametrize(("p", "says"), [(1.0, "as good as float"), (0.05, "as good as float"), (0.04, "points below")])
def test_headline_tile_and_table_say_of_a_difference_what_its_test_says(run, p, says):
    tested = tuple(remeasured(v, {"mcnemar_float_p": p}) for v in run.variants)
    shown = replace(run, variants=tested)
    row = next(row for row in variants(shown)["rows"] if row["status"] == "champion")

    assert says in summary.verdict(shown).replace(SPACE, " ")
    assert says in tiles(headline(shown))[1][2]
    assert row["chance"] is (says == "as good as float")
    assert ("may be chance" in dict(headline(shown)["answers"])["Is it good"]) is row["chance"]


def timed_beside(run, slower):
    """All variants are half as fast again as float; the machine was slower while others than the one in focus ran."""
    shown = []
    for variant in run.variants:
        at = 20.0 if variant == summary.focus(run) else 20.0 * slower
        float_us, own_us = ({f"p{p}": base + p for p in (50, 95, 99)} for base in (at - 50, at / 2 - 50))
        timings = {"float_latency_us": float_us, "latency_us": own_us, "latency_ratio": 0.5}
        shown.append(remeasured(variant, timings=timings))
    return replace(run, variants=tuple(shown))


def test_the_float_model_has_one_latency_on_the_whole_page(run):
    shown = timed_beside(run, slower=5.0)

    assert "(20.0 \u00b5s)" in tiles(headline(shown))[2][2]
    assert "instead of 20.0 \u00b5s" in dict(headline(shown)["answers"])["Is it smaller and faster"].replace(SPACE, " ")
    assert variants(shown)["float"]["p50"].replace(SPACE, " ") == "20.0 \u00b5s"
    assert summary.float_summary(shown)["latency_us"] == 20.0


def test_two_latencies_on_the_page_have_the_ratio_that_it_states(run):
    """Of a champion timed on a slow hour it said "1.1x faster (1.87 us instead of 1.19 us)"."""
    shown = timed_beside(run, slower=5.0)

    assert {row["p50"].replace(SPACE, " ") for row in variants(shown)["rows"]} == {"10.0 \u00b5s"}
    assert tiles(headline(shown))[2][1:] == ("10.0 \u00b5s", "2.0\u00d7 faster than float (20.0 \u00b5s)")
    assert all(v["latency_us"] == pytest.approx(10.0) for v in summary.summarize(shown)["variants"].values())


def test_of_a_model_from_elsewhere_no_page_says_what_it_never_saw(run):
    said = dict(headline(replace(run, is_foreign=True))["answers"])["Is it good"]

    assert "that no training saw" not in said
    assert "is not known" in said
