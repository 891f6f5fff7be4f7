"""How the learning rate goes, by name.

`cosine` and `constant` take any number of epochs. The others drop in steps: `1x` is detection's usual 12 epochs at
1, 0.1 and 0.01 of the peak, with drops after epochs 7 and 10, and `2x` .. `10x` are its multiples; `20e` drops after
epochs 16 and 19, as MMDetection's does, and `100e` at the same shares of its epochs, after 80 and 95. One's own steps
are a text such as `8=0.1,11=0.01`: after epoch 8 a tenth of the peak, after epoch 11 a hundredth (`steps:` may stand
before it). One's own function joins `SCHEDULES`.

All rise linearly from zero over the warm-up first, which counts as part of the first epochs.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from .optimizers import warmup_cosine

Maker = Callable[[float, int, int, int], LearningRateSchedule]
"""(peak, steps per epoch, epochs, warm-up steps) -> the schedule: learning rate by number of the step, from 0."""

_DROP = re.compile(r"\s*([1-9]\d{0,5})\s*=\s*(\d*\.?\d+(?:[eE]-?\d+)?)\s*")


@keras.saving.register_keras_serializable("aifashion")
class StepDecay(LearningRateSchedule):
    """The peak after a linear warm-up, and from each of `steps` on the ratio to it that stands at the same place.

    steps: rising, counted from 0; ratios: as many.
    """

    def __init__(self, peak: float, steps: list[int], ratios: list[float], warmup_steps: int = 0):
        self.peak, self.steps, self.ratios, self.warmup_steps = peak, list(steps), list(ratios), warmup_steps

    def __call__(self, step):
        # Steps are compared as whole numbers: in 32-bit floats they are no longer exact from 2**24 on.
        step = ops.convert_to_tensor(step)
        rate = ops.convert_to_tensor(self.peak, "float32")
        for first, ratio in zip(self.steps, self.ratios, strict=True):
            rate = ops.where(step >= ops.cast(first, step.dtype), self.peak * ratio, rate)
        if not self.warmup_steps:
            return rate
        return rate * ops.minimum(ops.cast(step, "float32") / self.warmup_steps, 1.0)

    def get_config(self):
        return {"peak": self.peak, "steps": self.steps, "ratios": self.ratios, "warmup_steps": self.warmup_steps}


@dataclass(frozen=True, slots=True)
class Steps:
    """drops: (epoch after which, ratio to the peak from then on), in order. epochs: how long it lasts, if set."""

    drops: tuple[tuple[int, float], ...]
    epochs: int | None = None

    def __call__(self, peak: float, steps_per_epoch: int, epochs: int, warmup_steps: int) -> LearningRateSchedule:
        steps = [epoch * steps_per_epoch for epoch, _ in self.drops]
        return StepDecay(peak, steps, [ratio for _, ratio in self.drops], warmup_steps)


def _cosine(peak: float, steps_per_epoch: int, epochs: int, warmup_steps: int) -> LearningRateSchedule:
    return warmup_cosine(peak, warmup_steps, steps_per_epoch * epochs)


def _constant(peak: float, steps_per_epoch: int, epochs: int, warmup_steps: int) -> LearningRateSchedule:
    return warmup_cosine(peak, warmup_steps, steps_per_epoch * epochs, decay=False)


SCHEDULES: dict[str, Maker] = {
    "cosine": _cosine,
    "constant": _constant,
    **{f"{n}x": Steps(((7 * n, 0.1), (10 * n, 0.01)), 12 * n) for n in range(1, 11)},
    "20e": Steps(((16, 0.1), (19, 0.01)), 20),
    "100e": Steps(((80, 0.1), (95, 0.01)), 100),
}


def find_schedule(name: str) -> Maker:
    """What makes the schedule of that name, or of a text of steps. Raises ValueError where it is neither."""
    if name in SCHEDULES:
        return SCHEDULES[name]
    if "=" in name:
        return _read_steps(name)
    raise ValueError(
        f"unknown schedule {name!r}; expected one of {', '.join(SCHEDULES)}, or steps such as 8=0.1,11=0.01"
    )


def schedule_epochs(name: str) -> int | None:
    """The epochs that a schedule implies, 12 for `1x`; None where it takes any number. Errors as `find_schedule`."""
    make = find_schedule(name)
    return make.epochs if isinstance(make, Steps) else None


def check_schedule(name: str, epochs: int) -> None:
    """Raises ValueError where `epochs` end before the schedule's last drop, and as `find_schedule`."""
    make = find_schedule(name)
    late = [epoch for epoch, _ in make.drops if epoch >= epochs] if isinstance(make, Steps) else []
    if late:
        hint = f"; {name} lasts {make.epochs} epochs" if isinstance(make, Steps) and make.epochs else ""
        raise ValueError(f"schedule {name}: {epochs} epochs never reach the drop after epoch {late[0]}{hint}")


def learning_rate_schedule(
    name: str, peak: float, steps_per_epoch: int, epochs: int, warmup_epochs: float = 0.0
) -> LearningRateSchedule:
    """The learning rate of every step, for an optimizer. The warm-up takes at most half of all steps.

    Raises ValueError as `find_schedule`. A drop that lies beyond `epochs` is never reached: `check_schedule` tells.
    """
    warmup_steps = min(round(warmup_epochs * steps_per_epoch), steps_per_epoch * epochs // 2)
    return find_schedule(name)(peak, steps_per_epoch, epochs, warmup_steps)


def _read_steps(text: str) -> Steps:
    found = [_DROP.fullmatch(part) for part in text.removeprefix("steps:").split(",")]
    drops = tuple((int(match[1]), float(match[2])) for match in found if match)
    epochs = [epoch for epoch, _ in drops]
    if len(drops) < len(found) or epochs != sorted(set(epochs)) or not all(0 < ratio <= 1 for _, ratio in drops):
        raise ValueError(
            f"schedule {text!r}: expected EPOCH=RATIO,... with rising epochs from 1 and ratios of the peak in 0..1, "
            "such as 8=0.1,11=0.01"
        )
    return Steps(drops)
