"""Optimizers by name, and the usual schedule that they follow.

The weight decay of all of them is decoupled from the gradient (arXiv:1711.05101): in every step a weight shrinks by the
share learning rate times decay. Biases and the weights of normalisations do not decay.
"""

from collections.abc import Callable
from typing import Any

import keras

from .lookahead import Lookahead
from .radam import RAdam

Rate = float | keras.optimizers.schedules.LearningRateSchedule
Maker = Callable[[Rate, float, float], keras.optimizers.Optimizer]
"""(learning rate or schedule, weight decay, clip norm) -> the optimizer; 0 does not decay, 0 does not clip."""


def warmup_cosine(peak: float, warmup_steps: int, total_steps: int, decay: bool = True):
    """From zero to `peak` over the warm-up, then along a cosine to 1% of it, or constant without `decay`."""
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup_steps else peak,
        decay_steps=max(1, total_steps - warmup_steps),
        alpha=0.01 if decay else 1.0,
        warmup_target=peak if warmup_steps else None,
        warmup_steps=warmup_steps,
    )


def adamw(schedule, weight_decay: float, clip_norm: float) -> keras.optimizers.Optimizer:
    """AdamW (arXiv:1711.05101). Biases and batch-norm weights do not decay; clip_norm 0 does not clip."""
    optimizer = keras.optimizers.AdamW(
        schedule, weight_decay=weight_decay, global_clipnorm=clip_norm or None, epsilon=1e-7
    )
    return _sparing(optimizer)


def adam(schedule, weight_decay: float, clip_norm: float) -> keras.optimizers.Optimizer:
    """Adam (arXiv:1412.6980). Since weight decay is decoupled here, it is AdamW where there is any."""
    return _sparing(keras.optimizers.Adam(schedule, name="adam", **_usual(weight_decay, clip_norm)))


def sgd(schedule, weight_decay: float, clip_norm: float) -> keras.optimizers.Optimizer:
    """Gradient descent with Nesterov's momentum of 0.9, as in Sutskever et al., ICML 2013."""
    settings = _usual(weight_decay, clip_norm)
    return _sparing(keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True, name="sgd", **settings))


def radam(schedule, weight_decay: float, clip_norm: float) -> keras.optimizers.Optimizer:
    """Rectified Adam (arXiv:1908.03265)."""
    return _sparing(RAdam(schedule, name="radam", **_usual(weight_decay, clip_norm)))


def ranger(schedule, weight_decay: float, clip_norm: float) -> keras.optimizers.Optimizer:
    """Lookahead around RAdam, with its author's constants (github.com/lessw2020/Ranger-Deep-Learning-Optimizer)."""
    settings = _usual(weight_decay, clip_norm)
    inner = _sparing(RAdam(schedule, beta_1=0.95, epsilon=1e-5, name="ranger_radam", **settings))
    return Lookahead(inner, period=6, pace=0.5, name="ranger")


def lookahead(make: Maker) -> Maker:
    """Puts Lookahead (arXiv:1907.08610) around an optimizer: k = 5 and alpha = 0.5, as on ImageNet in the paper."""
    return lambda schedule, weight_decay, clip_norm: Lookahead(make(schedule, weight_decay, clip_norm))


OPTIMIZERS: dict[str, Maker] = {
    "adam": adam,
    "adamw": adamw,
    "sgd": sgd,
    "radam": radam,
    "lookahead": lookahead(adam),
    "lookahead_sgd": lookahead(sgd),
    "ranger": ranger,
}


def find_optimizer(name: str) -> Maker:
    """What makes the optimizer of that name. Raises ValueError for an unknown one."""
    if name not in OPTIMIZERS:
        raise ValueError(f"unknown optimizer {name!r}; expected one of {', '.join(OPTIMIZERS)}")
    return OPTIMIZERS[name]


def make_optimizer(name: str, schedule: Rate, weight_decay: float, clip_norm: float) -> keras.optimizers.Optimizer:
    """The optimizer of that name. Raises ValueError for an unknown one."""
    return find_optimizer(name)(schedule, weight_decay, clip_norm)


def _usual(weight_decay: float, clip_norm: float) -> dict[str, Any]:
    return {"weight_decay": weight_decay or None, "global_clipnorm": clip_norm or None}


def _sparing(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """The same optimizer, which then knows what does not decay."""
    # Looked for anywhere in a name, which is "bias" or, with TensorFlow, "layer/bias:0".
    optimizer.exclude_from_weight_decay(var_names=[r"(^|/)(gamma|beta|bias)(:\d+)?$"])
    return optimizer
