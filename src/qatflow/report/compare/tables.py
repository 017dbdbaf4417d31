"""The rows of a comparison as plain words: figures, variants, layers, and what differs in parameters and lineage."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from qatflow.evaluation.layers import sqnr_db
from qatflow.report import wording
from qatflow.report.compare.judge import Noise, noise_of_latency, noise_of_scores
from qatflow.report.compare.side import Model, Side
from qatflow.tflite.inspect import LayerWeights, layer_weights

VERDICTS = {True: "real", False: "within noise", None: "not tested"}
EXACT = Noise(True, "exact")


@dataclass(frozen=True)
class Row:
    """A figure on both sides, their difference, and whether that is more than noise."""

    name: str
    a: str
    b: str
    difference: str
    verdict: str
    reason: str


def figures(a: Side, b: Side) -> list[Row]:
    """Return a row for each figure that one of the sides knows."""
    one, other, score = a.model, b.model, wording.SCORES[a.task]
    rows = [
        _row(score.name, (one.score, other.score), score.value, score.change, noise_of_scores(a, b, one, other)),
        _row("Float model's", (a.float_score, b.float_score), score.value, score.change, Noise(None, "")),
        _row("Agreement with float", (one.agreement, other.agreement), wording.percent, _points, Noise(None, "")),
        _sizes("Size", one.size_bytes, other.size_bytes),
        _sizes("Compressed (zstd)", one.zstd_bytes, other.zstd_bytes),
        _latency(one, other),
        _row("Latency to float's", (one.latency_ratio, other.latency_ratio), wording.times, _ratio, Noise(None, "")),
    ]
    return [row for row in rows if {row.a, row.b} != {wording.ABSENT}]


def variants(a: Side, b: Side) -> list[Row]:
    """Return the score of each model that both sides know by the same name; nothing where each knows one only."""
    score = wording.SCORES[a.task]
    shared = [name for name in a.models if name in b.models]
    if max(len(a.models), len(b.models)) < 2:
        return []
    pairs = [(name, a.models[name], b.models[name]) for name in shared]
    return [
        _row(name, (one.score, other.score), score.value, score.change, noise_of_scores(a, b, one, other))
        for name, one, other in pairs
    ]


def layers(a: Model, b: Model) -> list[Mapping[str, str]]:
    """Return the layers of both in their order, matched by name, else by place; nothing without both flatbuffers.

    Raises:
        ConversionError: If weights cannot be read.
    """
    if a.flatbuffer is None or b.flatbuffer is None:
        return []
    one, other = layer_weights(a.flatbuffer), layer_weights(b.flatbuffer)
    return [_layer(*pair) for pair in _paired(one, other)]


def differing(a: Mapping[str, str], b: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Return (name, value of a, value of b) for what is not the same in both."""
    names = dict.fromkeys([*a, *b])
    return [
        (name, a.get(name, wording.ABSENT), b.get(name, wording.ABSENT)) for name in names if a.get(name) != b.get(name)
    ]


def _row(
    name: str,
    values: tuple[float | None, float | None],
    write: Callable[[float], str],
    change: Callable[[float], str],
    noise: Noise,
) -> Row:
    one, other = values
    a, b = (wording.ABSENT if value is None else write(value) for value in values)
    if one is None or other is None:
        return Row(name, a, b, "", "", "")
    tested = VERDICTS[noise.real] if noise.reason else ""
    return Row(name, a, b, change(other - one), tested, noise.reason)


def _sizes(name: str, one: int | None, other: int | None) -> Row:
    row = _row(name, (one, other), wording.size, str, EXACT)
    if one is None or other is None:
        return row
    return Row(name, row.a, row.b, wording.smaller(other / one), "real" if one != other else "the same", "")


def _latency(one: Model, other: Model) -> Row:
    medians = tuple(model.latency_us[0] if model.latency_us else None for model in (one, other))
    row = _row("Latency p50", (medians[0], medians[1]), wording.latency, str, noise_of_latency(one, other))
    if medians[0] is None or medians[1] is None:
        return row
    return Row(row.name, row.a, row.b, wording.faster(medians[1] / medians[0]), row.verdict, row.reason)


def _points(difference: float) -> str:
    return f"{wording.signed(100 * difference, 1)}{wording.SPACE}points"


def _ratio(difference: float) -> str:
    return wording.signed(difference, 1)


Pair = tuple[LayerWeights | None, LayerWeights | None]


def _paired(one: list[LayerWeights], other: list[LayerWeights]) -> list[Pair]:
    """Match by place where the shapes agree one by one, else by name."""
    if [layer.values.shape for layer in one] == [layer.values.shape for layer in other]:
        return list(zip(one, other, strict=True))
    names = dict.fromkeys(layer.name for layer in [*one, *other])
    first, second = ({layer.name: layer for layer in layers} for layers in (one, other))
    return [(first.get(name), second.get(name)) for name in names]


def _layer(one: LayerWeights | None, other: LayerWeights | None) -> Mapping[str, str]:
    known = one or other
    return {
        "name": known.name if known else "",
        "operator": known.operator if known else "",
        "a": _stored(one),
        "b": _stored(other),
        "difference": _difference(one, other),
    }


def _stored(layer: LayerWeights | None) -> str:
    if layer is None:
        return wording.ABSENT
    zeros = float(np.mean(layer.integers == 0))
    return f"{layer.integers.size:,} {layer.dtype}, {wording.percent(zeros)} zero"


def _difference(one: LayerWeights | None, other: LayerWeights | None) -> str:
    """SQNR of b's weights against a's, where they have one shape."""
    if one is None or other is None:
        return "on one side only"
    if one.values.shape != other.values.shape:
        return "another shape"
    found = sqnr_db(one.values, other.values - one.values)
    return "the same weights" if found is None else f"{found:.1f} dB"
