"""Lookahead: slow weights that follow any optimizer's fast ones (arXiv:1907.08610)."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("aifashion")
class Lookahead(keras.optimizers.Optimizer):
    """Algorithm 1 of arXiv:1907.08610 around another optimizer.

    The inner optimizer moves the weights. After every `period` of its steps (k in the paper) the slow weights go the
    share `pace` (alpha) of the way to them, and the weights go on from there. Rate, clipping and weight decay are the
    inner optimizer's; its count of steps is this one's. All state lies in `variables`.
    Raises ValueError for a period below 1 or a pace outside 0..1.
    """

    def __init__(self, inner, period: int = 5, pace: float = 0.5, name="lookahead"):
        super().__init__(learning_rate=lambda: inner.learning_rate, name=name)
        if period < 1 or not 0 < pace <= 1:
            raise ValueError(f"expected a period of at least 1 and a pace in 0..1, not {period} and {pace}")
        self.inner, self.period, self.pace = inner, period, pace

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self._slow = self.add_optimizer_variables(variables, "slow")
        self.inner.build(variables)

    @property
    def variables(self):
        return super().variables + self.inner.variables

    @property
    def iterations(self):
        return self.inner.iterations

    @property
    def learning_rate(self):
        return self.inner.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate):
        self.inner.learning_rate = learning_rate

    def apply(self, grads, trainable_variables=None):
        """One step of the inner optimizer, and after every `period` of them the meeting of slow and fast weights."""
        if not self.built:
            self.build(list(trainable_variables or []))
        # Taken at the first step and not when built, since weights may be loaded in between. Counted here, since the
        # inner count may start later, where a schedule is to go on.
        first = ops.equal(self._iterations, 0)
        for slow, fast in self._pairs():
            self.assign(slow, ops.where(first, fast.value, slow.value))
        self.inner.apply(grads, trainable_variables)
        self._iterations.assign_add(1)
        # With gradients that are accumulated over several calls the count stands still, and a second meeting with the
        # same weights changes nothing.
        meeting = ops.equal(self.iterations % self.period, 0)
        for slow, fast in self._pairs():
            middle = slow.value + self.pace * (fast.value - slow.value)
            self.assign(slow, ops.where(meeting, middle, slow.value))
            self.assign(fast, ops.where(meeting, middle, fast.value))

    def _pairs(self):
        # Variables that are overwritten with their gradient have no slow twin.
        return [(s, f) for s, f in zip(self._slow, self._trainable_variables, strict=True) if s is not None]

    def get_config(self):
        inner = keras.saving.serialize_keras_object(self.inner)
        return {"inner": inner, "period": self.period, "pace": self.pace, "name": self.name}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        inner = keras.saving.deserialize_keras_object(config["inner"], custom_objects=custom_objects)
        return cls(**{**config, "inner": inner})
