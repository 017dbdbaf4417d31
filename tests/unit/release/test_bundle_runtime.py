"""The runtime that travels alone: what it computes, and what it does not import."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from qatflow.release import bundle_runtime
from qatflow.release.bundle_runtime import BundleRunner, decode, golden_difference
from qatflow.tflite.runtime import Runner
from tests.unit.release.fabricate import COLUMNS, bundle, digits, flatbuffer, regressor


@pytest.mark.parametrize("name", ["int8", "int4", "float32"])
def test_it_gives_what_the_librarys_runner_gives_bit_for_bit(tmp_path: Path, name: str):
    made = bundle(tmp_path, flatbuffer(name))
    x, _ = digits().test.arrays(100)

    assert np.array_equal(BundleRunner(made).raw(x), Runner(flatbuffer(name)).raw(x))
    assert np.array_equal(BundleRunner(made).predict(x * 16)["scores"], Runner(flatbuffer(name)).predict(x))


def test_threads_do_not_get_each_others_answers(tmp_path: Path):
    runner = BundleRunner(bundle(tmp_path))
    x, _ = digits().test.arrays(64)
    expected = runner.raw(x)
    wrong = []

    def ask(row: int) -> None:
        wrong.extend(1 for _ in range(50) if not np.array_equal(runner.raw(x[row : row + 1])[0], expected[row]))

    threads = [threading.Thread(target=ask, args=(row,)) for row in range(0, 64, 8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_nothing_of_qatflow_is_imported(tmp_path: Path):
    script = (
        "import runpy, sys; sys.argv = ['x', sys.argv[1]]; "
        f"runpy.run_path({bundle_runtime.__file__!r}, run_name='__main__'); "
        "bad = {'qatflow', 'tensorflow', 'mlflow', 'scipy', 'pydantic'} & set(sys.modules); assert not bad, bad"
    )

    done = subprocess.run(
        [sys.executable, "-I", "-c", script, bundle(tmp_path)], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, '{"max_lsb": 0.0}\n'), done.stderr


def test_the_example_without_our_package_agrees(tmp_path: Path):
    made = bundle(tmp_path)
    x, _ = digits().test.arrays(20)
    np.save(tmp_path / "x.npy", x * 16)
    example = Path(__file__).parents[3] / "examples" / "run_bundle.py"

    done = subprocess.run(
        [sys.executable, "-I", example, made, tmp_path / "x.npy"], capture_output=True, text=True, check=True
    )

    expected = BundleRunner(made).predict(x * 16)
    lines = [f"{label} {scores.tolist()}" for label, scores in zip(expected["labels"], expected["scores"], strict=True)]
    assert done.stdout.splitlines() == lines


def test_a_difference_is_counted_in_steps_of_the_output(tmp_path: Path):
    made = bundle(tmp_path)
    with np.load(made / "golden.npz") as golden:
        inputs, outputs = golden["inputs"], golden["outputs"]
    outputs[3, 4] += 5
    np.savez(made / "golden.npz", inputs=inputs, outputs=outputs)

    assert golden_difference(made) == 5.0


def test_a_difference_of_floats_is_counted_in_units_of_the_last_place(tmp_path: Path):
    made = bundle(tmp_path, flatbuffer("float32"))
    with np.load(made / "golden.npz") as golden:
        inputs, outputs = golden["inputs"], golden["outputs"]
    assert golden_difference(made) == 0.0
    outputs[3, 4] = np.nextafter(outputs[3, 4], np.float32(2))
    np.savez(made / "golden.npz", inputs=inputs, outputs=outputs)

    assert golden_difference(made) == 1.0


def test_another_model_than_the_manifests_is_refused(tmp_path: Path):
    made = bundle(tmp_path)
    (made / "model.tflite").write_bytes(flatbuffer("int4"))

    with pytest.raises(ValueError, match="not the file that its manifest names"):
        BundleRunner(made)


def test_anomaly_scores_are_mean_squared_errors():
    inputs = np.zeros((2, 2, 2, 1), np.float32)
    outputs = np.stack([np.full((2, 2, 1), 3.0), np.array([[[0.0], [0.0]], [[0.0], [4.0]]])]).astype(np.float32)

    answer = decode({"task": "anomaly"}, inputs, outputs)

    assert {name: value.tolist() for name, value in answer.items()} == {"scores": [9.0, 4.0]}


def test_regression_has_scores_only():
    outputs = np.array([[1.5, 2.5]], np.float32)

    assert decode({"task": "regression"}, outputs, outputs).keys() == {"scores"}


def test_a_data_frame_goes_in_by_the_names_of_its_columns(tmp_path: Path, brightness):
    pandas = pytest.importorskip("pandas")
    runner, (x, _) = BundleRunner(regressor(tmp_path, brightness)), brightness.test.arrays(5)
    frame = pandas.DataFrame(x, columns=list(COLUMNS))

    expected = runner.predict(x)["scores"]

    assert np.array_equal(runner.predict(frame[list(COLUMNS[::-1])])["scores"], expected)
    with pytest.raises(ValueError, match="columns missing: pixel 0; unknown: other"):
        runner.predict(frame.rename(columns={"pixel 0": "other"}))
