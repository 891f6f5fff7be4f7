"""One loop that trains every network here, and resumes it exactly.

The loop is plain: a step is `train_on_batch`, an epoch ends with a validation, and all that the next step depends
on (weights, their average, the optimizer, the running losses) goes into a state. A run that is killed and resumed
therefore ends with the same bits as one that was not.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from tensorboard.summary import Writer

from .normalization import is_input_statistic
from .runs import RunError, State, load_state, save_model, save_state, write_history
from .weight_average import WeightAverage

Batch = dict[str, np.ndarray]
Batches = Callable[[int, int], Iterator[Batch]]
"""(epoch, first step) -> the batches of that epoch from that step on; the same ones at every call."""
Objective = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]
"""(targets, outputs) -> losses by name, scalars; their sum is minimised."""
Validate = Callable[[], dict[str, float]]
"""Scores the network as it stands -> numbers by name; "score" among them, lower is better."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long to train and what to keep when. save_every: steps between states within an epoch.

    validate_every, save_model_every: epochs between validations and between the models that are kept; the last epoch
    is always validated and kept. Raises ValueError for numbers that make no sense.
    """

    epochs: int
    steps: int
    save_every: int = 500
    keep_models: int = 3
    validate_every: int = 1
    save_model_every: int = 1

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.steps < 1:
            raise ValueError(f"nothing to train: {self.epochs} epochs of {self.steps} steps")
        if self.save_every < 1 or self.keep_models < 0:
            raise ValueError(
                f"expected at least 1 step between states and no fewer than 0 models beside the best one, "
                f"not {self.save_every} and {self.keep_models}"
            )
        if self.validate_every < 1 or self.save_model_every < 1:
            raise ValueError(
                f"expected at least 1 epoch between validations and between models, "
                f"not {self.validate_every} and {self.save_model_every}"
            )

    def due(self, epoch: int, every: int) -> bool:
        """Whether it is the turn of what is done every so many epochs, counted from 1, and at the end."""
        return epoch % every == 0 or epoch == self.epochs


class TrainedNet(keras.Model):
    """A network with its objective. Only here do the two meet: the network itself stays a plain function."""

    def __init__(self, net: keras.Model, objective: Objective):
        super().__init__(name=f"trained_{net.name}")
        self.net, self.objective = net, objective
        self.parts: dict[str, keras.metrics.Mean] = {}

    def track(self, names: list[str]) -> None:
        """Declares the losses by name, so that each step can report them."""
        self.parts = {name: keras.metrics.Mean(name=name) for name in names}

    def call(self, inputs, training=False):
        return self.net(inputs, training=training)

    def compute_loss(self, x=None, y: Any = None, y_pred: Any = None, sample_weight=None, training=True):
        parts = self.objective(y, y_pred)
        for name, value in parts.items():
            self.parts[name].update_state(value)
        return sum(parts.values())


def fit(
    net: keras.Model,
    objective: Objective,
    parts: list[str],
    optimizer: keras.optimizers.Optimizer,
    batches: Batches,
    validate: Validate,
    run: Path,
    schedule: Schedule,
    console: Console,
    *,
    ema: float = 0.0,
    first_epoch: int = 1,
    inputs: tuple[str, ...] = ("image", "mask"),
    describe: Callable[[dict[str, Any]], str] = str,
    resume: bool = False,
) -> list[dict[str, Any]]:
    """Trains `net` in the folder `run` and returns the history, a row an epoch.

    parts: the names of the losses that `objective` gives. inputs: the keys of a batch that the network takes.
    describe: one row of history -> its lines in val.log. ema: decay of the averaged weights that are validated and
    kept. With `resume` it goes on from the run's newest intact state; without one it starts at `first_epoch`.
    Raises FloatingPointError when the loss is no longer finite; RunError when the state belongs to another network.
    """
    model = TrainedNet(net, objective)
    model.track(parts)
    model.compile(optimizer=optimizer, jit_compile=keras.backend.backend() != "tensorflow")
    optimizer.build(net.trainable_variables)
    average = WeightAverage(net, ema)
    history: list[dict[str, Any]] = []
    losses: dict[str, float] = {}
    epoch, step = first_epoch, 0
    state = load_state(run, lambda text: console.print(text, style="yellow", markup=False)) if resume else None
    if state is None:
        # So that a run that is stopped early resumes from the weights that it started with, whatever they came from.
        save_state(run, _state(model, average, epoch, step, losses, history))
    else:
        _restore(state, model, average)
        epoch, step, history = state.progress["epoch"], state.progress["step"], state.progress["history"]
        losses = state.progress.get("losses", {})
        console.print(f"Resumed {run} at epoch {epoch}, step {step}.", markup=False)
    write_history(run, history, "".join(map(describe, history)))

    # The average was last taken at a step whose turn it was, or at the end of an epoch.
    done = (epoch - 1) * schedule.steps
    average.last = max(done, done + step - (done + step) % average.every)

    board = Writer(str(run / "tensorboard"))
    with _progress(console) as progress:
        while epoch <= schedule.epochs:
            task = progress.add_task(f"epoch {epoch}/{schedule.epochs}", total=schedule.steps, completed=step, loss="")
            for batch in batches(epoch, step):
                x = {name: batch[name] for name in inputs}
                logs = model.train_on_batch(x, batch, return_dict=True)
                step += 1
                average.update((epoch - 1) * schedule.steps + step)
                now = {name: float(logs[name]) for name in parts}
                if not math.isfinite(sum(now.values())):
                    raise FloatingPointError(
                        f"the loss is no longer finite at epoch {epoch}, step {step}: {now}. The last state is kept;"
                        " start again with a smaller --learning-rate or --clip-norm"
                    )
                losses = _running_means(losses, now, step)
                progress.update(task, completed=step, loss=f"loss {sum(losses.values()):.4f}")
                if step % schedule.save_every == 0 and step < schedule.steps:
                    save_state(run, _state(model, average, epoch, step, losses, history))
                if step == schedule.steps:
                    break
            progress.update(task, loss=f"loss {sum(losses.values()):.4f}, validating")
            average.update((epoch - 1) * schedule.steps + step, now=True)
            average.swap()
            scores = validate() if schedule.due(epoch, schedule.validate_every) else {}
            if schedule.due(epoch, schedule.save_model_every):
                save_model(run, net, epoch, scores.get("score", math.nan), schedule.keep_models)
            average.swap()
            rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
            row = {"epoch": epoch, "learning_rate": rate, **losses, **scores}
            history = [*history, row]
            epoch, step, losses = epoch + 1, 0, {}
            # The logs follow the state: killed between the two, the resumed run writes them again from the state.
            save_state(run, _state(model, average, epoch, step, losses, history))
            write_history(run, history, "".join(map(describe, history)))
            for name, value in row.items():
                board.add_scalar(name, np.float32(value), row["epoch"])
            board.flush()
            loss = sum(row[name] for name in parts)
            score = f", score {scores['score']:.4f} (lower is better)" if scores else ""
            progress.update(task, loss=f"loss {loss:.4f}{score}")
    board.close()
    return history


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[loss]}"))
    return Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, speed_estimate_period=120)


def _variables(model: TrainedNet) -> dict[str, Any]:
    """By names that begin with their group and place in it; the rest, chosen by Keras, may differ between processes."""
    net = model.net
    weights = {id(weight) for weight in net.weights}
    learnt = [weight for weight in net.weights if not is_input_statistic(weight)]
    groups = {"net": learnt, "optimizer": model.optimizer.variables, "metric": model.metrics_variables}
    # What is a variable and no weight: the generators of dropout and the like.
    groups["random"] = [variable for variable in net.variables if id(variable) not in weights]
    groups["input"] = [weight for weight in net.weights if is_input_statistic(weight)]
    return {f"{group}/{i:04d}/{v.path}": v for group, members in groups.items() for i, v in enumerate(members)}


def _running_means(means: dict[str, float], now: dict[str, float], step: int) -> dict[str, float]:
    """The means of the losses over an epoch's steps, of which this one is number `step`."""
    before = {name: means.get(name, value) for name, value in now.items()}
    return {name: before[name] + (value - before[name]) / step for name, value in now.items()}


def _state(
    model: TrainedNet,
    average: WeightAverage,
    epoch: int,
    step: int,
    losses: dict[str, float],
    history: list[dict[str, Any]],
) -> State:
    arrays = {name: np.array(keras.ops.convert_to_numpy(v)) for name, v in _variables(model).items()}
    arrays |= {f"average/{i:04d}": value for i, value in enumerate(average.values)}
    return State(arrays, {"epoch": epoch, "step": step, "losses": losses, "history": history})


def _restore(state: State, model: TrainedNet, average: WeightAverage) -> None:
    def key(name: str) -> str:
        return "/".join(name.split("/")[:2])

    arrays = {key(name): array for name, array in state.arrays.items()}
    variables = {key(name): variable for name, variable in _variables(model).items()}
    # A state of before networks kept how their input is normalised has that of ImageNet, with which they are built.
    variables = {name: v for name, v in variables.items() if name in arrays or not name.startswith("input/")}
    shapes = {name: tuple(v.shape) for name, v in variables.items()}
    shapes |= {f"average/{i:04d}": value.shape for i, value in enumerate(average.values)}
    if {name: array.shape for name, array in arrays.items()} != shapes:
        raise RunError("the saved state belongs to another network or optimizer than this run's configuration asks for")
    for name, variable in variables.items():
        variable.assign(arrays[name])
    average.values = [np.array(arrays[f"average/{i:04d}"]) for i in range(len(average.values))]
