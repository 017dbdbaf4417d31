import numpy as np
import pytest

from qatflow.errors import ConversionError, DataError
from qatflow.quantization.correction.activations import mean_tensors
from qatflow.tflite.rewrite import parse
from qatflow.tflite.runtime import Runner


@pytest.mark.parametrize("name", ["float32", "int8", "int4"])
def test_means_of_input_and_output_are_those_of_the_runner(golden, images, name):
    graph, runner = parse(golden[name]).subgraphs[0], Runner(golden[name])
    source, sink = int(graph.inputs[0]), int(graph.outputs[0])

    means = mean_tensors(golden[name], images[:50], [source, sink])

    np.testing.assert_allclose(means[source][0], runner.input.quantize(images[:50]).mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(means[sink][0], runner.raw(images[:50]).astype(float).mean(axis=0), atol=0.1)


def test_the_order_of_samples_does_not_matter(golden, images):
    hidden = [int(op.outputs[0]) for op in parse(golden["int8"]).subgraphs[0].operators]
    means = mean_tensors(golden["int8"], images[:40], hidden)
    backwards = mean_tensors(golden["int8"], iter(images[:40][::-1]), hidden)

    assert all(np.ptp(mean) > 0 for mean in means.values())
    assert all(means[index].tobytes() == backwards[index].tobytes() for index in hidden)


def test_refuses_no_samples_other_shapes_and_other_bytes(golden, images):
    with pytest.raises(DataError, match="no samples"):
        mean_tensors(golden["int8"], [], [0])
    with pytest.raises(DataError, match=r"shape \(8, 8\); the model takes \(8, 8, 1\)"):
        mean_tensors(golden["int8"], images[:3, :, :, 0], [0])
    with pytest.raises(ConversionError, match="no TFLite model"):
        mean_tensors(b"not a model", images[:3], [0])
