"""What each release came to is remembered, and no damage to that file stops a release."""

from dataclasses import replace
from pathlib import Path

from qatflow.release.nights import FOLDER, Night, night_of, read_nights, remember
from qatflow.release.receipt import Receipt, Shipped
from qatflow.release.select import Verdict
from tests.unit.release.fabricate import candidate, changed, inputs

NIGHT = Night("a", "2026-11-30T02:00:00+00:00", "kept", "ptq_w8a8", 3, 0.9, 1000, 0.95, 0.9, 100)


def test_nights_are_kept_in_their_order(tmp_path: Path):
    nights = [replace(NIGHT, inputs=str(number), version=number) for number in range(3)]

    for number, night in enumerate(nights):
        assert remember(tmp_path, "digits", night) == nights[: number + 1]
    assert read_nights(tmp_path, "digits") == nights
    assert read_nights(tmp_path, "other") == []


def test_a_repeat_is_the_same_night(tmp_path: Path):
    remember(tmp_path, "digits", NIGHT)

    again = replace(NIGHT, when="2026-11-30T03:00:00+00:00")

    assert remember(tmp_path, "digits", again) == [NIGHT]


def test_torn_and_foreign_lines_are_left_out(tmp_path: Path):
    remember(tmp_path, "digits", NIGHT)
    with (tmp_path / FOLDER / "digits.jsonl").open("ab") as file:
        file.write(b'{"inputs": "x"}\n\xff\n{"inputs": "torn')
    later = replace(NIGHT, inputs="b")

    assert remember(tmp_path, "digits", later) == [NIGHT, later]
    assert read_nights(tmp_path, "digits") == [NIGHT, later]


def test_a_night_says_what_ships_and_what_the_candidates_reached():
    one = inputs(candidate(), changed(candidate("qat_w4a8"), score=0.5))
    verdict, champion = Verdict("ptq_w8a8", {}, ()), Shipped.of(7, candidate(), 0.8)

    night = night_of(Receipt.of("promoted", "why", verdict, champion), one)

    assert (night.version, night.score, night.decision) == (7, 0.8, "promoted")
    assert night.size_bytes == candidate().size_bytes
    assert (night.best, night.inputs) == (candidate().score, one.digest())
    assert night_of(Receipt.of("kept", "why", verdict, None), one).score is None
