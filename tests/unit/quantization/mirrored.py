"""Trains a small fake-quant model on one device and mirrored on two; prints how far the two are apart, as JSON.

A program of its own: a process gets its virtual devices before TensorFlow starts.
"""

import json
import sys

import numpy as np

from qatflow.backend import keras, start, tf
from qatflow.compression.pruning import Grow, KeepZeros
from qatflow.params.compression import CompressionParams
from qatflow.params.quantize import QatParams
from qatflow.quantization.compressed import code_rules
from qatflow.quantization.fake_quant import Grids, Learn, build, initial_steps, kernels_of
from qatflow.quantization.oscillation import rules_of
from qatflow.quantization.plan import Own, Plan
from qatflow.training.averaging import averaging_callbacks
from qatflow.training.quantization_aware import make_quantization_aware

STEPS, BATCH = 12, 16
PARAMS = QatParams(
    optimizer="nadam",
    learning_rate=0.05,
    grid_learning_rate=0.01,
    clip_norm=1.0,
    averaging=0.5,
    dampening=0.01,
    freeze_oscillating=0.005,
)


def network():
    layers = keras.layers
    stack = [layers.Input((4,)), layers.Dense(6, name="a"), layers.Dense(3, name="b"), layers.Softmax(name="end")]
    model = keras.Sequential(stack)
    model = keras.Model(model.inputs, model.outputs)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
    steps = {name: initial_steps(model.get_layer(name), 4, per_channel=False) for name in "ab"}
    grids = Grids(steps, {"a": (-3.0, 3.0), "b": (-3.0, 3.0)}, {"b": np.array([1.0, 3.0, 6.0], np.float32)})
    return build(model, Plan({"a": 4, "b": 4}, {"a": Own(), "b": Own()}), grids, Learn(True, True))


def trained(strategy):
    start(0)
    with strategy.scope():
        model = network()
        zeros = KeepZeros(kernels_of(model)["a"])
        rules = [*rules_of(model, PARAMS), zeros, *code_rules(model, CompressionParams(spacing="k_means"))]
        optimizer = make_quantization_aware(PARAMS, STEPS, rules)
        optimizer.build(model.trainable_variables)
        model.compile(optimizer, "categorical_crossentropy")
    rng = np.random.default_rng(1)
    x = rng.normal(size=(STEPS * BATCH // 2, 4)).astype(np.float32)
    y = np.eye(3, dtype=np.float32)[x[:, :3].argmax(axis=1)]
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH)
    before = model.get_weights()
    callbacks = [*averaging_callbacks(PARAMS.averaging), Grow([zeros], CompressionParams(), STEPS)]
    model.fit(batches, epochs=2, validation_data=batches, callbacks=callbacks, verbose=0)
    frozen = sum(float(tf.reduce_sum(rule.frozen)) for rule in rules if hasattr(rule, "frozen"))
    return before, model, optimizer, (frozen, float(tf.reduce_sum(1 - zeros.mask)))


def furthest(left, right):
    return max(float(np.abs(np.asarray(a) - np.asarray(b)).max()) for a, b in zip(left, right, strict=True))


def main():
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    before, one, alone, held = trained(tf.distribute.get_strategy())
    _, two, mirrored, held_too = trained(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
    copies = [variable.values for variable in [*two.weights, *mirrored.variables] if hasattr(variable, "values")]
    report = {
        "replicas": two.distribute_strategy.num_replicas_in_sync,
        "mirrored": len(copies),
        "moved": furthest(before, one.get_weights()),
        "weights_apart": furthest(one.get_weights(), two.get_weights()),
        "state_apart": furthest(alone.variables, mirrored.variables),
        "replicas_apart": max(furthest([first], [second]) for first, second in copies),
        "steps": [int(each.iterations.numpy()) for each in (alone, mirrored)],
        "frozen": [held[0], held_too[0]],
        "zeros": [held[1], held_too[1]],
    }
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
