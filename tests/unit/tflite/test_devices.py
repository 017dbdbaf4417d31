"""The device that was asked for, or an error: the CPU never steps in unasked."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from qatflow.errors import DeployError, ParamsError
from qatflow.tflite.devices import check_all_delegated, open_device
from qatflow.tflite.runtime import Runner
from qatflow.tflite.session import Session

LAZY = """
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
/* TfLiteDelegate of tensorflow/lite/core/c/common.h, as far as this one needs it: it loads, and takes no operator. */
struct delegate { void *data; int (*prepare)(void *, struct delegate *); void *rest[3]; int64_t flags; void *builder; };
static int prepare(void *context, struct delegate *self) { (void)context; (void)self; return 0; }
void *tflite_plugin_create_delegate(char **keys, char **values, size_t count, void (*report)(const char *)) {
  struct delegate *made = calloc(1, sizeof *made);
  (void)keys; (void)values; (void)count; (void)report;
  made->prepare = prepare;
  return made;
}
void tflite_plugin_destroy_delegate(void *made) { free(made); }
"""


@pytest.fixture
def lazy(tmp_path: Path) -> str:
    """Return a delegate's library, built by gcc, that takes no operator."""
    (tmp_path / "lazy.c").write_text(LAZY)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", "lazy.so", "lazy.c"], cwd=tmp_path, check=True)
    return str(tmp_path / "lazy.so")


def test_the_cpu_needs_no_delegate_and_computes_as_ever(golden):
    x = np.zeros((3, 8, 8, 1), np.float32)

    assert open_device("cpu") == []
    assert np.array_equal(Runner(golden["int8"], device="cpu").raw(x), Runner(golden["int8"]).raw(x))


@pytest.mark.parametrize("library", ["libnothing.so", "libc.so.6"])
def test_without_a_gpu_delegate_it_says_what_is_missing(golden, library: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("QATFLOW_GPU_DELEGATE", library)

    with pytest.raises(DeployError, match=rf"no GPU delegate .*{library}.* QATFLOW_GPU_DELEGATE, or choose .* cpu"):
        Session(golden["int8"], device="gpu")


def test_a_delegate_that_leaves_the_work_to_the_cpu_is_refused(golden, lazy: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("QATFLOW_GPU_DELEGATE", lazy)

    with pytest.raises(DeployError, match="device gpu takes none of this model's operators"):
        Runner(golden["int8"], device="gpu")


def test_an_unknown_device_names_the_known_ones(golden):
    with pytest.raises(ParamsError, match=r"Unknown device 'gpuu'\. Known: cpu, gpu\. Did you mean 'gpu'\?"):
        Session(golden["int8"], device="gpuu")


def operator(name: str, inputs: list[int], outputs: list[int]) -> dict[str, object]:
    return {"op_name": name, "inputs": np.array(inputs), "outputs": np.array(outputs)}


def test_one_delegate_from_input_to_output_is_the_whole_model():
    check_all_delegated("gpu", [operator("CONV_2D", [0], [1]), operator("DELEGATE", [0, 5], [9])], 0, 9)


@pytest.mark.parametrize(
    "operators",
    [
        [operator("DELEGATE", [0], [8]), operator("SOFTMAX", [8], [9])],
        [operator("DELEGATE", [1], [9])],
        [operator("DELEGATE", [0], [4]), operator("DELEGATE", [5], [9])],
    ],
)
def test_parts_are_not(operators):
    with pytest.raises(DeployError, match="only some of this model's operators"):
        check_all_delegated("gpu", operators, 0, 9)
