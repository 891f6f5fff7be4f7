"""The moving average of a network's weights, which is what is validated and kept."""

import keras
import numpy as np

from .normalization import is_input_statistic


class WeightAverage:
    """Exponential moving average of all weights, batch-norm statistics included, taken every few steps.

    Early on the decay is smaller, (1 + n) / (10 + n) after n steps, so that the start weights are soon forgotten. last:
    the step after which it was last taken.
    """

    every = 8

    def __init__(self, net: keras.Model, decay: float):
        self.decay, self.last = decay, 0
        self.weights = [weight for weight in net.weights if not is_input_statistic(weight)]
        self.values = [np.array(keras.ops.convert_to_numpy(weight)) for weight in self.weights]

    def update(self, step: int, now: bool = False) -> None:
        """Call after every step, counted from 1; now: not only when it is time, as before the average is used."""
        if not self.decay or step == self.last or (step % self.every and not now):
            return
        decay = np.float32(min(self.decay, (1 + step) / (10 + step)) ** (step - self.last))
        self.last = step
        for value, weight in zip(self.values, self.weights, strict=True):
            found = np.asarray(keras.ops.convert_to_numpy(weight))
            if np.issubdtype(value.dtype, np.integer):  # a count, such as that of Keras' Normalization
                value[...] = found
            else:
                value += (1 - decay) * (found - value)

    def swap(self) -> None:
        """Exchanges the network's weights with their averages; a second call undoes it."""
        if not self.decay:
            return
        for index, weight in enumerate(self.weights):
            current = np.array(keras.ops.convert_to_numpy(weight))
            weight.assign(self.values[index])
            self.values[index] = current
