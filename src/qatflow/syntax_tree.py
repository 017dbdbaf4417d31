"""What one Python file says to the interpreter: a digest of its syntax tree, and what it imports.

Without docstrings, comments, positions and what stands below `if TYPE_CHECKING:`, and equal on Python 3.11 to 3.13.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from qatflow.artifacts import sha256_bytes
from qatflow.errors import CodeError

SKIPPED = frozenset({"ctx", "kind", "type_comment", "type_ignores"})
"""Fields that follow from where a node stands, or that only comments fill."""
PARTED = (ast.AST, list)
IMPORTS = (ast.Import, ast.ImportFrom)
LOADERS = frozenset({"import_module", "__import__", "run_module", "-m"})
"""Where one of these stands, modules may be imported by texts."""
Part: TypeAlias = ast.AST | list[Any] | str
_MODULE = re.compile(r"\.*[^\W\d]\w*(\.[^\W\d]\w*)*(:\w+)?")


@dataclass(frozen=True)
class Import:
    """An import statement: `module` (relative to the package `level` times up, 0: absolute), and names asked of it."""

    module: str
    level: int = 0
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """One file.

    Attributes:
        digest: Of its tree.
        imports: Anywhere in it, but for those that only a type checker sees.
        homes: A name -> where it comes from, of names that are imported, in whatever way, to be handed on.
    """

    digest: str
    imports: tuple[Import, ...]
    homes: Mapping[str, Import]


def read(path: Path) -> Source:
    """Read a file; once, as long as its size and time of change stay.

    Raises:
        CodeError: If it cannot be read, or is no Python.
    """
    try:
        found = path.stat()
        return _read(path, found.st_size, found.st_mtime_ns)
    except OSError as error:
        raise CodeError(f"{path} cannot be read ({error.strerror}), so what code runs is not known.") from None


@cache
def _read(path: Path, size: int, time_ns: int) -> Source:  # noqa: ARG001 (part of the cache's key)
    try:
        return parse(path.read_bytes())
    except SyntaxError as error:
        where = f"{path}, line {error.lineno}," if error.lineno else str(path)
        raise CodeError(f"{where} is no Python: {error.msg}. Mend it, and run again.") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise CodeError(f"{path} is no Python that can be read: {error}. Mend it, and run again.") from None


def parse(code: bytes | str) -> Source:
    """Read the text of a file.

    Raises:
        SyntaxError: If it is no Python.
    """
    return of_tree(ast.parse(code))


def of_tree(tree: ast.Module) -> Source:
    """Read a syntax tree."""
    reader = _Reader(tree)
    digest = sha256_bytes("\n".join(reader.words).encode())
    return Source(digest, tuple(reader.imports()), dict(reader.homes()))


@cache
def _sorted(fields: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(fields) - SKIPPED))


class _Reader:
    """Writes a tree as words that no two trees of other meaning share, and notes on the way what it imports."""

    def __init__(self, tree: ast.Module) -> None:
        self.words: list[str] = []
        self._imports: list[ast.Import | ast.ImportFrom] = []
        self._typed: list[ast.ImportFrom] = []
        self._tables: list[ast.Dict] = []
        self._attributes: dict[str, set[tuple[str, ...]]] = {}
        self._texts: list[str] = []
        self._loads = False
        waiting: list[Part] = [tree.body]
        while waiting:  # no recursion: an expression of a thousand terms is as deep
            part = waiting.pop()
            if isinstance(part, str):
                self.words.append(part)
            else:
                waiting += reversed(self._parts(part))

    def _parts(self, item: ast.AST | list[Any]) -> list[Part]:
        """Return what a list or a node is made of: words, and what is to be taken apart further."""
        if isinstance(item, list):
            return ["[", *map(self._part, _effective(item, self._typed)), "]"]
        self._note(item)
        if isinstance(item, ast.JoinedStr):  # Python 3.12 cuts some in other places
            item = ast.JoinedStr(list(_joined(item.values)))
        parts: list[Part] = [f"({type(item).__name__}"]
        for name in _sorted(item._fields):
            value = getattr(item, name, None)
            if value is not None and value != []:  # a newer Python's fields are empty where an older one has none
                parts += (name, self._part(value))
        parts.append(")")
        return parts

    def _part(self, value: Any) -> Part:
        """Return what is a word already as one: most nodes are names and constants."""
        if isinstance(value, ast.Name):
            self._loads |= value.id in LOADERS
            return f"(Name {value.id!a})"
        if isinstance(value, ast.Constant):
            return self._constant(value.value)
        if isinstance(value, PARTED):
            return value
        self._loads |= value in LOADERS
        return ascii(value)

    def _constant(self, value: Any) -> str:
        if isinstance(value, str):
            self._loads |= value in LOADERS
            if "." in value:
                self._texts.append(value)
        return f"{type(value).__name__} {value!a}"

    def _note(self, node: ast.AST) -> None:
        if isinstance(node, ast.Attribute):
            first, *rest = _chain(node)
            self._attributes.setdefault(first, set()).add(tuple(rest))
        elif isinstance(node, IMPORTS):
            self._imports.append(node)
        elif isinstance(node, ast.Dict):
            self._tables.append(node)

    def imports(self) -> Iterator[Import]:
        """Give what is imported; attributes that are asked of it count as names."""
        for node in self._imports:
            if isinstance(node, ast.ImportFrom):
                yield Import(node.module or "", node.level, tuple(alias.name for alias in node.names))
            for alias in node.names:
                yield from self._asked(node, alias)
        if self._loads:
            yield from (_named(text) for text in self._texts if _MODULE.fullmatch(text))

    def _asked(self, node: ast.Import | ast.ImportFrom, alias: ast.alias) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            yield Import(alias.name)
            bound = alias.name if alias.asname else alias.name.partition(".")[0]
            module, level = bound, 0
        else:
            module, level = ".".join(filter(None, [node.module, alias.name])), node.level
        for chain in sorted(self._attributes.get(alias.asname or alias.name.partition(".")[0], ())):
            yield from (Import(".".join((module, *chain[:i])), level, (name,)) for i, name in enumerate(chain))

    def homes(self) -> Iterator[tuple[str, Import]]:
        """Give the names that are imported from elsewhere, or stand in a table of names and modules."""
        for table in self._tables:
            for key, value in zip(table.keys, table.values, strict=True):
                yield from _homes(_text(key), value)
        for node in (*self._typed, *self._imports):
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    yield alias.asname or alias.name, Import(node.module or "", node.level, (alias.name,))


def _chain(node: ast.expr) -> tuple[str, ...]:
    """Return `a.b.c` in its parts; with an empty first one where it begins with something else than a name."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return (node.id if isinstance(node, ast.Name) else "", *reversed(names))


def _effective(items: Iterable[Any], typed: list[ast.ImportFrom]) -> Iterator[Any]:
    """Leave out docstrings and other lone constants, `pass`, and what only a type checker sees."""
    for item in items:
        if isinstance(item, ast.Pass) or (isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant)):
            continue
        if isinstance(item, ast.If) and _name(item.test) == "TYPE_CHECKING":
            typed += [node for node in item.body if isinstance(node, ast.ImportFrom)]
            yield from _effective(item.orelse, typed)
        else:
            yield item


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _homes(key: str, value: ast.expr) -> Iterator[tuple[str, Import]]:
    """Read a line of a table, as `name: module`, `name: module:name` or `module: (names)`."""
    if _MODULE.fullmatch(_text(value)):
        home = _named(_text(value))
        yield key, Import(home.module, home.level, home.names or (key,))
    elif isinstance(value, ast.Tuple | ast.List) and _MODULE.fullmatch(key):
        home = _named(key)
        yield from ((_text(name), Import(home.module, home.level, (_text(name),))) for name in value.elts)


def _named(text: str) -> Import:
    """Return what a text such as `package.module`, `.module` or `package.module:name` imports."""
    module, _, name = text.partition(":")
    bare = module.lstrip(".")
    return Import(bare, len(module) - len(bare), (name,) if name else ())


def _joined(values: Iterable[ast.expr]) -> Iterator[ast.expr]:
    """Put neighbouring texts of an f-string together, and leave empty ones out."""
    text = ""
    for value in values:
        if isinstance(value, ast.Constant):
            text += str(value.value)
            continue
        if text:
            yield ast.Constant(text)
        text = ""
        yield value
    if text:
        yield ast.Constant(text)
