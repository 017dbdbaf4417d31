import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from qatflow.errors import ConversionError
from qatflow.tflite.inspect import _layer_name, inventory, layer_weights

LAYERS = [("conv", "CONV_2D"), ("depthwise", "DEPTHWISE_CONV_2D"), ("classes", "FULLY_CONNECTED")]
SHAPES = [(8, 3, 3, 1), (1, 3, 3, 8), (10, 128)]


def test_inventory_of_int8(golden):
    assert inventory(golden["int8"]) == {
        "operators": {"CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "RESHAPE": 1, "FULLY_CONNECTED": 1, "SOFTMAX": 1},
        "tensor_dtypes": {"INT8": 9, "INT32": 4},
        "weight_bytes": {"INT8": 72 + 72 + 1280, "INT32": 4 * (8 + 8 + 10 + 2)},
    }


def test_inventory_counts_two_four_bit_weights_in_a_byte(golden):
    assert inventory(golden["int4"])["weight_bytes"] == {"INT4": (72 + 72 + 1280) // 2, "INT32": 4 * (8 + 8 + 10 + 2)}


@pytest.mark.parametrize(
    ("name", "dtype"), [("float32", "FLOAT32"), ("float16", "FLOAT16"), ("int8", "INT8"), ("int4", "INT4")]
)
def test_layers_have_the_keras_names_in_order(golden, name, dtype):
    layers = layer_weights(golden[name])

    assert [(layer.name, layer.operator) for layer in layers] == LAYERS
    assert [layer.values.shape for layer in layers] == SHAPES
    assert {layer.dtype for layer in layers} == {dtype}
    assert {layer.values.dtype for layer in layers} == {np.dtype(np.float32)}


def test_float16_weights_are_found_behind_their_dequantize(golden):
    for original, half in zip(layer_weights(golden["float32"]), layer_weights(golden["float16"]), strict=True):
        assert half.values.tolist() == original.values.astype(np.float16).tolist()


def test_int8_weights_lie_within_half_a_step_of_the_float_ones(golden):
    for original, quantized in zip(layer_weights(golden["float32"]), layer_weights(golden["int8"]), strict=True):
        axis = 3 if original.operator == "DEPTHWISE_CONV_2D" else 0
        others = tuple(other for other in range(original.values.ndim) if other != axis)
        step = np.abs(original.values).max(axis=others, keepdims=True) / 127

        assert (np.abs(quantized.values - original.values) <= step * 0.5001).all()


@pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors")
def test_four_bit_weights_are_unpacked_as_litert_does(golden):
    model = golden["int4"]
    interpreter = Interpreter(model_content=model, experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    stored = {tuple(t["shape"]): t for t in interpreter.get_tensor_details() if "LastValueQuant" in t["name"]}

    for layer in layer_weights(model):
        tensor = stored[layer.values.shape]
        q = interpreter.get_tensor(tensor["index"])
        scales = tensor["quantization_parameters"]["scales"]
        along = np.ones(q.ndim, int)
        along[tensor["quantization_parameters"]["quantized_dimension"]] = -1

        np.testing.assert_array_equal(layer.values, q.astype(np.float32) * scales.reshape(along))


@pytest.mark.parametrize(
    ("tensor", "layer"),
    [
        (b"net/quant_conv/Conv2D;net/quant_conv/LastValueQuant/FakeQuantWithMinMaxVars", "conv"),
        (b"net/dw_relu/Relu;net/dw_bn/FusedBatchNormV3;net/dw/depthwise", "dw"),
        (b"outer/inner/quant_dense/MatMul1", "inner/dense"),
        (b"outer/quant_dense/Tensordot/MatMul", "dense"),
        (b"tfl.pseudo_qconst3", "tfl.pseudo_qconst3"),
        (b"\xff", "\ufffd"),
    ],
)
def test_layer_names(tensor, layer):
    assert _layer_name(tensor) == layer


@pytest.mark.parametrize("read", [inventory, layer_weights])
def test_bytes_that_are_no_model(read):
    with pytest.raises(ConversionError, match="no TFLite model"):
        read(b"not a model")
