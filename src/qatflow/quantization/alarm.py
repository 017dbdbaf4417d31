"""Raises one alarm where a flatbuffer answers otherwise than what it was made from, with the layer where they part."""

from collections.abc import Iterator, Sequence

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.data.prepared import PreparedData
from qatflow.evaluation.agreement import agreement
from qatflow.evaluation.alarm import Alarm, noise_of
from qatflow.evaluation.metrics import judged
from qatflow.models.flatten import flatten
from qatflow.quantization.correction.activations import tensors_of
from qatflow.quantization.correction.operators import grid
from qatflow.quantization.deployed import Deployable
from qatflow.quantization.fidelity import task_score
from qatflow.tflite.inspect import layer_weights
from qatflow.tflite.rewrite import parse
from qatflow.tflite.runtime import Runner

SAMPLES = 256
"""Of the validation split, that answers are compared on."""
SEEN = 8
"""Samples that layers are compared on."""
AGREEMENT = 0.9
"""With the fake-quant model; far below the 0.99 that a release asks for."""
KEPT = 0.5
"""Least share of what the float model knows beyond chance."""
PARTED = 0.25
"""Noise over signal of a layer's output, 6 dB; whatever is behind such a layer is lost."""


def alarm_of(flatbuffer: bytes, quantized: Deployable, twin: keras.Model, data: PreparedData) -> Alarm | None:
    """Compare a flatbuffer with its fake-quant model, and what it knows with what the float model knows.

    Args:
        flatbuffer: What deploys.
        quantized: What it was made of.
        twin: Its fake-quant model as the device rounds, or the float model where it has none.
        data: The validation samples are used, or training samples where there are none.

    Raises:
        ConversionError: If LiteRT cannot run the flatbuffer.
    """
    x, y = (data.val if data.val.count else data.train).arrays(limit=SAMPLES)
    outputs = Runner(flatbuffer).predict(x)
    expected = twin.predict(x, verbose=0).reshape(outputs.shape)
    if quantized.plan.outputs:
        share = agreement(data.task, judged(data.task, x, expected), judged(data.task, x, outputs))
        if share < AGREEMENT:
            said = f"the flatbuffer answers as its fake-quant model does for only {share:.0%} of {len(x)} samples"
            return Alarm(said, parting(flatbuffer, twin, x[:SEEN]), of_conversion=True)
        expected = quantized.model.predict(x, verbose=0).reshape(outputs.shape)
    score, known, chance = (
        *(task_score(data.task, x, y, answers) for answers in (outputs, expected)),
        _chance(data.task, y),
    )
    by_luck = luck(judged(data.task, x, expected), judged(data.task, x, outputs), data.task)
    if known > chance and score - chance < KEPT * (known - chance) and known - score > by_luck:
        said = f"the flatbuffer scores {score:.3f} on {len(x)} samples, the float model {known:.3f}"
        return Alarm(said, parting(flatbuffer, quantized.model, x[:SEEN]), of_conversion=False)
    return None


def _chance(task: str, y: Array) -> float:
    """Return the score of answers that look at nothing: of the most frequent class; 0 of others (R²)."""
    return float(np.max(np.bincount(y.astype(int)))) / len(y) if task == "classification" else 0.0


def luck(expected: Array, outputs: Array, task: str) -> float:
    """Return how far two accuracies on the same samples part by chance: two standard errors of their difference.

    Only answers that differ count (McNemar, Psychometrika 12:153, 1947): √d / n, where d of n do. 0 for other tasks.
    """
    if task != "classification":
        return 0.0
    return float(2 * np.sqrt((1 - agreement(task, expected, outputs)) / len(outputs)))


def parting(flatbuffer: bytes, model: keras.Model, x: Array) -> str:
    """Return in words where a flatbuffer and a model of the same layers part first, for samples (n, *shape) float32."""
    source = Runner(flatbuffer).input
    lost = noise_of(x, source.dequantize(source.quantize(x)))
    if lost > PARTED:
        return f"the two part at the input: its noise is {lost:.0%} of its signal"
    flat = flatten(model) if any(isinstance(layer, keras.Model) for layer in model.layers) else model
    for names, noise in _noises(flatbuffer, flat, x):
        if noise > PARTED:
            return f"the two part at {_cause(flatbuffer, names, noise)}"
    return "no single layer shows where the two part"


def _cause(flatbuffer: bytes, names: Sequence[str], noise: float) -> str:
    """Return the layer of those that one operator computes, and what is wrong with it."""
    empty = {layer.name.rpartition("/")[2] for layer in layer_weights(flatbuffer) if not np.any(layer.values)}
    if dead := [name for name in names if name in empty]:
        return f"'{dead[0]}': all its weights are 0"
    return f"'{names[-1]}': its noise is {noise:.0%} of its signal"


def _noises(flatbuffer: bytes, flat: keras.Model, x: Array) -> Iterator[tuple[list[str], float]]:
    """Yield the layers that each operator computes, and what its output loses, in the order of execution."""
    main = parse(flatbuffer).subgraphs[0]
    single = [layer for layer in flat.layers if len(layer.inbound_nodes) == 1 and hasattr(layer.output, "shape")]
    held = {getattr(layer, "layer", layer).name: layer for layer in single}
    named = [(int(op.outputs[0]), _layers_of(main.tensors[op.outputs[0]].name, list(held))) for op in main.operators]
    named = [(index, names) for index, names in named if names]
    if not named:
        return
    outputs = keras.Model(flat.inputs, [held[names[-1]].output for _, names in named]).predict(x, verbose=0)
    parts = list(tensors_of(flatbuffer, x, tuple(index for index, _ in named)))
    for (index, names), wanted in zip(named, outputs if len(named) > 1 else [outputs], strict=True):
        scale, zero_point = grid(main.tensors[index])
        given = np.concatenate([scale * (part[index].astype(np.float64) - zero_point) for part in parts])
        if given.size == np.size(wanted):
            yield names, noise_of(np.ravel(wanted), np.ravel(given))


def _layers_of(tensor_name: bytes, names: Sequence[str]) -> list[str]:
    """Return the layers that a tensor's name tells of, in order: the converter joins the names of all it fused."""
    parts = {part.removeprefix("quant_") for part in tensor_name.decode(errors="replace").replace(";", "/").split("/")}
    return [name for name in names if name in parts]
