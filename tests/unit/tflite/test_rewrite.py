import itertools

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import Builder

from qatflow.errors import ConversionError
from qatflow.tflite.rewrite import ALIGNMENT, pack, parse
from qatflow.tflite.runtime import Runner

NAMES = ["float32", "float16", "int8", "int4", "regressor", "autoencoder"]


def offsets(model):
    """Return where the data of each buffer start, by the low-level reader."""
    root = schema.Model.GetRootAs(model, 0)
    buffers = [root.Buffers(i) for i in range(root.BuffersLength())]
    tables = [buffer._tab for buffer in buffers if not buffer.DataIsNone()]
    return [table.Vector(table.Offset(4)) for table in tables]


@pytest.mark.parametrize("name", NAMES)
def test_a_rewritten_model_computes_the_same_bit_for_bit(golden, name):
    runner, rewritten = Runner(golden[name]), Runner(pack(parse(golden[name])))
    x = np.random.default_rng(0).uniform(0, 1, (40, *runner.input.shape)).astype(np.float32)

    assert rewritten.raw(x).tobytes() == runner.raw(x).tobytes()
    assert (rewritten.input, rewritten.output) == (runner.input, runner.output)


@pytest.mark.parametrize("name", NAMES)
def test_packing_is_deterministic_and_aligned(golden, name):
    packed = pack(parse(golden[name]))

    assert packed == pack(parse(golden[name])) == pack(parse(packed))
    assert packed[4:8] == b"TFL3"
    assert len(offsets(packed)) > 3
    assert [offset % ALIGNMENT for offset in offsets(packed)] == [0] * len(offsets(packed))
    assert len(packed) < len(golden[name]) + 1024


@pytest.mark.parametrize("name", NAMES)
def test_data_stand_side_by_side_the_largest_last(golden, name):
    packed = pack(parse(golden[name]))
    sizes = [buffer.data.size for buffer in parse(packed).buffers if buffer.data is not None]

    ends = sorted((offset, offset + size) for offset, size in zip(offsets(packed), sizes, strict=True))

    assert [end - start for start, end in ends] == sorted(sizes)
    assert all(following - end < ALIGNMENT + 4 for (_, end), (following, _) in itertools.pairwise(ends))
    assert len(packed) - ends[-1][1] < ALIGNMENT


def test_the_stock_packer_would_not_align(golden):
    builder = Builder()
    builder.Finish(parse(golden["int8"]).Pack(builder), b"TFL3")

    assert any(offset % ALIGNMENT for offset in offsets(bytes(builder.Output())))


def test_changes_arrive_and_leave_the_input_alone(golden):
    original = bytes(bytearray(golden["int8"]))
    tree = parse(original)
    buffer = next(buffer for buffer in tree.buffers if buffer.data is not None and len(buffer.data) == 40)
    buffer.data = buffer.data ^ 1

    assert len(pack(tree)) == len(pack(parse(original)))
    assert pack(tree) != pack(parse(original))
    assert original == golden["int8"]


def test_refuses_buffers_behind_the_tables(golden, edited):
    data = []

    def move_out(tree):
        buffer = next(buffer for buffer in tree.buffers if buffer.data is not None and len(buffer.data) == 1280)
        data.append(buffer.data.tobytes())
        buffer.data, buffer.offset, buffer.size = None, 1 << 16, 1280

    model = edited(golden["int8"], move_out).ljust(1 << 16, b"\0") + data[0]
    x = np.ones((1, *Runner(model).input.shape), np.float32)

    assert Runner(model).raw(x).tolist() == Runner(golden["int8"]).raw(x).tolist()
    with pytest.raises(ConversionError, match="behind its tables"):
        parse(model)


def test_refuses_options_behind_the_tables(golden, edited):
    model = edited(golden["int8"], lambda tree: vars(tree.subgraphs[0].operators[0]).update(largeCustomOptionsOffset=9))

    with pytest.raises(ConversionError, match="behind its tables"):
        parse(model)


@pytest.mark.parametrize("damage", [lambda m: b"not a model", lambda m: m[: len(m) // 2]])
def test_refuses_what_is_no_model(golden, damage):
    with pytest.raises(ConversionError):
        parse(damage(golden["int8"]))
