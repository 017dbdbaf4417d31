import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from qatflow.errors import ConversionError
from qatflow.tflite.session import Session, TensorSpec


class TestTensorSpec:
    int8 = TensorSpec("x", (1,), "int8", 0.5, -3)

    def test_quantize_rounds_ties_to_even_and_clips(self):
        x = np.array([0, 0.25, 0.75, -0.25, 1e4, -1e4, 3e38], np.float32)

        q = self.int8.quantize(x)

        assert q.dtype == np.int8
        assert q.tolist() == [-3, -3, -1, -3, 127, -128, 127]

    def test_dequantize_undoes_quantize_for_every_value(self):
        q = np.arange(-128, 128).astype(np.int8)

        x = self.int8.dequantize(q)

        assert x.dtype == np.float32
        assert x.tolist() == [0.5 * (value + 3) for value in range(-128, 128)]
        assert self.int8.quantize(x).tolist() == q.tolist()

    def test_float_tensors_pass_unchanged(self):
        x, spec = np.array([0.1], np.float32), TensorSpec("x", (1,), "float32", 0.0, 0)

        assert spec.quantize(x) is x
        assert spec.dequantize(x) is x


class TestSession:
    @pytest.mark.parametrize("model", [b"", b"\0" * 1000, b"\x18\0\0\0TFL4" + b"\0" * 100, b"PK\3\4 a zip"])
    def test_no_flatbuffer(self, model):
        with pytest.raises(ConversionError, match="no TFLite model"):
            Session(model)

    @pytest.mark.parametrize("model", [b"\x18\0\0\0TFL3", b"\xff" * 4 + b"TFL3" + b"\xff" * 1000])
    def test_only_the_identifier_is_right(self, model):
        with pytest.raises(ConversionError, match="LiteRT refuses the model"):
            Session(model)

    @pytest.mark.parametrize("role", ["inputs", "outputs"])
    def test_two_of_them(self, golden, edited, role):
        def double(tree):
            setattr(tree.subgraphs[0], role, [*getattr(tree.subgraphs[0], role), 8])
            tree.signatureDefs = []

        with pytest.raises(ConversionError, match=f"The model has 2 {role}"):
            Session(edited(golden["int8"], double))

    def test_type_not_used_here(self, golden, edited):
        def retype(tree):
            tree.subgraphs[0].tensors[tree.subgraphs[0].outputs[0]].type = schema.TensorType.INT64

        with pytest.raises(ConversionError, match=r"output is int64 of shape \(1, 10\); needed: a batch of float32"):
            Session(edited(golden["int8"], retype))

    @pytest.mark.parametrize(("kernels", "reason"), [("xnnpack", "unsupported"), ("reference", "unfit for int8")])
    @pytest.mark.parametrize(("scale", "zero_point"), [(0.0, 0), (np.nan, 0), (np.inf, 0), (-1.0, 0), (0.1, 128)])
    def test_input_cannot_be_quantized(self, golden, edited, scale, zero_point, kernels, reason):
        def change(tree):
            quantization = tree.subgraphs[0].tensors[0].quantization
            quantization.scale, quantization.zeroPoint = [scale], [zero_point]

        with pytest.raises(ConversionError, match=reason):
            Session(edited(golden["int8"], change), kernels=kernels)

    def test_runs_its_batch_only(self, golden):
        session = Session(golden["int8"], batch=4)

        assert session.run(np.zeros((4, 8, 8, 1), np.int8)).shape == (4, 10)
        with pytest.raises(ConversionError, match="fails while it runs"):
            session.run(np.zeros((3, 8, 8, 1), np.int8))
