"""What an architecture is."""

from typing import Protocol

from qatflow.backend import keras


class Architecture(Protocol):
    """Builds an untrained model.

    Every layer has an explicit name: names reach the flatbuffer, whose bytes must not depend on what was built before.
    Layers are those that stock tfmot can fake-quantize, in the orders that it fuses (convolution, batch normalization,
    ReLU). Strides adapt to the input, so that a feature map of 8x8 does not vanish and one of 96x96 does shrink.
    """

    def __call__(self, input_shape: tuple[int, ...], num_outputs: int, width: float, task: str) -> keras.Model:
        """Build the model.

        Args:
            input_shape: Shape of one sample; samples are float32.
            num_outputs: Classes, labels, target dimensions, or (task anomaly) elements of one sample.
            width: Multiplies the channels or units of each layer, see `blocks.channels`.
            task: `classification` ends in softmax (n, num_outputs), `multi_label` in sigmoids; `regression` is linear;
                `anomaly` is linear (n, *input_shape).

        Raises:
            ModelError: If the architecture cannot take this input shape or do this task.
        """
