"""Batch normalisation in one pass."""

import keras
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
