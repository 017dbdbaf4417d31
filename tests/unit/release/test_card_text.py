import pytest

from qatflow.release.card_text import NOT_STATED, code, plain, stated, table


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cats and dogs", "cats and dogs"),
        ("<script>alert(1)</script>", r"&lt;script&gt;alert\(1\)&lt;/script&gt;"),
        ("a | b", r"a \| b"),
        ("# heading\nsecond", r"\# heading second"),
        ("[x](javascript:1) ![y]", r"\[x\]\(javascript:1\) \!\[y\]"),
        ("*a* _b_ `c` \\", r"\*a\* \_b\_ \`c\` " + r"\\"),
        (7, "7"),
        ("\x1b[31mred\x07", r"\\u001b\[31mred\\u0007"),
        ("abc\u202ecba", r"abc\\u202ecba"),
        ("a\u2028b\ufeff", r"a b\\ufeff"),
        ("é 猫 👩\u200d🔬", "é 猫 👩\u200d🔬"),
    ],
)
def test_nothing_in_a_text_is_markup(text, shown):
    assert plain(text) == shown


def test_code_cannot_be_left():
    assert code("a`b|c\nd") == "`a'b\u00a6c d`"


@pytest.mark.parametrize("text", [None, ""])
def test_silence_is_said(text):
    assert stated(text) == NOT_STATED


def test_a_table_stands_alone():
    assert table(["a", "b"], [["1", "2"]]) == ["", "| a | b |", "| --- | --- |", "| 1 | 2 |", ""]
