import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from qatflow.artifacts import sha256_bytes
from qatflow.ensemble.combine import COMBINERS
from qatflow.ensemble.merge import merge
from qatflow.errors import ConversionError, ModelError
from qatflow.tflite.inspect import inventory, layer_weights
from qatflow.tflite.rewrite import pack, parse
from qatflow.tflite.runtime import Runner

WEIGHTS = (0.1, 0.2, 0.3, 0.4)
MEAN = COMBINERS["mean"]


def rescaled(model, factor, dtype=None):
    """Return the model with another scale of its input, so that it sees other values; perhaps as uint8."""
    tree = parse(model)
    graph = tree.subgraphs[0]
    tensor = graph.tensors[graph.inputs[0]]
    tensor.quantization.scale = tensor.quantization.scale * np.float32(factor)
    return pack(tree)


def alone(members, x, kernels="xnnpack"):
    return np.stack([Runner(model, kernels=kernels).predict(x) for model in members.values()])


class TestSameBits:
    @pytest.mark.parametrize("names", [("int8", "int4"), ("float32", "int8"), ("int8", "int4", "float16", "float32")])
    @pytest.mark.parametrize("combine", COMBINERS)
    def test_as_the_members_own_outputs_combined_in_numpy(self, classifiers, images, names, combine):
        members = {name: classifiers[name] for name in names}
        weights = [np.float32(weight) for weight in WEIGHTS[: len(names)]]

        found = Runner(merge(members, COMBINERS[combine], weights)).predict(images)

        assert np.array_equal(found, COMBINERS[combine].combine(alone(members, images), weights))

    @pytest.mark.parametrize("combine", COMBINERS)
    def test_with_the_reference_kernels(self, classifiers, images, combine):
        members = {name: classifiers[name] for name in ("int8", "float16", "float32")}
        weights, x = [np.float32(weight) for weight in WEIGHTS[:3]], images[:200]

        found = Runner(merge(members, COMBINERS[combine], weights), kernels="reference").predict(x)

        np.testing.assert_array_max_ulp(
            found, COMBINERS[combine].combine(alone(members, x, "reference"), weights), maxulp=4
        )

    def test_one_by_one_as_in_batches_and_on_threads(self, classifiers, images):
        model = merge(classifiers, COMBINERS["vote"], [np.float32(0.25)] * 4)

        whole = Runner(model, threads=2).predict(images[:70])

        assert np.array_equal(whole, Runner(model, batch_size=1).predict(images[:70]))

    def test_of_regressors(self, golden):
        x = np.random.default_rng(0).random((50, 64)).astype(np.float32)
        members = {"a": golden["regressor"], "b": rescaled(golden["regressor"], 1.25)}
        weights = [np.float32(0.25), np.float32(0.75)]

        model = merge(members, COMBINERS["weighted"], weights)

        assert Runner(model).output.dtype == "float32"
        assert np.array_equal(Runner(model).predict(x), COMBINERS["weighted"].combine(alone(members, x), weights))

    def test_of_autoencoders(self, golden):
        x = np.random.default_rng(0).random((20, 64)).astype(np.float32)
        members = {"a": golden["autoencoder"], "b": golden["autoencoder"]}

        assert np.array_equal(Runner(merge(members, MEAN, [0.5, 0.5])).predict(x), alone(members, x)[0])


class TestInput:
    def test_members_alike_share_theirs_as_it_is(self, classifiers):
        model = merge({name: classifiers[name] for name in ("int8", "int4")}, MEAN, [0.5, 0.5])

        assert Runner(model).input.dtype == "int8"
        assert "QUANTIZE" not in inventory(model)["operators"]

    def test_another_scale_makes_it_float_and_gives_each_kind_its_quantize(self, classifiers, images):
        members = {"a": classifiers["int8"], "b": rescaled(classifiers["int8"], 1.5), "c": classifiers["int4"]}

        model = merge(members, MEAN, [1 / 3] * 3)

        assert Runner(model).input.dtype == "float32"
        assert inventory(model)["operators"]["QUANTIZE"] == 2
        assert np.array_equal(
            Runner(model).predict(images), MEAN.combine(alone(members, images), [np.float32(1 / 3)] * 3)
        )


class TestFile:
    def test_equal_constants_and_operator_codes_are_stored_once(self, classifiers):
        model = merge({"a": classifiers["float32"], "b": classifiers["float32"]}, MEAN, [0.5, 0.5])
        codes = [(code.builtinCode, code.version) for code in parse(model).operatorCodes]

        assert len(model) < 1.5 * len(classifiers["float32"])
        assert len(set(codes)) == len(codes)

    def test_two_members_cost_hardly_more_than_their_bytes(self, classifiers):
        members = {name: classifiers[name] for name in ("int8", "int4")}

        assert len(merge(members, MEAN, [0.5, 0.5])) < sum(map(len, members.values())) + 1000

    def test_the_signature_takes_the_first_members_name_and_gives_the_ensembles(self, classifiers, images):
        model = merge({name: classifiers[name] for name in ("int8", "int4")}, MEAN, [0.5, 0.5])
        interpreter = Interpreter(model_content=model)

        assert interpreter.get_signature_list() == {
            "serving_default": {"inputs": ["conv_input"], "outputs": ["ensemble"]}
        }
        run, x = interpreter.get_signature_runner(), Runner(model).input.quantize(images[:1])
        assert np.array_equal(run(conv_input=x)["ensemble"], Runner(model).raw(images[:1]))

    def test_the_layers_are_named_by_member(self, classifiers):
        model = merge({name: classifiers[name] for name in ("int8", "int4")}, MEAN, [0.5, 0.5])

        assert [layer.name for layer in layer_weights(model)] == [
            f"{member}/{layer}" for member in ("int8", "int4") for layer in ("conv", "depthwise", "classes")
        ]

    def test_the_newest_runtime_that_a_member_needs_is_told(self, classifiers):
        tree = parse(merge({name: classifiers[name] for name in ("int8", "int4")}, MEAN, [0.5, 0.5]))

        assert [entry.name for entry in tree.metadata] == [b"min_runtime_version"]
        assert tree.buffers[tree.metadata[0].buffer].data.tobytes().rstrip(b"\0") == b"2.11.0"

    def test_equal_arguments_give_equal_bytes(self, classifiers):
        first, second = (sha256_bytes(merge(classifiers, COMBINERS["weighted"], WEIGHTS)) for _ in range(2))

        assert first == second

    def test_an_ensemble_can_be_a_member(self, classifiers, images):
        inner = merge({name: classifiers[name] for name in ("int8", "int4")}, MEAN, [0.5, 0.5])
        members = {"inner": inner, "float32": classifiers["float32"]}

        found = Runner(merge(members, MEAN, [0.5, 0.5])).predict(images)

        assert np.array_equal(found, MEAN.combine(alone(members, images), [np.float32(0.5)] * 2))

    def test_buffers_stay_aligned(self, classifiers):
        model = merge(classifiers, MEAN, [0.25] * 4)
        root = schema.Model.GetRootAs(model, 0)

        for index in range(1, root.BuffersLength()):
            buffer = root.Buffers(index)
            if buffer.DataLength():
                start = buffer._tab.Vector(buffer._tab.Offset(4))
                assert start % 16 == 0


class TestRefused:
    def test_one_member(self, classifiers):
        with pytest.raises(ModelError, match="needs two members at least; given: int8"):
            merge({"int8": classifiers["int8"]}, MEAN, [1.0])

    def test_other_inputs(self, golden):
        with pytest.raises(ModelError, match=r"regressor takes inputs of shape \[64\], int8 of \[8, 8, 1\]"):
            merge({"int8": golden["int8"], "regressor": golden["regressor"]}, MEAN, [0.5, 0.5])

    def test_other_outputs(self, golden):
        with pytest.raises(ModelError, match=r"autoencoder gives outputs of shape \[64\], regressor of \[1\]"):
            merge({"regressor": golden["regressor"], "autoencoder": golden["autoencoder"]}, MEAN, [0.5, 0.5])

    def test_what_is_no_flatbuffer(self, golden):
        with pytest.raises(ConversionError, match="no TFLite model"):
            merge({"int8": golden["int8"], "text": b"no flatbuffer"}, MEAN, [0.5, 0.5])
