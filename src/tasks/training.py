"""Trains a network of any task: finds the run to resume and the initial weights; fits, calibrates and reports.

Wrong options are reported before any photo is read: the network is built before the data are loaded.
"""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from ..files import locked, regular, write_atomic
from ..serve.shipped import is_shipped
from ..unet.backbones import WeightsError
from ..unet.framework import devices
from ..unet.optimizers import find_optimizer, make_optimizer
from ..unet.predictors import load_keypoint_backbone, load_start
from ..unet.runs import RunError, best_model, calibrated, find_run, has_state, load_weights, new_run, tidy
from ..unet.schedules import check_schedule, learning_rate_schedule, schedule_epochs
from ..unet.training import Schedule, fit
from .kinds import Task
from .resuming import check_facts, check_tag, check_whole, data_facts, resumed_config
from .training_options import TrainingOptions
from .weight_sources import WORDS, Start, check_source, find_start

log = logging.getLogger(__name__)
DEBUG_EPOCHS, DEBUG_STEPS, DEBUG_VAL = 2, 10, 64


@dataclass(frozen=True)
class Plan:
    """A training that can start: task and options, the run to resume (None: a new one), and the initial weights."""

    task: Task
    options: TrainingOptions
    run: Path | None
    start: Start
    net: Any

    @property
    def epochs(self) -> int:
        return epochs_of(self.task.config, self.options)


def train_network(
    task: Task,
    options: TrainingOptions,
    console: Console,
    read_over: Callable[[Any], Any],
    epochs_given: bool = False,
) -> Path:
    """Trains a network, or resumes its training, and returns its run folder.

    read_over: reads the command line over a configuration, that of a run to resume. epochs_given: whether the command
    line sets the number of epochs; else a schedule such as 2x does. Raises RunError, ValueError or OSError for options
    that do not fit together, before any photo is read or file written, and RunError if another training is writing to
    the run.
    """
    run = run_to_resume(task, options)
    with ExitStack() as locks:
        if run is not None:
            locks.enter_context(_alone_in(run))
            tidy(run)
        return _train(task, options, console, read_over, epochs_given, run, locks)


def _train(
    task: Task,
    options: TrainingOptions,
    console: Console,
    read_over: Callable[[Any], Any],
    epochs_given: bool,
    run: Path | None,
    locks: ExitStack,
) -> Path:
    if run is None:
        check_tag(task.config.tag)
        task = replace(task, config=_with_schedule_epochs(task.config, epochs_given))
    else:
        kept = task.config_of(run)
        check_whole(run, type(kept))
        task = replace(task, config=resumed_config(run, kept, read_over))
        task.check_heads(run)
    config = task.config
    task.check()
    find_optimizer(config.optimizer)
    check_schedule(config.schedule, config.epochs)
    if options.init_epoch is not None and not 0 <= options.init_epoch < epochs_of(config, options):
        raise RunError(
            f"--init-epoch {options.init_epoch} leaves no epoch to train of the {epochs_of(config, options)} asked for"
        )
    start, net = start_network(task, options, run)
    from ..data_gen.batches import steps_per_epoch  # its library must load after the framework

    train, val = task.parts(options.data)
    if options.debug:
        train, val = task.few(train, 2 * DEBUG_STEPS * config.batch_size), task.few(val, DEBUG_VAL)
    names = [list(task.names(part, options.data)) for part in (train, val)]
    log.info(f"{counted(names[0])} to train on, {counted(names[1])} to validate on, from {options.data}")
    for gap in task.gaps(train):
        log.warning(gap)
    facts = data_facts(names[0], names[1], options.debug)
    if run is not None:
        check_facts(run, facts, options.data)
    if not task.can_score(val):
        raise RunError(
            f"not one of the {len(val)} validation photos in {options.data} can be scored (their keypoints are hidden, "
            "or they have no label): no epoch would be the best. Choose another split, or mend the annotations"
        )
    steps_per_epoch(len(train), config.batch_size)  # raises if the photos do not fill a batch
    plan = Plan(task, options, run, start, net)
    if run is None:
        # Only now, so that a failed start leaves no empty run.
        run = new_run(options.out / task.folder.parent, task.folder.name, config)
        locks.enter_context(_alone_in(run))
    return fit_network(plan, run, facts, train, val, console)


def counted(names: Sequence[str]) -> str:
    """How many photos have these names, one name for each sample: several garments of a photo repeat its name."""
    photos = len(set(names))
    return f"{len(names)} photos" if photos == len(names) else f"{len(names)} garments in {photos} photos"


@contextmanager
def _alone_in(run: Path) -> Iterator[None]:
    with ExitStack() as lock:
        try:
            lock.enter_context(locked(run))
        except BlockingIOError:
            raise RunError(
                f"another training is at work in {run}: wait until it ends, or start a new run without --resume"
            ) from None
        yield


def run_to_resume(task: Task, options: TrainingOptions) -> Path | None:
    """The run to resume: the newest of the task, or the one that `load` names; None for a new one.

    Raises RunError if there is none, or if options would be ignored.
    """
    run = None
    if options.resume and (options.load is None or options.load.is_dir()):
        run = find_run(options.load or options.out / task.folder)
    if options.init_epoch is not None and run is not None:
        raise RunError(f"--init-epoch goes with a weights file; {run} is a run folder and knows its epoch")
    if options.load is not None and options.weights != "auto":
        if run is None:
            both = f"--weights {options.weights} and --load {options.load}"
            raise RunError(f"{both} both say where to start: drop one of them")
        if has_state(run):
            raise RunError(f"{run}, which --load names, continues with its weights: drop --weights {options.weights}")
    return run


def epochs_of(config: Any, options: TrainingOptions) -> int:
    return min(config.epochs, DEBUG_EPOCHS) if options.debug else config.epochs


def _with_schedule_epochs(config: Any, epochs_given: bool) -> Any:
    implied = schedule_epochs(config.schedule)
    return replace(config, epochs=implied) if implied and not epochs_given else config


def start_network(task: Task, options: TrainingOptions, run: Path | None) -> tuple[Start, Any]:
    """The initial network, and the source of its weights.

    If a run has a state, all weights are loaded later, and its `start.json` has their source; a run that was stopped
    before its first state starts again from its first source. Raises RunError, ValueError or WeightsError for weights
    that are missing or do not fit.
    """
    import keras  # after unet, which keeps the framework's notices off the terminal

    keras.utils.set_random_seed(task.config.seed)
    if run is not None and has_state(run):
        return Start(options.weights), task.net()
    if run is None and options.load is not None:
        return _loaded(task, options.load, options.reset)
    check_source(options.weights)
    start = find_start(options.weights, task.stage)
    if is_shipped(start.weights):
        return start, task.transferred_net()
    if start.weights == "none" or (start.weights == "auto" and task.config.network == "lite"):
        return start, task.net()
    if start.weights not in WORDS and Path(start.weights).is_dir():
        net = task.net()
        load_keypoint_backbone(task.backbone(net), Path(start.weights))
        return start, net
    try:
        return start, task.net("imagenet" if start.weights == "auto" else start.weights)
    except WeightsError as error:
        if start.weights != "auto":
            raise
        log.warning(
            f"{error}. Starting from random weights, which takes far longer to train; "
            "give the file with --weights PATH to start from it."
        )
        return start, task.net()


def _loaded(task: Task, load: Path, reset: bool) -> tuple[Start, Any]:
    """The network with all weights of a run's best model or a weights file, or only with those of the backbone."""
    start, weights = find_start(str(load)), load
    if load.is_dir():
        weights = Path(start.facts["file"])
        if not reset:
            task.check_outputs_of(Path(start.weights))
    net = task.net()
    load_start(net, weights, task.backbone(net) if reset else None)
    return start, net


def fit_network(plan: Plan, run: Path, facts: str, train: Any, val: Any, console: Console) -> Path:
    """Fits the network in the run folder, calibrates its best model, writes the report, and returns the folder.

    Raises RunError, after everything is written, if no epoch has a score.
    """
    task, options, config, net = plan.task, plan.options, plan.task.config, plan.net
    from ..data_gen.batches import steps_per_epoch

    steps = steps_per_epoch(len(train), config.batch_size)
    steps = min(steps, DEBUG_STEPS) if options.debug else steps
    schedule = Schedule(plan.epochs, steps, options.save_every, options.keep, options.val_freq, options.save_freq)
    if config.layers == "heads":
        # Its batch normalisation keeps its statistics, too.
        task.backbone(net).trainable = False
    rate = learning_rate_schedule(config.schedule, config.learning_rate, steps, plan.epochs, config.warmup_epochs)
    optimizer = make_optimizer(config.optimizer, rate, config.weight_decay, config.clip_norm)
    if options.init_epoch:
        optimizer.iterations.assign(options.init_epoch * steps)
    objective, losses = task.objective(train)
    predict = task.predictor(net)
    unreadable: set[str] = set()

    def leave_out(name: str) -> None:
        if options.strict:
            raise ValueError(f"{name} cannot be read; without --strict it would be left out")
        unreadable.add(name)

    def batches(epoch: int, first_step: int) -> Iterator[dict[str, Any]]:
        for batch in task.batches(train, epoch, first_step, options.workers):
            for index in batch["index"][~batch["readable"]]:
                leave_out(task.name(train, index))
            yield batch

    task.write_heads(run)
    write_atomic(regular(run / "data.json"), facts)
    plan.start.write(run)
    log.info(
        f"Training {net.name} ({net.count_params() / 1e6:.1f} M weights) on {devices()} in {run}: "
        f"{plan.epochs} epochs of {steps} steps, {config.batch_size} photos each, at {config.size} px, "
        f"--learning-rate {config.learning_rate:g}"
    )
    history = fit(
        net,
        objective,
        losses,
        optimizer,
        batches,
        lambda: task.numbers(val, task.answers(predict, val, leave_out)),
        run,
        schedule,
        console,
        ema=config.ema,
        first_epoch=(options.init_epoch or 0) + 1,
        inputs=task.inputs,
        describe=task.log_line,
        resume=plan.run is not None,
    )
    for name in sorted(unreadable):
        log.warning(f"left out, cannot be read: {name}")
    model = best_model(run, log.warning)
    load_weights(net, model.path)
    answers = task.answers(predict, val, leave_out)
    with calibrated(run):
        task.calibrate(run, val, answers)
    if math.isnan(model.score):
        raise RunError(
            f"no epoch of {run} got a score, so none is the best: its answers to the {len(val)} validation photos are "
            f"not numbers, or none of them could be read. Models of the last epochs are in {run / 'models'}"
        )
    # Not every epoch's model is kept: the best of those that are may not be the best of the history.
    best = next(row for row in history if row["epoch"] == model.epoch)
    log.info(f"Best: {task.log_line(best).strip()}, on {len(val)} validation photos. Wrote {run}")
    return run
