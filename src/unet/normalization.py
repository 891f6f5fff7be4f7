"""How the input of a network is normalised, and batch normalisation in one pass."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

_LANES = 16
"""Of other numbers of channels oneDNN normalises ten times more slowly in bfloat16 than in float32."""


@keras.saving.register_keras_serializable(package="aifashion")
class BatchNorm(layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, computed in training by TensorFlow's fused kernel where that is the backend.

    The Keras layer is put together from a dozen element-wise operations, which on a CPU take over a third of a
    training step; the fused kernel gives the same numbers. This is the one backend call of the networks.
    """

    def call(self, inputs, training=None, mask=None):
        if not (training and self.trainable) or mask is not None or keras.backend.backend() != "tensorflow":
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        dtype = inputs.dtype
        if dtype == tf.bfloat16 and inputs.shape[-1] % _LANES:
            inputs = tf.cast(inputs, tf.float32)
        # Without scale or centre, as in the Inceptions, the layer has no such weight; the kernel wants one.
        gamma = ops.ones_like(self.moving_mean) if self.gamma is None else self.gamma
        beta = ops.zeros_like(self.moving_mean) if self.beta is None else self.beta
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, ops.cast(gamma, "float32"), ops.cast(beta, "float32"), epsilon=self.epsilon
        )
        # The fused kernel corrects the variance for the size of the sample; the Keras layer does not.
        count = ops.cast(ops.size(inputs) // inputs.shape[-1], "float32")
        variance = variance * (count - 1) / count
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + tf.stop_gradient(batch) * (1 - self.momentum))
        return tf.cast(outputs, dtype)


@dataclass(frozen=True, slots=True)
class InputStatistics:
    """What is subtracted from a photo's red, green and blue of 0..1, and what they are then divided by.

    Raises ValueError for what are no three means of 0..1 and deviations above 0 up to 1.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def __post_init__(self) -> None:
        sound = len(self.mean) == len(self.deviation) == 3
        if not (sound and all(0 <= m <= 1 for m in self.mean) and all(0.001 <= d <= 1 for d in self.deviation)):
            raise ValueError(
                f"mean {self.mean} and deviation {self.deviation} are not those of red, green and blue; expected three "
                "numbers each, of 0..1, the deviations above 0"
            )

    @property
    def pixels(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and variance for red, green and blue of 0..255."""
        return tuple(255 * mean for mean in self.mean), tuple((255 * deviation) ** 2 for deviation in self.deviation)


IMAGENET = InputStatistics((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Of ImageNet's photos, as most networks of PyTorch expect them."""
_MEAN, _VARIANCE = "input_mean", "input_variance"


@keras.saving.register_keras_serializable(package="aifashion")
class InputNormalization(layers.Layer):
    """An image of 0..255 less the mean, by the deviation: (B, H, W, 3) -> the same shape.

    Mean and variance are weights that are not trained, so that a file of weights keeps them. A file without them is
    one of before they were, and has those of ImageNet.
    """

    def __init__(self, mean: Sequence[float] | None = None, variance: Sequence[float] | None = None, **words):
        super().__init__(**words)
        self.start = (
            IMAGENET.pixels[0] if mean is None else mean,
            IMAGENET.pixels[1] if variance is None else variance,
        )

    def build(self, shape):
        for name, values in zip((_MEAN, _VARIANCE), self.start, strict=True):
            self.add_weight(name=name, shape=(3,), initializer=keras.initializers.Constant(values), trainable=False)

    def call(self, inputs):
        mean, variance = self.weights
        inputs = ops.cast(inputs, self.compute_dtype)
        mean, variance = ops.cast(mean, self.compute_dtype), ops.cast(variance, self.compute_dtype)
        return ops.divide(ops.subtract(inputs, mean), ops.maximum(ops.sqrt(variance), keras.config.epsilon()))

    def assign(self, statistics: InputStatistics) -> None:
        for weight, values in zip(self.weights, statistics.pixels, strict=True):
            weight.assign(values)

    def load_own_variables(self, store):
        if not len(store.keys()):
            self.assign(IMAGENET)
            return
        mean, variance = (np.asarray(store[key]) for key in ("0", "1"))
        if not (np.isfinite(mean).all() and np.isfinite(variance).all() and (variance > 0).all()):
            raise ValueError(f"its input is normalised by the mean {mean} and the variance {variance}")
        super().load_own_variables(store)

    def get_config(self):
        return super().get_config() | {"mean": list(self.start[0]), "variance": list(self.start[1])}


def is_input_statistic(variable: keras.Variable) -> bool:
    """Whether a weight is a mean or variance of `InputNormalization`, which no training changes."""
    return variable.name in (_MEAN, _VARIANCE)


def input_layers(net: keras.Model) -> Iterator[InputNormalization]:
    """The layers that normalise the input, also of networks within the network."""
    for layer in net.layers:
        if isinstance(layer, InputNormalization):
            yield layer
        elif isinstance(layer, keras.Model):
            yield from input_layers(layer)
