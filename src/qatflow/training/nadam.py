"""Nadam as published: Keras' own goes wrong in a graph, and forgets a part of its state in checkpoints."""

from typing import Any

from qatflow.backend import keras, tf

MOMENTUM_DECAY = 0.96


class Nadam(keras.optimizers.Nadam):
    """Keras' Nadam with the product of its momenta computed, not counted.

    In a graph Keras multiplies the product several times a step where there are several variables, and the bias of the
    first steps stays; nor is the product a part of `variables`. Computed from the step's number it is right, and needs
    no state (Dozat, "Incorporating Nesterov Momentum into Adam", 2016, algorithm 2 with the schedule of momenta there).
    """

    def update_step(self, gradient: Any, variable: Any) -> None:
        """Update a variable and its two averages."""
        gradient = tf.convert_to_tensor(gradient)
        rate = tf.cast(self.learning_rate, variable.dtype)
        done = tf.cast(self.iterations, variable.dtype)
        index = self._index_dict[self._var_key(variable)]
        mean, square = self._momentums[index], self._velocities[index]
        mean.assign_add((gradient - mean) * (1 - self.beta_1))
        square.assign_add((tf.square(gradient) - square) * (1 - self.beta_2))

        momenta = _momenta(tf.range(1, done + 3), self.beta_1)  # of the steps 1 to t + 1
        product, next_product = tf.reduce_prod(momenta[:-1]), tf.reduce_prod(momenta)
        look_ahead = momenta[-1] * mean / (1 - next_product) + (1 - momenta[-2]) * gradient / (1 - product)
        spread = tf.sqrt(square / (1 - tf.pow(tf.cast(self.beta_2, variable.dtype), done + 1)))
        variable.assign_sub(rate * look_ahead / (spread + self.epsilon))


def _momenta(steps: Any, beta: float) -> Any:
    """Return beta * (1 - 0.96^t / 2) for each step t, counted from 1."""
    return beta * (1 - 0.5 * tf.pow(tf.cast(MOMENTUM_DECAY, steps.dtype), steps))
