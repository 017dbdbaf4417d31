import pytest

from qatflow.errors import ModelError
from qatflow.models.graph import plain_graph


def keras3_call(*sources, **kwargs):
    tensors = [{"class_name": "__keras_tensor__", "config": {"keras_history": list(source)}} for source in sources]
    return {"args": [tensors if len(tensors) > 1 else tensors[0]], "kwargs": kwargs}


def settings(*layers, outputs):
    table = [
        {"class_name": "Dense", "name": name, "config": {"name": name, **config}, "inbound_nodes": calls}
        for name, config, calls in layers
    ]
    return {"layers": table, "input_layers": ["x", 0, 0], "output_layers": outputs}


def calls(graph):
    return {layer["name"]: layer["inbound_nodes"] for layer in graph["layers"]}


def test_reads_both_forms_alike():
    keras2 = settings(
        ("x", {}, []), ("a", {}, [[["x", 0, 0, {}]]]), ("s", {}, [[["x", 0, 0], ["a", 0, 0]]]), outputs=[["s", 0, 0]]
    )
    keras3 = settings(
        ("x", {}, []),
        ("a", {}, [keras3_call(("x", 0, 0), mask=None)]),
        ("s", {}, [keras3_call(("x", 0, 0), ("a", 0, 0))]),
        outputs=["s", 0, 0],
    )

    expected = {"x": [], "a": [[["x", 0, 0, {}]]], "s": [[["x", 0, 0, {}], ["a", 0, 0, {}]]]}
    for graph in (plain_graph(keras2), plain_graph(keras3)):
        assert calls(graph) == expected
        assert (graph["input_layers"], graph["output_layers"]) == ([["x", 0, 0]], [["s", 0, 0]])


def test_counts_calls_of_a_model_inside_from_1_as_keras_2_does():
    inner = {"layers": [{"class_name": "InputLayer"}]}

    graph = plain_graph(settings(("x", {}, []), ("m", inner, [keras3_call(("x", 0, 0))]), outputs=["m", 0, 0]))

    assert graph["output_layers"] == [["m", 1, 0]]


@pytest.mark.parametrize("call", [keras3_call(("x", 0, 0), training=True), [["x", 0, 0, {"training": True}]]])
def test_refuses_calls_with_settings(call):
    with pytest.raises(ModelError, match="layer 'a' is called with"):
        plain_graph(settings(("x", {}, []), ("a", {}, [call]), outputs=["a", 0, 0]))


@pytest.mark.parametrize(
    "circle",
    [
        [("a", {}, [[["b", 0, 0, {}]]]), ("b", {}, [[["a", 0, 0, {}]]])],
        [("a", {}, [[["a", 0, 0, {}]]])],
        [("a", {}, [[["x", 7, 0, {}]]])],
    ],
)
def test_refuses_graphs_that_keras_would_wait_for_for_ever(circle):
    with pytest.raises(ModelError, match="layer 'a' is called on an output that never comes to be"):
        plain_graph(settings(("x", {}, []), *circle, outputs=[["a", 0, 0]]))


def attention(call):
    graph = settings(("x", {}, []), ("m", {}, [call]), outputs=["m", 0, 0])
    graph["layers"][1]["class_name"] = "MultiHeadAttention"
    return plain_graph(graph)["layers"][1]["inbound_nodes"]


def test_reads_tensors_by_position_and_by_name():
    x = {"class_name": "__keras_tensor__", "config": {"keras_history": ["x", 0, 0]}}
    expected = [[["x", 0, 0, {"value": ["x", 0, 0], "use_causal_mask": True}]]]

    assert attention({"args": [x, x], "kwargs": {"use_causal_mask": True}}) == expected
    assert attention({"args": [], "kwargs": {"query": x, "value": x, "use_causal_mask": True}}) == expected
    assert attention([["x", 0, 0, {"value": ["x", 0, 0], "use_causal_mask": True}]]) == expected


@pytest.mark.parametrize("options", [{"use_causal_mask": {"class_name": "Lambda"}}, {"value": 1}, {"dropout": 1}])
def test_refuses_options_of_attention_that_are_no_tensors(options):
    with pytest.raises(ModelError, match="layer 'm' is called with"):
        attention(keras3_call(("x", 0, 0), **options))


@pytest.mark.parametrize("call", [keras3_call(("x", 0, 0), training=False), [["x", 0, 0, {"training": False}]]])
def test_keeps_calls_for_inference(call):
    graph = plain_graph(settings(("x", {}, []), ("a", {}, [call]), outputs=["a", 0, 0]))

    assert calls(graph)["a"] == [[["x", 0, 0, {"training": False}]]]


@pytest.mark.parametrize("call", [keras3_call(("x", 0, 0), initial_state=1), [["x", 0, 0, {"mask": ["x", 0, 0]}]]])
def test_refuses_other_options(call):
    with pytest.raises(ModelError, match=r"layer 'a' is called with .*; only outputs of layers are read"):
        plain_graph(settings(("x", {}, []), ("a", {}, [call]), outputs=["a", 0, 0]))
