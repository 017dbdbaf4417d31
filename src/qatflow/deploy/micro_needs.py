"""Which TFLite Micro a model needs: it has no releases, so that dates of its commits tell versions apart.

Each entry names the pull request of tensorflow/tflite-micro that brought it, and the month in which it was merged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from qatflow.tflite.inspect import TYPES, WEIGHT_OPERATORS, WEIGHTS, operator_name


@dataclass(frozen=True, order=True)
class Need:
    """What a model needs.

    Attributes:
        since: Month of the commit that brought it, such as 2024-09.
        what: Of the model.
        pull: Number of the pull request.
        else_: What older ones do.
    """

    since: str
    what: str
    pull: int
    else_: str = "older ones refuse the model"


PER_CHANNEL_DENSE = Need(
    "2024-09",
    "FULLY_CONNECTED with a scale for each output",
    2673,
    "older ones refuse the model, those before 2024-06 compute with wrong scales and say nothing",
)
FOUR_BITS = {
    "CONV_2D": Need("2022-10", "CONV_2D with 4-bit weights", 1472),
    "DEPTHWISE_CONV_2D": Need("2022-11", "DEPTHWISE_CONV_2D with 4-bit weights", 1547),
    "FULLY_CONNECTED": Need("2022-11", "FULLY_CONNECTED with 4-bit weights", 1547),
}
OPERATORS = {
    "BATCH_MATMUL": Need("2023-08", "BATCH_MATMUL", 2147),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Need("2023-02", "UNIDIRECTIONAL_SEQUENCE_LSTM", 1682),
}


def needs(tree: Any) -> list[Need]:
    """Return what a flatbuffer (`schema.ModelT`) needs that not every TFLite Micro in use has, newest first."""
    found = {need for graph in tree.subgraphs for operator in graph.operators for need in _of(tree, graph, operator)}
    return sorted(found, reverse=True)


def _of(tree: Any, graph: Any, operator: Any) -> list[Need]:
    name = operator_name(tree, operator)
    found = [OPERATORS[name]] if name in OPERATORS else []
    if name in WEIGHT_OPERATORS:
        weights = graph.tensors[operator.inputs[WEIGHTS]]
        scales = weights.quantization.scale if weights.quantization is not None else None
        if name == "FULLY_CONNECTED" and np.size(scales if scales is not None else ()) > 1:
            found.append(PER_CHANNEL_DENSE)
        if name in FOUR_BITS and TYPES[weights.type] == "INT4":
            found.append(FOUR_BITS[name])
    return found
