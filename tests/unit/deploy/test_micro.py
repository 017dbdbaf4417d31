"""C sources for TFLite Micro: they compile, and the compiled program holds the very flatbuffer."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from qatflow import artifacts
from qatflow.deploy.base import Place
from qatflow.deploy.micro import deploy_micro, sources_of
from qatflow.deploy.micro_needs import needs
from qatflow.deploy.micro_operators import METHODS, resolver_methods
from qatflow.deploy.micro_source import render
from qatflow.errors import ArtifactError, DeployError
from qatflow.release.bundle import load_bundle
from qatflow.tflite.inspect import operator_name, parse
from qatflow.tflite.runtime import Runner
from tests.unit.release.fabricate import bundle, digits, flatbuffer

STRICT = ["-Wall", "-Wextra", "-Werror", "-pedantic"]
DUMP = """
#include <stdint.h>
#include <stdio.h>
#include "digits_golden.h"
static int answer(const int8_t *input, int8_t *output, void *context) {
  const int wrong = *(const int *)context;
  int sample, i;
  for (sample = 0; sample < DIGITS_GOLDEN_COUNT; ++sample)
    if (input == digits_golden_inputs[sample]) break;
  for (i = 0; i < DIGITS_OUTPUT_SIZE; ++i) output[i] = digits_golden_outputs[sample][i];
  if (sample == wrong) output[3] += output[3] > 0 ? -2 : 2;
  return 0;
}
int main(void) {
  int i, none = -1, third = 2;
  int8_t scratch[DIGITS_OUTPUT_SIZE];
  if ((uintptr_t)digits_model % 16 != 0) return 1;
  if (digits_self_test(answer, &none, scratch, 0) != 0) return 2;
  if (digits_self_test(answer, &third, scratch, 1) != 3) return 3;
  if (digits_self_test(answer, &third, scratch, 2) != 0) return 4;
  fprintf(stderr, "%s\\n%.9g\\n%d\\n%.9g\\n%d\\n", DIGITS_MODEL_SHA256, DIGITS_INPUT_SCALE, DIGITS_INPUT_ZERO_POINT,
          DIGITS_OUTPUT_SCALE, DIGITS_OUTPUT_ZERO_POINT);
  for (i = 0; i < DIGITS_LABEL_COUNT; ++i) fprintf(stderr, "%s\\n", digits_labels[i]);
  return fwrite(digits_model, 1, DIGITS_MODEL_LEN, stdout) == DIGITS_MODEL_LEN ? 0 : 5;
}
"""


@pytest.fixture
def deployed(tmp_path: Path) -> Path:
    deploy_micro(bundle(tmp_path), Place(tmp_path / "place", "digits"))
    return tmp_path / "place" / "current"


def build(folder: Path, out: Path, *options: str, compiler: str = "gcc") -> subprocess.CompletedProcess[bytes]:
    """Compile the sources with a main program that tests itself and writes out the model; run it."""
    (out / "main.c").write_text(DUMP)
    sources = [out / "main.c", *folder.glob("*.c")]
    command = [compiler, *options, *STRICT, "-I", folder, *sources, "-o", out / "program"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return subprocess.run([out / "program"], capture_output=True, check=True)


@pytest.mark.parametrize("standard", ["c99", "c11", "c17"])
def test_the_compiled_program_holds_the_flatbuffer_and_what_an_application_must_know(
    deployed: Path, tmp_path: Path, standard: str
):
    done = build(deployed, tmp_path, f"-std={standard}")

    manifest = load_bundle(tmp_path / "bundle").manifest
    sha256, input_scale, input_zero, output_scale, output_zero, *labels = done.stderr.decode().splitlines()
    assert artifacts.sha256_bytes(done.stdout) == artifacts.sha256_bytes(flatbuffer("int8")) == sha256
    assert (np.float32(input_scale), int(input_zero)) == (np.float32(manifest.input.scale), manifest.input.zero_point)
    assert (np.float32(output_scale), int(output_zero)) == (1 / 256, manifest.output.zero_point)
    assert tuple(labels) == manifest.labels


def test_it_compiles_as_cpp_too(deployed: Path, tmp_path: Path):
    build(deployed, tmp_path, "-x", "c++", "-std=c++11", compiler="g++")


def test_the_golden_outputs_are_the_reference_kernels(deployed: Path, tmp_path: Path):
    sources = sources_of(load_bundle(tmp_path / "bundle"), "digits")
    x = digits().test.arrays(8)[0]

    assert np.array_equal(sources.outputs, Runner(flatbuffer("int8"), kernels="reference").raw(x))
    assert sources.inputs.shape == (8, 64)
    assert sources.inputs.dtype == sources.outputs.dtype == np.int8


def test_the_resolver_gets_each_operator_once(deployed: Path):
    text = (deployed / "digits_model.h").read_text()

    assert "#define DIGITS_OPERATOR_COUNT 5" in text
    calls = [line.split(".")[1] for line in text.splitlines() if line.startswith("  (resolver).")]
    methods = ["AddConv2D", "AddDepthwiseConv2D", "AddFullyConnected", "AddReshape", "AddSoftmax"]
    assert [call.split("(")[0] for call in calls] == methods


def test_operators_map_to_methods_or_are_named():
    operators = ["CONV_2D", "MAX_POOL_2D", "PADV2", "SPLIT_V", "SPACE_TO_BATCH_ND", "CUMSUM", "RELU6", "LOG_SOFTMAX"]

    assert len(resolver_methods(operators * 2)) == len(operators)
    assert len(set(map(str.lower, METHODS))) == len(METHODS)
    with pytest.raises(DeployError, match=r"no operator CUSTOM, TOPK_V2; the model cannot run there"):
        resolver_methods(["CONV_2D", "TOPK_V2", "CUSTOM"])


def test_labels_and_strategy_can_break_out_of_nothing(tmp_path: Path):
    evil = ('"; int x = 1; //', "*/ #error", "back\\slash\\", "new\nline", "??/", "ünï数", "\x00", "'", "%n", "9")
    loaded = load_bundle(bundle(tmp_path))
    manifest = loaded.manifest.model_copy(update={"labels": evil, "strategy": '*/\n#error "x"'})
    sources = replace(sources_of(loaded, "digits"), manifest=manifest)
    (tmp_path / "sources").mkdir()
    for name, text in render(sources).items():
        (tmp_path / "sources" / name).write_text(text)

    done = build(tmp_path / "sources", tmp_path, "-std=c99")

    shown = done.stderr.split(b"\n", 5)[5]
    assert shown == "".join(label.split("\x00")[0] + "\n" for label in evil).encode()


def test_float_models_and_those_without_labels_compile(tmp_path: Path):
    made = bundle(tmp_path, flatbuffer("float32"))
    loaded = load_bundle(made)
    manifest = loaded.manifest.model_copy(update={"labels": (), "task": "regression"})
    (tmp_path / "sources").mkdir()
    for name, text in render(replace(sources_of(loaded, "digits"), manifest=manifest)).items():
        (tmp_path / "sources" / name).write_text(text)
    command = ["gcc", "-std=c99", *STRICT, "-c", *(tmp_path / "sources").glob("*.c")]

    subprocess.run(command, cwd=tmp_path, check=True)

    assert "#define DIGITS_INPUT_SCALE 0.0f" in (tmp_path / "sources" / "digits_model.h").read_text()


def test_half_floats_are_refused(tmp_path: Path):
    with pytest.raises(DeployError, match="no 16-bit floats"):
        deploy_micro(bundle(tmp_path, flatbuffer("float16")), Place(tmp_path / "place", "digits"))
    assert not (tmp_path / "place").exists()


def test_an_altered_file_is_not_pointed_to(deployed: Path, tmp_path: Path):
    other = bundle(tmp_path / "other", flatbuffer("int4"))
    first = deployed.resolve()
    deploy_micro(other, Place(tmp_path / "place", "digits"))
    before = deployed.readlink()
    (first / "digits_model.c").write_text("int x;")

    with pytest.raises(DeployError, match="was altered"):
        deploy_micro(tmp_path / "bundle", Place(tmp_path / "place", "digits"))

    assert deployed.readlink() == before


def test_a_bundle_that_does_not_repeat_its_golden_outputs_leaves_the_former(deployed: Path, tmp_path: Path):
    before = deployed.readlink()
    wrong = bundle(tmp_path / "wrong", flatbuffer("int4"))
    golden = artifacts.load_arrays(wrong / "golden.npz")
    artifacts.save_arrays(wrong / "golden.npz", golden | {"outputs": golden["outputs"][::-1]})
    with pytest.raises(ArtifactError):
        deploy_micro(wrong, Place(tmp_path / "place", "digits"))
    manifest = json.loads((wrong / "manifest.json").read_text())
    manifest["files"]["golden.npz"]["sha256"] = artifacts.sha256_file(wrong / "golden.npz")
    artifacts.write_json(wrong / "manifest.json", manifest)

    with pytest.raises(DeployError, match="golden outputs differ"):
        deploy_micro(wrong, Place(tmp_path / "place", "digits"))

    assert deployed.readlink() == before


def dense_of(tree: Any) -> Any:
    graph = tree.subgraphs[0]
    dense = next(operator for operator in graph.operators if operator_name(tree, operator) == "FULLY_CONNECTED")
    return graph.tensors[dense.inputs[1]]


def test_the_header_names_the_tflite_micro_that_a_scale_for_each_output_needs(tmp_path: Path):
    text = render(sources_of(load_bundle(bundle(tmp_path)), "digits"))["digits_model.h"]

    assert '#define DIGITS_TFLM_SINCE "2024-09"' in text
    assert " * Needs TFLite Micro of 2024-09 or newer for FULLY_CONNECTED with a scale for each output\n" in text
    assert "(tflite-micro pull request 2673)" in text


def test_what_any_tflite_micro_runs_needs_none(tmp_path: Path):
    loaded = load_bundle(bundle(tmp_path))
    tree = parse(loaded.model)
    dense_of(tree).quantization.scale = np.array([0.5], np.float32)

    text = render(replace(sources_of(loaded, "digits"), needs=needs(tree)))["digits_model.h"]

    assert needs(tree) == needs(parse(flatbuffer("float32"))) == []
    assert '#define DIGITS_TFLM_SINCE ""' in text
    assert "Needs" not in text


def test_four_bits_and_newer_operators_are_named_newest_first():
    tree = parse(flatbuffer("int4"))
    code = tree.operatorCodes[tree.subgraphs[0].operators[-1].opcodeIndex]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.BATCH_MATMUL
    tree.subgraphs[0].operators[-1].inputs = tree.subgraphs[0].operators[-2].inputs

    found = needs(tree)

    assert [need.since for need in found] == sorted((need.since for need in found), reverse=True)
    assert {need.pull for need in found} >= {2147, 1547}
