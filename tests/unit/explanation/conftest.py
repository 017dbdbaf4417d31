"""A linear flatbuffer whose Shapley values are known, and games on it."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from qatflow.ensemble.graph import Graph
from qatflow.tflite.rewrite import pack

WEIGHTS = np.array([[0.5, -1.25, 2.0, 0.0, 3.5, -0.75]], np.float32)
BIAS = 0.3


@pytest.fixture(scope="session")
def linear():
    """Dense(1) of six inputs as a float flatbuffer: x @ WEIGHTS + BIAS."""
    graph = Graph("linear")
    x, y = graph.tensor("x", [1, 6]), graph.tensor("y", [1, 1])
    constants = [graph.constant("weights", WEIGHTS), graph.constant("bias", np.array([BIAS], np.float32))]
    graph.operator("FULLY_CONNECTED", [x, *constants], y, schema.FullyConnectedOptionsT())
    graph.main.inputs, graph.main.outputs = np.array([x], np.int32), np.array([y], np.int32)
    return pack(graph.tree)


@pytest.fixture(scope="session")
def two_inputs():
    """A flatbuffer that adds two inputs."""
    graph = Graph("two")
    inputs = [graph.tensor(name, [1, 6]) for name in ("a", "b")]
    graph.main.inputs, graph.main.outputs = np.array(inputs, np.int32), np.array([graph.sum(inputs, "sum")], np.int32)
    return pack(graph.tree)


@pytest.fixture(scope="session")
def digits(make_data):
    return make_data("unit", source="digits")
