"""RAdam: Adam whose step is held back while its second moment is still a guess (arXiv:1908.03265)."""

import math
from itertools import count

import keras
from keras import ops


@keras.saving.register_keras_serializable("aifashion")
class RAdam(keras.optimizers.Optimizer):
    """Rectified Adam, algorithm 2 of arXiv:1908.03265.

    Until the second moment's average spans more than four steps, a step is that of momentum alone; from then on it is
    Adam's times a rectification that rises to 1. As in Adam, `epsilon` joins the root of the second moment, which the
    paper leaves out. Weight decay is decoupled, as everywhere in Keras. `more`: the settings of every Keras optimizer
    (weight_decay, global_clipnorm, name ...). Raises ValueError for a `beta_2` with which no average ever spans more
    than four steps.
    """

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, **more):
        super().__init__(learning_rate, **more)
        if not 0.6 < beta_2 < 1 or not 0 <= beta_1 < 1:
            raise ValueError(f"expected 0 <= beta_1 < 1 and 0.6 < beta_2 < 1, not {beta_1} and {beta_2}")
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self._limit = 2 / (1 - beta_2) - 1
        # In 64 bits, since at step 4 the span falls short of 4 by less than 32 bits may err where beta_2 is large.
        self._first = next(step for step in count(1) if self._span(step) > 4)

    def _span(self, step: int) -> float:
        """How many steps the average of the second moment spans after `step` of them (rho_t in the paper)."""
        past = math.exp(step * math.log(self.beta_2))
        return self._limit - 2 * step * past / -math.expm1(step * math.log(self.beta_2))

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self._moments, self._squares = self.add_optimizer_variables(variables, ["momentum", "velocity"])

    def update_step(self, gradient, variable, learning_rate):
        """One step of one variable, all in its own number format."""
        rate, gradient = ops.cast(learning_rate, variable.dtype), ops.cast(gradient, variable.dtype)
        index = self._get_variable_index(variable)
        moment, square = self._moments[index], self._squares[index]
        self.assign_add(moment, (gradient - moment) * (1 - self.beta_1))
        self.assign_add(square, (ops.square(gradient) - square) * (1 - self.beta_2))

        step = ops.cast(self.iterations + 1, variable.dtype)
        # 1 - beta ** t loses most of its digits in the first steps.
        weight = -ops.expm1(step * math.log(self.beta_2))
        span = self._limit - 2 * step * (1 - weight) / weight
        share = (span - 4) * (span - 2) * self._limit / ((self._limit - 4) * (self._limit - 2) * span)
        adapted = rate * ops.sqrt(ops.maximum(share, 0) * weight) / (ops.sqrt(square) + self.epsilon)
        mean = moment / (1 - ops.power(ops.cast(self.beta_1, variable.dtype), step))
        self.assign_sub(variable, mean * ops.where(self.iterations + 1 >= self._first, adapted, rate))

    def get_config(self):
        settings = {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}
        return {**super().get_config(), **settings}
