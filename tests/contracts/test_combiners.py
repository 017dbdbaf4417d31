"""What every combiner must do, whichever it is."""

import numpy as np
import pytest

from qatflow.ensemble.choose import find_combiner
from qatflow.ensemble.combine import COMBINERS, Combiner
from qatflow.ensemble.graph import Graph
from qatflow.errors import ParamsError
from qatflow.evaluation.tasks import TASKS
from qatflow.tflite.rewrite import pack
from qatflow.tflite.runtime import Runner

MEMBERS, CLASSES = 3, 5
EQUAL = [np.float32(1 / MEMBERS)] * MEMBERS
each = pytest.mark.parametrize("name", COMBINERS)


def probabilities(seed: int, count: int = 200) -> np.ndarray:
    scores = np.random.default_rng(seed).normal(size=(MEMBERS, count, CLASSES))
    shares = np.exp(scores)
    return (shares / shares.sum(axis=2, keepdims=True)).astype(np.float32)


def run_alone(combiner: Combiner, outputs: np.ndarray, weights: list[np.float32]) -> np.ndarray:
    """Run nothing but the combiner's operators, on members' outputs that come in side by side."""
    graph, width = Graph("combiner"), outputs.shape[2]
    members = [graph.tensor(f"member{number}", [1, width]) for number in range(MEMBERS)]
    whole = graph.tensor("input", [1, MEMBERS * width])
    from ai_edge_litert import schema_py_generated as schema

    split = schema.SplitOptionsT()
    split.numSplits = MEMBERS
    graph.operator("SPLIT", [graph.constant("axis", np.array(1, np.int32)), whole], members[0], split)
    graph.main.operators[-1].outputs = np.array(members, np.int32)
    result = combiner.emit(graph, members, weights)
    graph.main.inputs, graph.main.outputs = np.array([whole], np.int32), np.array([result], np.int32)
    return Runner(pack(graph.tree)).predict(np.concatenate(list(outputs), axis=1))


@each
def test_its_graph_gives_the_bits_of_its_numpy_formula(name: str):
    weights = [np.float32(weight) for weight in (0.5, 0.3, 0.2)]

    found = run_alone(COMBINERS[name], probabilities(1), weights)

    assert np.array_equal(found, COMBINERS[name].combine(probabilities(1), weights))


@each
def test_one_output_for_two_classes_is_combined_as_two_are(name: str):
    p = np.random.default_rng(6).random((MEMBERS, 200, 1)).astype(np.float32)
    p[:, :50] = 0.5
    weights = [np.float32(weight) for weight in (0.5, 0.25, 0.25)]

    alone = run_alone(COMBINERS[name], p, weights)

    both = COMBINERS[name].combine(np.concatenate([1 - p, p], axis=2), weights)
    np.testing.assert_allclose(alone[:, 0], both[:, 1], atol=1e-6)
    assert np.array_equal(alone[:, 0] > 0.5, both.argmax(axis=1) == 1)


@each
def test_probabilities_stay_probabilities(name: str):
    combined = COMBINERS[name].combine(probabilities(2), EQUAL)

    assert combined.dtype == np.float32
    assert combined.shape == (200, CLASSES)
    assert combined.min() >= 0
    np.testing.assert_allclose(combined.sum(axis=1), 1, atol=1e-6)


@each
def test_the_order_of_the_members_does_not_change_the_winner(name: str):
    outputs = probabilities(3)

    winners = [COMBINERS[name].combine(outputs[order], EQUAL).argmax(axis=1) for order in ([0, 1, 2], [2, 0, 1])]

    assert np.array_equal(*winners)


@each
def test_members_that_agree_are_not_contradicted(name: str):
    outputs = np.stack([probabilities(4)[0]] * MEMBERS)

    combined = COMBINERS[name].combine(outputs, EQUAL)

    assert np.array_equal(combined.argmax(axis=1), outputs[0].argmax(axis=1))


@each
def test_each_sample_is_combined_by_itself(name: str):
    outputs = probabilities(5)

    assert np.array_equal(COMBINERS[name].combine(outputs, EQUAL)[7:9], COMBINERS[name].combine(outputs[:, 7:9], EQUAL))


@each
def test_it_names_the_tasks_it_suits(name: str):
    for task in TASKS:
        if task in COMBINERS[name].tasks:
            assert find_combiner(name, task) is COMBINERS[name]
        else:
            with pytest.raises(ParamsError, match=rf"'{name}' is for classification; for {task}: mean, weighted"):
                find_combiner(name, task)


def test_an_unknown_combiner_names_the_known_ones_and_the_nearest():
    with pytest.raises(ParamsError, match=r"Unknown combiner 'means'. Known: mean, vote, weighted.*mean 'mean'"):
        find_combiner("means", "classification")
