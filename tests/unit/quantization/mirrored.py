"""Trains a small fake-quant model on one device and mirrored on two; prints how far the two are apart, as JSON.

A program of its own: a process gets its virtual devices before TensorFlow starts.
"""

import json
import sys

import numpy as np

from qatflow.backend import keras, start, tf
from qatflow.params import QatParams
from qatflow.quantization.fake_quant import Grids, Learn, build, initial_steps
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
    grids = Grids(steps, {"a": (-3.0, 3.0), "b": (-3.0, 3.0)})
    return build(model, Plan({"a": 4, "b": 4}, {"a": Own(), "b": Own()}), grids, Learn(True, True))


def trained(strategy):
    start(0)
    with strategy.scope():
        model = network()
        rules = rules_of(model, PARAMS)
        optimizer = make_quantization_aware(PARAMS, STEPS, rules)
        optimizer.build(model.trainable_variables)
        model.compile(optimizer, "categorical_crossentropy")
    rng = np.random.default_rng(1)
    x = rng.normal(size=(STEPS * BATCH // 2, 4)).astype(np.float32)
    y = np.eye(3, dtype=np.float32)[x[:, :3].argmax(axis=1)]
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH)
    before = model.get_weights()
    model.fit(batches, epochs=2, validation_data=batches, callbacks=averaging_callbacks(PARAMS.averaging), verbose=0)
    frozen = sum(float(tf.reduce_sum(rule.frozen)) for rule in rules if hasattr(rule, "frozen"))
    return before, model, optimizer, frozen


def furthest(left, right):
    return max(float(np.abs(np.asarray(a) - np.asarray(b)).max()) for a, b in zip(left, right, strict=True))


def main():
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    before, one, alone, frozen = trained(tf.distribute.get_strategy())
    _, two, mirrored, frozen_too = trained(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
    copies = [variable.values for variable in [*two.weights, *mirrored.variables] if hasattr(variable, "values")]
    report = {
        "replicas": two.distribute_strategy.num_replicas_in_sync,
        "mirrored": len(copies),
        "moved": furthest(before, one.get_weights()),
        "weights_apart": furthest(one.get_weights(), two.get_weights()),
        "state_apart": furthest(alone.variables, mirrored.variables),
        "replicas_apart": max(furthest([first], [second]) for first, second in copies),
        "steps": [int(each.iterations.numpy()) for each in (alone, mirrored)],
        "frozen": [frozen, frozen_too],
    }
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
