"""The states of recurrent operators in a flatbuffer: variable tensors that LiteRT keeps from one call to the next."""

from typing import Any

import numpy as np

from qatflow.tflite.inspect import TYPES, operator_name
from qatflow.tflite.rewrite import pack, parse

STATES = {"UNIDIRECTIONAL_SEQUENCE_LSTM": (18, 19), "BIDIRECTIONAL_SEQUENCE_LSTM": (35, 36, 37, 38)}
"""Positions of the states among an operator's inputs; tensorflow/lite/kernels/*_sequence_lstm.cc."""


def with_empty_states(model: bytes) -> bytes:
    """Return a flatbuffer whose states start at 0: the converter leaves there whatever its memory held.

    The input tensor gets the name that it has without a SavedModel, so that equal models give equal bytes.

    Raises:
        ConversionError: If LiteRT cannot run the model.
    """
    tree = parse(model)
    for graph in tree.subgraphs:
        for operator in graph.operators:
            for position in STATES.get(operator_name(tree, operator), ()):
                _empty(tree, graph.tensors[operator.inputs[position]])
    source = tree.subgraphs[0].tensors[tree.subgraphs[0].inputs[0]]
    source.name = source.name.decode().removeprefix("serving_default_").removesuffix(":0").encode()
    return pack(tree)


def _empty(tree: Any, tensor: Any) -> None:
    data = tree.buffers[tensor.buffer].data
    if data is not None and len(data):
        dtype = np.dtype(TYPES[tensor.type].lower())
        points = None if tensor.quantization is None else tensor.quantization.zeroPoint
        zero = 0 if points is None else points[0]
        tree.buffers[tensor.buffer].data = np.full(len(data) // dtype.itemsize, zero, dtype).view(np.uint8)
