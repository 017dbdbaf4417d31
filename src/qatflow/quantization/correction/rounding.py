"""Learns whether each weight of one linear layer is rounded up or down. NumPy only.

Nagel et al. 2020, "Up or Down? Adaptive Rounding for Post-Training Quantization". A layer is g groups of x @ w + b: a
dense layer or convolution is one group, a depthwise convolution one a channel.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]

GAMMA, ZETA = -0.1, 1.1
"""Ends of the stretched sigmoid; cut to 0 and 1, it reaches both."""
WARM_UP = 0.2
"""Share of the iterations without regulariser."""
BETAS = (20.0, 2.0)
"""Exponent of the regulariser, first and last."""
REGULARISER = 10.0
"""Weight against an output error of 1, that of nearest rounding. The paper's 0.01 is against the error in the layer's
own units, and means something else for each layer: 0.1 and 1 of ours left up to 0.6 of the weights undecided."""
LEARNING_RATE = 2e-2
BATCH = 256


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """A layer's weights and what its outputs should be.

    Attributes:
        x: Inputs as they are after earlier layers were rounded, (g, p, k) at p positions in random order.
        target: Outputs of the float layer at these positions before its activation, (g, p, o).
        weights: Float, (g, k, o).
        steps: Of the grid, positive, (g, 1, o).
        bias: (g, 1, o).
        top: Highest q of a weight.
        limits: Of the activation behind the layer: (0, inf) for ReLU, (-inf, inf) for none.
    """

    x: Float32
    target: Float32
    weights: Float32
    steps: Float32
    bias: Float32
    top: int
    limits: tuple[float, float]

    def errors(self, q: Float32, rows: slice) -> tuple[Float32, npt.NDArray[np.bool_]]:
        """Return output minus target behind the activation, and where the activation has slope 1: both (g, p, o)."""
        y = self.x[:, rows] @ (q * self.steps) + self.bias
        low, high = self.limits
        return np.clip(y, low, high) - np.clip(self.target[:, rows], low, high), (y > low) & (y < high)

    def mean_error(self, q: Float32) -> float:
        """Return the mean squared error of the outputs with weights q * steps."""
        return float(np.mean(np.square(self.errors(q, slice(None))[0]), dtype=np.float64))

    def gradient(self, q: Float32, rows: slice) -> Float32:
        """Return the derivative by q of the mean squared error over these rows, (g, k, o)."""
        error, live = self.errors(q, rows)
        by_output = (error * live) * np.float32(2 / error.size)
        return np.asarray(np.swapaxes(self.x[:, rows], 1, 2) @ by_output * self.steps)


@dataclass(eq=False)
class Adam:
    """Kingma and Ba 2015, with its usual decays.

    Attributes:
        values: What is learned.
        mean: Of the gradients.
        square: Mean of their squares.
        count: Steps so far.
    """

    values: Float32
    mean: Float32
    square: Float32
    count: int = 0

    def step(self, gradient: Float32) -> None:
        """Move the values against the gradient."""
        self.count += 1
        self.mean += (1 - 0.9) * (gradient - self.mean)
        self.square += (1 - 0.999) * (np.square(gradient) - self.square)
        rate = LEARNING_RATE * np.sqrt(1 - 0.999**self.count) / (1 - 0.9**self.count)
        self.values -= np.float32(rate) * self.mean / (np.sqrt(self.square) + np.float32(1e-12))


def learn_rounding(task: Reconstruction, iterations: int, rng: np.random.Generator) -> Float32:
    """Return integers q, (g, k, o) float32: each the one below or above weights / steps, within the grid.

    They minimise the error of the outputs on the way that equations 23 to 25 of the paper describe; nearest rounding
    is returned where it does no worse.
    """
    top, scaled = task.top, task.weights / task.steps
    floor, nearest = np.floor(scaled), np.asarray(np.clip(np.rint(scaled), -top, top), np.float32)
    if not (unit := task.mean_error(nearest)):
        return nearest
    start = inverse_rectified_sigmoid(scaled - floor)
    adam = Adam(start, np.zeros_like(start), np.zeros_like(start))
    alive = scaled != 0  # pruned weights stay pruned
    for iteration in range(iterations):
        up, slope = rectified_sigmoid(adam.values)
        q = np.clip(floor + up, -top, top)
        gradient = task.gradient(q, _some_rows(task, rng)) / np.float32(unit) * (q == floor + up)
        adam.step((gradient + _regulariser_gradient(up, iteration / iterations)) * slope * alive)
    learned = np.asarray(np.clip(floor + (rectified_sigmoid(adam.values)[0] >= 0.5), -top, top), np.float32)
    return learned if task.mean_error(learned) < unit else nearest


def rectified_sigmoid(v: Float32) -> tuple[Float32, Float32]:
    """Return h(v) = clip(sigmoid(v) (ZETA - GAMMA) + GAMMA, 0, 1) and its derivative; equation 23."""
    sigmoid = 1 / (1 + np.exp(-v))
    h = sigmoid * np.float32(ZETA - GAMMA) + np.float32(GAMMA)
    slope = sigmoid * (1 - sigmoid) * np.float32(ZETA - GAMMA) * ((h > 0) & (h < 1))
    return np.clip(h, 0, 1), np.asarray(slope, np.float32)


def inverse_rectified_sigmoid(h: Float32) -> Float32:
    """Return v with h(v) = h for h from 0 to 1."""
    return np.asarray(-np.log((ZETA - GAMMA) / (h - GAMMA) - 1), np.float32)


def beta(progress: float) -> float:
    """Return the exponent of the regulariser, which falls along a cosine after the warm-up; `progress` is 0 to 1."""
    share = (progress - WARM_UP) / (1 - WARM_UP)
    first, last = BETAS
    return float(last + (first - last) * (1 + np.cos(np.pi * share)) / 2)


def _regulariser_gradient(up: Float32, progress: float) -> Float32 | float:
    """Return the derivative of the mean over the weights of 1 - |2h - 1|^β, times its weight; equation 24."""
    if progress < WARM_UP:
        return 0.0
    exponent, side = beta(progress), 2 * up - 1
    factor = np.float32(-2 * exponent * REGULARISER / up.size)
    return np.asarray(factor * np.sign(side) * np.abs(side) ** np.float32(exponent - 1))


def _some_rows(task: Reconstruction, rng: np.random.Generator) -> slice:
    count = task.x.shape[1]
    first = int(rng.integers(max(count - BATCH, 0) + 1))
    return slice(first, first + BATCH)
