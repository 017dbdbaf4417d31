"""C source text from values: literals that say exactly what they stand for, whatever is in them. C99 and C++11."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from qatflow.artifacts import Array

C_TYPES = {"float32": "float", "int8": "int8_t", "uint8": "uint8_t", "int16": "int16_t"}
WIDTH = 100
_PLAIN = re.compile(rb"[A-Za-z0-9 !#-&(-/:->@\[\]-`{-~]")  # printable, without " ' \ and ?, which trigraphs begin with


def identifier(name: str) -> str:
    """Return a C identifier that a name of a registered model suggests; `_model` and the like make it no keyword."""
    found = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").lower() or "model"
    return f"m_{found}" if found[0].isdigit() else found


def string(text: str) -> str:
    """Return a string literal of the text's UTF-8 bytes; what is not plain is written in octal, three digits each."""
    escaped = (
        chr(byte) if _PLAIN.fullmatch(bytes([byte])) else f"\\{byte:03o}" for byte in text.encode("utf-8", "replace")
    )
    return f'"{"".join(escaped)}"'


def number(value: float) -> str:
    """Return a float literal that reads back as the same float32.

    Raises:
        ValueError: If it is NaN, infinite or beyond float32.
    """
    with np.errstate(over="ignore"):
        single = np.float32(value)
    if not np.isfinite(single):
        raise ValueError(f"{value} has no literal of a float in C")
    digits = f"{single:.9g}"
    return f"{digits if set(digits) & set('.e') else digits + '.0'}f"


def values(array: Array) -> Iterable[str]:
    """Return one literal for each value of an array, in C order."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return map(number, flat.tolist()) if flat.dtype.kind == "f" else map(str, flat.tolist())


def octets(content: bytes) -> Iterable[str]:
    """Return one literal for each byte."""
    return (f"0x{byte:02x}" for byte in content)


def array(declaration: str, literals: Iterable[str]) -> str:
    """Return `declaration[count] = {...};`; an empty array, which C has not, becomes one zero."""
    items = list(literals) or ["0"]
    return f"{declaration}[{len(items)}] = {{\n{_wrapped(items)}\n}};\n"


def matrix(declaration: str, rows: Sequence[Iterable[str]]) -> str:
    """Return `declaration[rows][columns] = {{...}, ...};`."""
    items = [list(row) for row in rows]
    body = ",\n".join(f"  {{\n{_wrapped(row)}\n  }}" for row in items)
    return f"{declaration}[{len(items)}][{len(items[0])}] = {{\n{body}\n}};\n"


def _wrapped(items: Iterable[str]) -> str:
    lines, line = [], "   "
    for item in items:
        if len(line) + len(item) + 2 > WIDTH and line.strip():
            lines.append(line)
            line = "   "
        line += f" {item},"
    return "\n".join([*lines, line])
