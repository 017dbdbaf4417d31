import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from qatflow.errors import ConversionError, DataError
from qatflow.tflite.runtime import Runner, TensorSpec

GOLDEN = Path(__file__).parents[2] / "golden"
MODELS = sorted(path.stem for path in GOLDEN.glob("*.tflite"))


def inputs(runner, count, seed=0):
    return np.random.default_rng(seed).uniform(0, 1, (count, *runner.input.shape)).astype(np.float32)


def one_by_one(model, x):
    """The plain way, with LiteRT alone."""
    interpreter = Interpreter(model_content=model)
    interpreter.allocate_tensors()
    source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    replies = []
    for sample in Runner(model).input.quantize(x):
        interpreter.set_tensor(source["index"], sample[None])
        interpreter.invoke()
        replies.append(interpreter.get_tensor(sink["index"])[0])
    return np.array(replies)


class TestRunner:
    def test_describes_its_tensors(self, golden):
        runner = Runner(golden["int8"])

        assert runner.input.shape == (8, 8, 1)
        assert (runner.input.dtype, runner.input.zero_point) == ("int8", -128)
        assert runner.input.scale == pytest.approx(1 / 255)
        assert runner.output == TensorSpec("StatefulPartitionedCall:0", (10,), "int8", 1 / 256, -128)

    @pytest.mark.parametrize("threads", [1, 3])
    @pytest.mark.parametrize("count", [0, 1, 32, 101])
    @pytest.mark.parametrize("name", MODELS)
    def test_batches_are_bit_identical_to_one_by_one(self, golden, name, count, threads):
        runner = Runner(golden[name], threads=threads)
        x = inputs(runner, count)

        y = runner.raw(x)

        assert y.dtype == runner.output.dtype
        assert y.shape == (count, *runner.output.shape)
        assert y.tolist() == one_by_one(golden[name], x).tolist()

    def test_predict_gives_real_values(self, golden):
        runner = Runner(golden["int8"])
        x = inputs(runner, 5)

        y = runner.predict(x)

        assert y.dtype == np.float32
        assert y.tolist() == ((runner.raw(x).astype(int) + 128) / 256).tolist()

    @pytest.mark.parametrize("name", ["float32", "int8", "int4"])
    def test_threads_on_one_runner_never_get_each_others_replies(self, golden, name):
        runner = Runner(golden[name], batch_size=4)
        x = inputs(runner, 500)
        truth = runner.raw(x)

        def wrong_replies(seed):
            rng, wrong = np.random.default_rng(seed), 0
            for _ in range(400):
                rows = rng.integers(0, len(x), rng.integers(1, 12))
                wrong += not np.array_equal(runner.raw(x[rows]), truth[rows])
            return wrong

        with ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(wrong_replies, range(4))) == 0

    def test_a_model_of_fixed_batch_runs_one_by_one(self, golden, edited):
        def fix_reshape(tree):
            tree.buffers[tree.subgraphs[0].tensors[1].buffer].data = np.array([1, 128], np.int32).view(np.uint8)

        x = inputs(Runner(golden["int8"]), 40)

        assert Runner(edited(golden["int8"], fix_reshape)).raw(x).tolist() == Runner(golden["int8"]).raw(x).tolist()

    def test_reference_kernels_differ_seldom_and_by_few_steps(self, golden):
        xnnpack, reference = (Runner(golden["int8"], kernels=kernels) for kernels in ("xnnpack", "reference"))
        x = inputs(xnnpack, 200)

        steps = np.abs(xnnpack.raw(x).astype(int) - reference.raw(x))

        assert np.mean(steps > 0) < 0.05
        assert steps.max() < 16

    def test_reference_kernels_lack_four_bit_depthwise_convolution(self, golden):
        with pytest.raises(ConversionError, match=r"reference kernels.*DEPTHWISE_CONV_2D"):
            Runner(golden["int4"], kernels="reference")


class TestBadInputs:
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
    def test_not_finite(self, golden, value):
        x = np.zeros((3, 8, 8, 1))
        x[2, 1, 1, 0] = value

        with pytest.raises(DataError, match="Input 2 holds NaN"):
            Runner(golden["int8"]).raw(x)

    @pytest.mark.parametrize("shape", [(8, 8, 1), (2, 8, 8), (2, 8, 8, 3), ()])
    def test_wrong_shape(self, golden, shape):
        with pytest.raises(DataError, match=r"the model takes \[n, 8, 8, 1\]"):
            Runner(golden["int8"]).raw(np.zeros(shape, np.float32))

    @pytest.mark.parametrize("x", [[[1.0], [1.0, 2.0]], "text", [{}]])
    def test_no_numbers(self, golden, x):
        with pytest.raises(DataError, match="no array of numbers"):
            Runner(golden["int8"]).raw(x)


@pytest.mark.slow
class TestBadModels:
    @pytest.mark.parametrize("name", MODELS)
    def test_damage_is_refused_or_harmless(self, name):
        command = [sys.executable, Path(__file__).with_name("corrupt.py"), GOLDEN / f"{name}.tflite", "1"]

        process = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

        assert process.returncode == 0, process.stderr[-2000:]
        outcomes = json.loads(process.stdout)
        assert set(outcomes) <= {"ran", "ConversionError", "MemoryError"}
        assert outcomes["ConversionError"] >= 60  # at least every truncated copy
