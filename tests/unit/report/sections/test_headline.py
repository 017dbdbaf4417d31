from qatflow.report.sections.headline import headline
from qatflow.report.wording import SPACE


def tiles(part):
    return [(tile.name, tile.value.replace(SPACE, " "), tile.beside.replace(SPACE, " ")) for tile in part["tiles"]]


def test_a_manager_sees_the_verdict_and_four_figures(run):
    part = headline(run)
    assert part["verdict"].startswith("Promoted qat_w8a8_per_channel")
    assert part["reason"] == "qat_w8a8_per_channel: wins"
    assert part["candidate"] is None
    assert tiles(part) == [
        ("Size", "25.1 kB", "3.1\u00d7 smaller than float (78.2 kB)"),
        ("Accuracy", "97.8 %", "0.3 points below float (98.1 %)"),
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
