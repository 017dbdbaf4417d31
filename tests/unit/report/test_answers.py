from qatflow.report.answers import answers
from qatflow.report.wording import SPACE


def test_the_answers_are_plain(run):
    told = {question: answer.replace(SPACE, " ") for question, answer in answers(run)}
    assert told == {
        "What ships": "qat_w8a8_per_channel, a TFLite file of 25.1 kB (19.9 kB compressed by zstd; its bundle has "
        "28.1 kB), as version 3.",
        "Is it good": "It is right on 97.8 % of 360 samples that no training saw (95 % interval 96.3 % to 98.9 %). "
        "That is 0.3 points below float (98.1 %), which may be chance (p = 0.625).",
        "Is it smaller and faster": "It is 3.1\u00d7 smaller than float (25.1 kB instead of 78.2 kB) and as fast as "
        "float (18.8 \u00b5s instead of 19.6 \u00b5s a sample, on the machine of this run).",
    }


def test_where_nothing_ships_the_answer_says_so(build_run, load):
    run = load(build_run(champion=None, refused=("ptq_w8a8", "qat_w8a8_per_channel", "qat_w4a8")))
    assert answers(run)[0][1].startswith("Nothing. The best candidate is qat_w8a8_per_channel, ")


def test_a_champion_of_an_earlier_run_is_named(build_run, load):
    run = load(build_run(champion="qat_of_last_week"))
    assert answers(run) == [("What ships", "qat_of_last_week of an earlier run, version 3.")]


def test_a_regressor_is_described_without_interval(build_run, load):
    assert (
        "R² 0.912 on 360 samples that no training saw. That is the same as float"
        in dict(answers(load(build_run(task="regression"))))["Is it good"]
    )
