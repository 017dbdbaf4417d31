"""How the members' outputs become one. A new way: a class here, a line in `COMBINERS`."""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Protocol

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from qatflow.ensemble.graph import BOOL, FLOAT32, INT32, Graph

Floats = npt.NDArray[np.float32]


class Combiner(Protocol):
    """A rule that makes one output of several.

    `combine` says what it computes; `emit` writes the same into a graph, with builtin operators, so that the graph
    gives the same float32 bits. Neither the order of equally weighted members nor the batch may change the winner.

    Attributes:
        tasks: The tasks it suits.
        weighs: Whether it takes weights that were fitted; else each member counts the same.
        votes: Whether only the winner of its result means something; else its probabilities do too.
    """

    tasks: tuple[str, ...]
    weighs: bool
    votes: bool

    def combine(self, outputs: Floats, weights: Sequence[np.float32], /) -> Floats:
        """Return (n, k) float32 of the members' outputs (m, n, k) float32 and m weights of sum 1."""
        ...

    def emit(self, graph: Graph, outputs: Sequence[int], weights: Sequence[np.float32], /) -> int:
        """Append the operators to `graph` and return the tensor of the result; `outputs` are (n, k) float32."""
        ...


class Weighted:
    """Σ wᵢ yᵢ. Classification takes probabilities, and gives them."""

    tasks: tuple[str, ...] = ("classification", "multi_label", "regression", "anomaly")
    votes = False

    def __init__(self, *, weighs: bool) -> None:
        self.weighs = weighs

    def combine(self, outputs: Floats, weights: Sequence[np.float32], /) -> Floats:
        """Return (n, k) float32."""
        return reduce(np.add, [output * weight for output, weight in zip(outputs, weights, strict=True)])

    def emit(self, graph: Graph, outputs: Sequence[int], weights: Sequence[np.float32], /) -> int:
        """Append MUL for each member and ADD."""
        scaled = [graph.scale(output, weight, "weighted") for output, weight in zip(outputs, weights, strict=True)]
        return graph.sum(scaled, "weighted")


class Vote:
    """(votes + mean probability) / (m + 1), each member voting for its likeliest class; rows of sum 1.

    The class with most votes wins; among equals the one with the highest mean probability, which never outweighs a
    vote: it would have to be 1 for one class and 0 for the other, but then every vote is for the one.
    """

    tasks: tuple[str, ...] = ("classification",)
    weighs = False
    votes = True

    def combine(self, outputs: Floats, weights: Sequence[np.float32], /) -> Floats:
        """Return (n, k) float32."""
        choices = np.eye(outputs.shape[2], dtype=np.float32)[outputs.argmax(axis=2)]
        return np.asarray((reduce(np.add, choices) + MEAN.combine(outputs, weights)) * _share(len(outputs)))

    def emit(self, graph: Graph, outputs: Sequence[int], weights: Sequence[np.float32], /) -> int:
        """Append each member's choice, and the sums; of two classes a single output stands for the second one."""
        choose = _above_half if graph.main.tensors[outputs[0]].shape[-1] == 1 else _one_hot
        votes = graph.sum([choose(graph, output) for output in outputs], "votes")
        mean = MEAN.emit(graph, outputs, weights)
        return graph.scale(graph.sum([votes, mean], "vote"), _share(len(outputs)), "vote")


def _share(members: int) -> np.float32:
    return np.float32(1 / (members + 1))


def _above_half(graph: Graph, output: int) -> int:
    half = graph.constant("vote/half", np.array(0.5, np.float32))
    cast = schema.CastOptionsT()
    cast.inDataType, cast.outDataType = BOOL, FLOAT32
    above = graph.operator("GREATER", [output, half], graph.like(output, "vote/above", BOOL), schema.GreaterOptionsT())
    return graph.operator("CAST", [above], graph.like(output, "vote/choice"), cast)


def _one_hot(graph: Graph, output: int) -> int:
    batch, classes = graph.main.tensors[output].shape
    last = graph.constant("vote/axis", np.array(-1, np.int32))
    picked, hot = schema.ArgMaxOptionsT(), schema.OneHotOptionsT()
    picked.outputType, hot.axis = INT32, -1
    choice = graph.operator("ARG_MAX", [output, last], graph.tensor("vote/choice", [batch], INT32), picked)
    depth = graph.constant("vote/classes", np.array(classes, np.int32))
    on, off = (graph.constant(f"vote/{name}", np.array(value, np.float32)) for name, value in (("on", 1), ("off", 0)))
    return graph.operator("ONE_HOT", [choice, depth, on, off], graph.like(output, "vote/one_hot"), hot)


MEAN = Weighted(weighs=False)
COMBINERS: Mapping[str, Combiner] = {"mean": MEAN, "weighted": Weighted(weighs=True), "vote": Vote()}
