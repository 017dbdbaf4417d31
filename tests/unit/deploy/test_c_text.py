"""C literals mean what they stand for: a C compiler reads them back."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from qatflow.deploy.c_text import array, identifier, number, octets, string, values

STRANGE = [
    'a"b',
    "a\\b",
    "line\nbreak\r\t",
    "??/ ??' trigraphs",
    "*/ /* //",
    "naïve 数字 🎉",
    "\x00\x7f",
    "%s %d",
    "7\x017",
    "",
]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("qatflow-digits", "qatflow_digits"),
        ("8bit.model", "m_8bit_model"),
        ("Ünïcode", "n_code"),
        ("int", "int"),
        ("__", "model"),
        ("a*/b\n#include", "a_b_include"),
    ],
)
def test_identifiers_hold_letters_digits_and_single_underscores(name: str, expected: str):
    assert identifier(name) == expected


def test_strings_are_read_back_byte_for_byte(tmp_path: Path):
    source = array("const char *const texts", map(string, STRANGE))
    lengths = array("const unsigned lengths", (str(len(text.encode())) for text in STRANGE))
    main = (
        f"#include <stdio.h>\n{source}{lengths}"
        f"int main(void) {{ int i; for (i = 0; i < {len(STRANGE)}; ++i) fwrite(texts[i], 1, lengths[i], stdout);"
        " return 0; }\n"
    )
    (tmp_path / "main.c").write_text(main)

    assert compiled(tmp_path) == "".join(STRANGE).encode()


def test_floats_are_read_back_bit_for_bit(tmp_path: Path):
    rng = np.random.default_rng(0)
    floats = rng.integers(0, 2**32, 500, np.uint32).view(np.float32)
    floats = np.append(floats[np.isfinite(floats)], np.float32([0.0, -0.0, 1.0, 1e-45, 3.4028235e38, 1 / 255]))
    main = (
        f"#include <stdio.h>\n{array('const float x', values(floats))}"
        "int main(void) { fwrite(x, sizeof x, 1, stdout); return 0; }\n"
    )
    (tmp_path / "main.c").write_text(main)

    assert compiled(tmp_path) == floats.tobytes()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e39])
def test_what_has_no_literal_is_refused(value: float):
    with pytest.raises(ValueError, match="no literal"):
        number(value)


def test_bytes_and_empty_arrays():
    assert list(octets(b"\x00\xff")) == ["0x00", "0xff"]
    assert array("int a", []) == "int a[1] = {\n    0,\n};\n"


def compiled(folder: Path) -> bytes:
    command = ["gcc", "-std=c99", "-Wall", "-Werror", "main.c", "-o", "main"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return subprocess.run([folder / "main"], check=True, capture_output=True).stdout
