"""The estimated arena, against what TFLite Micro itself needs and against plans that can be counted by hand."""

import pytest

from qatflow.errors import ConversionError
from qatflow.evaluation.arena import Buffer, estimate_arena, plan

# Of tests/golden: bytes of activations and of what stays, as tflite-micro 0.dev20261023182759 (x86-64) told with
# Interpreter.print_allocations(): "Arena allocation head" and "tail".
MEASURED = {
    "autoencoder": (80, 1840),
    "float32": (1664, 1872),
    "int4": (1424, 1952),
    "int8": (416, 2032),
    "regressor": (80, 976),
}


@pytest.mark.parametrize(("name", "measured"), MEASURED.items(), ids=MEASURED)
def test_activations_are_those_of_tflite_micro_and_the_whole_is_enough_and_not_much_more(name, measured, golden):
    activations, persistent = measured

    arena = estimate_arena(golden[name])

    assert arena.activations == activations
    assert persistent <= arena.persistent <= 1.4 * persistent
    assert arena.total == arena.activations + arena.persistent


@pytest.mark.parametrize(
    ("buffers", "expected"),
    [
        ([], 0),
        ([(32, 0, 0)], 32),
        ([(32, 0, 1), (16, 1, 2)], 48),  # both live at 1
        ([(32, 0, 1), (32, 2, 3)], 32),  # one after the other
        ([(32, 0, 3), (16, 0, 1), (16, 2, 3)], 48),  # the small ones share
        ([(16, 0, 0), (64, 0, 2), (16, 2, 2), (32, 1, 1)], 96),
    ],
)
def test_buffers_share_bytes_when_they_do_not_live_together(buffers, expected):
    assert plan([Buffer(*buffer) for buffer in buffers]) == expected


def test_what_is_no_model_is_refused():
    with pytest.raises(ConversionError):
        estimate_arena(b"nothing")
