"""The digest of a file's syntax tree: what counts in it, and that all versions of Python agree."""

import ast

import pytest

from qatflow.syntax_tree import Import, of_tree, parse

BEFORE = '''
"""A module."""
from __future__ import annotations
from typing import TYPE_CHECKING
LIMIT = 3
"""Seconds."""

class Error(Exception):
    """Said."""

async def scaled(x: int, *, scale=1_000, text='a' "b") -> float:
    """Scale."""
    # as in the paper
    return (x * scale) + LIMIT
'''
SAME = {
    "docstrings": BEFORE.replace("A module.", "Another.").replace("Seconds.", "Hours."),
    "comments": BEFORE.replace("# as", "# not as"),
    "no docstrings": BEFORE.replace('"""Said."""', "pass").replace('"""Scale."""', "").replace('"""Seconds."""', ""),
    "places": BEFORE.replace("\n", "\n\n").replace("(x * scale) +", "(\n        x * scale\n    )    +"),
    "spelling": BEFORE.replace("1_000", "0x3e8").replace("'a' \"b\"", "u'ab'"),
    "types of a checker": BEFORE.replace("LIMIT = 3", "LIMIT = 3\nif TYPE_CHECKING:\n    import numpy\n"),
}
OTHER = {
    "value": BEFORE.replace("LIMIT = 3", "LIMIT = 4"),
    "kind of value": BEFORE.replace("LIMIT = 3", "LIMIT = 3.0"),
    "operator": BEFORE.replace("x * scale", "x / scale"),
    "precedence": BEFORE.replace("(x * scale) + LIMIT", "x * (scale + LIMIT)"),
    "name": BEFORE.replace("LIMIT", "BOUND"),
    "base": BEFORE.replace("(Exception)", ""),
    "default": BEFORE.replace("1_000", "1_001"),
    "kind of argument": BEFORE.replace("*, scale", "scale"),
    "kind of function": BEFORE.replace("async def", "def"),
    "order": BEFORE.replace("LIMIT = 3", "").replace("async def", "LIMIT = 3\nasync def"),
    "text": BEFORE.replace("'a'", "'c'"),
}
ALL_OF_IT = r"""
import a.b as c, d
from .e import *
@deco(1, *z, k=2, **w)
class A(B[int], metaclass=M):
    x: int = 1
    def f(self, a, /, b=1.5, *args, c=-2j, **kw) -> "A":
        global g
        del a[1:2, ..., ::3], b.c
        try:
            assert a, f"é {a!r:>{b}.{c}} {a=} {{}}" f'{b}' "tail" '\ud800 語'
        except (E, F) as e:
            raise G from e
        else: pass
        finally: return
async def h():
    async for i, (j, *k) in l: yield await m
    async with n as o, p: await q
    while (r := s) is not None or not t < u <= 3:
        if r: continue
        elif s: break
        else: return [v async for v in w if v] or {x: y for x in y} or {**z, 1: b"\x00"} or {*a} or (lambda b: c)
match x:
    case {"a": [1, *_], **rest} | A(b=None) as y if z: nonlocal_ = 1e400
    case -1 | True | ("a" "b"): x @= y // 2 ** z % 3 << 4 >> 5 & 6 | 7 ^ ~8
try: f()
except* ValueError: pass
"""


@pytest.mark.parametrize("name", SAME)
def test_what_says_the_same_has_the_same_digest(name: str) -> None:
    assert SAME[name] != BEFORE
    assert parse(SAME[name]).digest == parse(BEFORE).digest


@pytest.mark.parametrize("name", OTHER)
def test_what_says_something_else_has_another(name: str) -> None:
    assert OTHER[name] != BEFORE
    assert parse(OTHER[name]).digest != parse(BEFORE).digest


def test_python_3_11_to_3_13_agree_upon_a_digest() -> None:
    """The number was computed by each of them; another one re-runs every stage of every project."""
    assert parse(ALL_OF_IT).digest == "ea1767e89276f992bbeca492f12a6171051fe328511014228948789c916b8d8a"


def test_fields_of_a_newer_python_count_only_where_they_are_filled() -> None:
    """As `type_params`, which 3.12 has and 3.11 has not."""
    (function,) = ast.parse("def f(x): return 1").body
    newer = type("FunctionDef", (ast.FunctionDef,), {"_fields": ("a_new_one", *ast.FunctionDef._fields)})

    def digest(a_new_one: object) -> str:
        made = newer(**{name: getattr(function, name, None) for name in function._fields}, a_new_one=a_new_one)
        return of_tree(ast.Module([made], [])).digest

    assert digest([]) == digest(None) == of_tree(ast.Module([function], [])).digest
    assert digest([ast.Name("T", ast.Load())]) != digest([])


def test_texts_of_an_f_string_may_be_cut_anywhere() -> None:
    (statement,) = ast.parse("f'ab{c}'").body
    whole = of_tree(ast.Module([statement], [])).digest
    assert isinstance(statement, ast.Expr)
    assert isinstance(statement.value, ast.JoinedStr)
    statement.value.values[:1] = [ast.Constant("a"), ast.Constant(""), ast.Constant("b")]
    assert of_tree(ast.Module([statement], [])).digest == whole


def test_a_long_expression_is_read() -> None:
    terms = " + ".join(["a"] * 900)
    assert parse(f"x = {terms}").digest != parse(f"x = {terms} + a").digest
    branches = "".join(f"elif x == {i}: y()\n" for i in range(300))
    assert parse(f"if x: pass\n{branches}").digest


def test_imports_are_found_with_what_is_asked_of_them() -> None:
    found = set(parse("import a.b as c\nfrom ..d import e, f as g\nc.h.i(g.j)\nimport k.l").imports)
    assert found == {
        *(Import("a.b"), Import("a.b", names=("h",)), Import("a.b.h", names=("i",))),
        *(Import("d", 2, ("e", "f")), Import("d.f", 2, ("j",)), Import("k.l")),
    }


def test_names_have_homes() -> None:
    table = "T = {'a': 'p.q', 'b': '.r:s', 'p.t': ('c', 'd'), 'not a module': 'e f'}\nfrom u import v as w\n"
    homes = parse(f"{table}if TYPE_CHECKING:\n    from .x import y").homes
    assert {name: (home.module, home.level, home.names) for name, home in homes.items()} == {
        "a": ("p.q", 0, ("a",)),
        "b": ("r", 1, ("s",)),
        "c": ("p.t", 0, ("c",)),
        "d": ("p.t", 0, ("d",)),
        "w": ("u", 0, ("v",)),
        "y": ("x", 1, ("y",)),
    }
