"""The text of the C sources that the target micro writes. Pure: values in, text out; equal values, equal text."""

from __future__ import annotations

from dataclasses import dataclass, field

from qatflow.artifacts import Array, sha256_bytes
from qatflow.deploy.c_text import C_TYPES, array, matrix, number, octets, string, values
from qatflow.deploy.micro_needs import Need
from qatflow.evaluation.arena import Arena
from qatflow.release.manifest import BundleManifest, Tensor

REMEMBERS = {"AddSvdf", "AddUnidirectionalSequenceLSTM"}
"""Methods for operators that have a state."""


@dataclass(frozen=True)
class Sources:
    """What the sources say.

    Attributes:
        symbol: What every name in them begins with; a C identifier.
        methods: Of MicroMutableOpResolver.
        needs: What not every TFLite Micro has, newest first.
        inputs: Golden inputs (n, input size) as the input tensor stores them.
        outputs: What the model gives for them, (n, output size) as the output tensor stores it.
        tolerance: Steps that TFLite Micro's outputs may be off; of a float output the difference itself.
    """

    symbol: str
    manifest: BundleManifest
    model: bytes = field(repr=False)
    methods: list[str]
    needs: list[Need]
    arena: Arena
    inputs: Array
    outputs: Array
    tolerance: float


def render(sources: Sources) -> dict[str, str]:
    """Return file name -> text."""
    symbol = sources.symbol
    return {
        f"{symbol}_model.h": _header(sources),
        f"{symbol}_model.c": _model(sources),
        f"{symbol}_golden.h": _golden_header(sources),
        f"{symbol}_golden.c": _golden(sources),
    }


def _header(s: Sources) -> str:
    upper, manifest = s.symbol.upper(), s.manifest
    defines = {
        "MODEL_SHA256": string(sha256_bytes(s.model)),
        "MODEL_STRATEGY": string(manifest.strategy),
        "MODEL_TASK": string(manifest.task),
        "MODEL_LEN": f"{len(s.model)}u",
        "TFLM_SINCE": string(max((need.since for need in s.needs), default="")),
        "ARENA_BYTES": f"{s.arena.total}u",
        "ACTIVATION_BYTES": f"{s.arena.activations}u",
        "LABEL_COUNT": f"{len(manifest.labels)}",
        "CHANNEL_COUNT": f"{len(manifest.preprocessing.scale)}",
        **_tensor("INPUT", manifest.input),
        **_tensor("OUTPUT", manifest.output),
        "OPERATOR_COUNT": f"{len(s.methods)}",
    }
    lines = "\n".join(f"#define {upper}_{name} {value}" for name, value in defines.items())
    calls = " \\\n".join(f"  (resolver).{method}();" for method in s.methods)
    return _HEADER.format(
        symbol=s.symbol,
        upper=upper,
        defines=lines,
        calls=calls,
        needs="".join(_need(need) for need in s.needs) + (_RESET if REMEMBERS & set(s.methods) else ""),
        input=C_TYPES[manifest.input.dtype],
        output=C_TYPES[manifest.output.dtype],
        labels=max(1, len(manifest.labels)),
        channels=len(manifest.preprocessing.scale),
    )


def _need(need: Need) -> str:
    return (
        f" * Needs TFLite Micro of {need.since} or newer for {need.what}\n"
        f" * (tflite-micro pull request {need.pull}); {need.else_}.\n"
    )


def _tensor(role: str, tensor: Tensor) -> dict[str, str]:
    """Return what an application needs to fill or read a tensor: `real = SCALE * (q - ZERO_POINT)`."""
    return {
        f"{role}_SIZE": f"{tensor.size}",
        f"{role}_DTYPE": string(tensor.dtype),
        f"{role}_SCALE": number(tensor.scale),
        f"{role}_ZERO_POINT": f"({tensor.zero_point})",
    }


def _model(s: Sources) -> str:
    labels = array(f"const char *const {s.symbol}_labels", map(string, s.manifest.labels))
    scale = array(f"const float {s.symbol}_input_scale", map(number, s.manifest.preprocessing.scale))
    offset = array(f"const float {s.symbol}_input_offset", map(number, s.manifest.preprocessing.offset))
    model = array(f"const unsigned char {s.symbol}_model", octets(s.model))
    start = f'#include "{s.symbol}_model.h"\n\n'
    return f"{start}{labels}\n{scale}\n{offset}\n{s.symbol.upper()}_ALIGNED(16)\n{model}"


def _golden_header(s: Sources) -> str:
    return _GOLDEN_HEADER.format(
        symbol=s.symbol,
        upper=s.symbol.upper(),
        count=len(s.inputs),
        tolerance=number(s.tolerance) if s.manifest.output.dtype == "float32" else int(s.tolerance),
        input=C_TYPES[s.manifest.input.dtype],
        output=C_TYPES[s.manifest.output.dtype],
    )


def _golden(s: Sources) -> str:
    inputs = matrix(
        f"const {C_TYPES[s.manifest.input.dtype]} {s.symbol}_golden_inputs", [values(row) for row in s.inputs]
    )
    outputs = matrix(
        f"const {C_TYPES[s.manifest.output.dtype]} {s.symbol}_golden_outputs", [values(row) for row in s.outputs]
    )
    test = _SELF_TEST.format(
        symbol=s.symbol,
        upper=s.symbol.upper(),
        input=C_TYPES[s.manifest.input.dtype],
        output=C_TYPES[s.manifest.output.dtype],
    )
    return f'#include "{s.symbol}_golden.h"\n\n{inputs}\n{outputs}\n{test}'


_RESET = """\
 * The model remembers: call interpreter.Reset() before each sample, or it is answered in the light of the one before.
"""

_HEADER = """\
/* Written by QATFlow; do not edit. For TFLite Micro:
 *
 *   {upper}_ALIGNED(16) static uint8_t arena[{upper}_ARENA_BYTES];
 *   tflite::MicroMutableOpResolver<{upper}_OPERATOR_COUNT> resolver;
 *   {upper}_ADD_OPERATORS(resolver)
 *   tflite::MicroInterpreter interpreter(tflite::GetModel({symbol}_model), resolver, arena, sizeof(arena));
 *
 * Model input: (x * input_scale[c] + input_offset[c]) / INPUT_SCALE + INPUT_ZERO_POINT, rounded and clipped, with c the
 * last axis. Model output: OUTPUT_SCALE * (q - OUTPUT_ZERO_POINT). A scale of 0 marks a float tensor: take it as it is.
 * ARENA_BYTES is an estimate from above; arena_used_bytes() tells what your device needs.
{needs} */
#ifndef QATFLOW_{upper}_MODEL_H
#define QATFLOW_{upper}_MODEL_H

#include <stdint.h>

#if defined(__cplusplus)
#define {upper}_ALIGNED(bytes) alignas(bytes)
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define {upper}_ALIGNED(bytes) _Alignas(bytes)
#elif defined(_MSC_VER)
#define {upper}_ALIGNED(bytes) __declspec(align(bytes))
#else
#define {upper}_ALIGNED(bytes) __attribute__((aligned(bytes)))
#endif

{defines}

typedef {input} {symbol}_input_t;
typedef {output} {symbol}_output_t;

#define {upper}_ADD_OPERATORS(resolver) \\
{calls}

#ifdef __cplusplus
extern "C" {{
#endif

/* Where OUTPUT_SIZE is 1 and LABEL_COUNT is 2, the output is the probability of the second label. */
extern const unsigned char {symbol}_model[{upper}_MODEL_LEN];
extern const char *const {symbol}_labels[{labels}]; /* UTF-8; LABEL_COUNT of them */
extern const float {symbol}_input_scale[{channels}];
extern const float {symbol}_input_offset[{channels}];

#ifdef __cplusplus
}}
#endif

#endif
"""

_GOLDEN_HEADER = """\
/* Written by QATFlow; do not edit. Samples of the test split and what the model answers, for a test on the device. */
#ifndef QATFLOW_{upper}_GOLDEN_H
#define QATFLOW_{upper}_GOLDEN_H

#include "{symbol}_model.h"

#define {upper}_GOLDEN_COUNT {count}
#define {upper}_GOLDEN_TOLERANCE {tolerance} /* steps that TFLite Micro's own kernels may be off */

#ifdef __cplusplus
extern "C" {{
#endif

extern const {input} {symbol}_golden_inputs[{upper}_GOLDEN_COUNT][{upper}_INPUT_SIZE];
extern const {output} {symbol}_golden_outputs[{upper}_GOLDEN_COUNT][{upper}_OUTPUT_SIZE];

/* Runs one sample: fills `output` for `input` and returns 0, or returns something else if it cannot. */
typedef int (*{symbol}_run_t)(const {input} *input, {output} *output, void *context);

/* Returns 0 if all golden outputs come out within `tolerance` steps (of a float output the difference itself), else
 * the number of the first sample that does not, from 1. `scratch` holds one output. */
int {symbol}_self_test({symbol}_run_t run, void *context, {output} *scratch, {output} tolerance);

#ifdef __cplusplus
}}
#endif

#endif
"""

_SELF_TEST = """\
int {symbol}_self_test({symbol}_run_t run, void *context, {output} *scratch, {output} tolerance) {{
  int sample, value;
  for (sample = 0; sample < {upper}_GOLDEN_COUNT; ++sample) {{
    if (run({symbol}_golden_inputs[sample], scratch, context) != 0) return sample + 1;
    for (value = 0; value < {upper}_OUTPUT_SIZE; ++value) {{
      const double difference = (double)scratch[value] - (double){symbol}_golden_outputs[sample][value];
      if (!(difference <= (double)tolerance && -difference <= (double)tolerance)) return sample + 1;
    }}
  }}
  return 0;
}}
"""
