"""Some hundred histories of a shared registry, always the same ones; `registry_histories` runs any number of others."""

import pytest

from tests.fuzz.registry_histories import run


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 2])
def test_what_is_promised_of_the_registry_holds_in_histories_drawn_at_random(number: int):
    run(histories=150, number=number)


@pytest.mark.long
@pytest.mark.slow
def test_what_is_deployed_is_the_champion_or_a_sentence_says_otherwise():
    run(histories=30, number=3, deployed=True)
