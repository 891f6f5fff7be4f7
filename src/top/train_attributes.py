"""Trains a classifier: `python src/top/train_attributes.py --task skirt_length_labels --model resnet152v2`."""

import dataclasses
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from aifashion.config import PRODUCT, STYLE, AttributeConfig, attribute_preset
from aifashion.data_gen.label_table import LabelTable
from aifashion.eval.attribute_inference import AttributePredict, Outcome, predict_attributes
from aifashion.files import write_atomic
from aifashion.recognition.attribute_model import FOLDER, HEADS_FILE, read_heads
from aifashion.records import HeadSpec
from aifashion.serve.artifact import Manifest
from aifashion.serve.shipped import is_shipped, shipped, shipped_weights
from aifashion.tasks.attribute_data import check_crop, crop_rule_of, load_tables
from aifashion.tasks.attribute_scores import calibrate, score_outcomes
from aifashion.tasks.resuming import check_facts, data_facts, resumed_config
from aifashion.tasks.weight_sources import WORDS, Start, find_start
from aifashion.top.arguments import (
    CHECKOUT,
    choose_device,
    console,
    option_value,
    read_arguments,
    run_command,
    tell,
    warn,
)


@dataclass(frozen=True)
class Arguments:
    """Train a classifier of garment attributes, styles or products."""

    config: Annotated[AttributeConfig, tyro.conf.arg(name="")] = field(default_factory=AttributeConfig)
    data: Path = CHECKOUT / "data"
    """folder with the attribute sets, the shards of styles, or train.txt and val.txt of products"""
    output: Path = CHECKOUT / "trained_models"
    """folder in which the run folder is made"""
    classes: int | None = None
    """products: how many classes there are; those that the lists name by default"""
    class_names: Path | None = None
    """products: a file with the name of each class, one a line"""
    weights: str = "auto"
    """start of the backbone: auto (ImageNet where it can be fetched), imagenet, none, a Keras weights file, a
    checkpoint of PyTorch for its backbone or its name on the hub, such as hf://timm/resnet50d.ra2_in1k, or the run
    folder of a keypoint network with the same backbone; or shipped, to start from the classifier that comes with the
    package, with those of its heads that are wanted"""
    load: Path | None = None
    """a run folder, a folder of runs to take the latest trained one of, or a weights file to start from, instead of
    --weights; the second phase of transfer learning loads the run of the first"""
    reset: bool = False
    """with --load: start with fresh heads, keeping the backbone alone"""
    resume: bool = False
    """go on with a run, exactly: the newest of this task, or the one that --load names"""
    gpu_id: str | None = None
    """GPUs to use, such as 0 or 0,1; all by default"""
    workers: int = 0
    """processes that prepare batches; 0 prepares them in threads"""
    val_freq: int = 1
    """epochs between validations; the last epoch is always validated"""
    save_freq: int = 1
    """epochs between the models that are kept; the last one always is"""
    save_every: int = 500
    """steps between the states that are kept within an epoch"""
    keep: int = 3
    """models kept beside the best one: those of the last epochs"""
    strict: bool = False
    """stop at the first photo that cannot be read"""
    debug: bool = False
    """two epochs of ten steps on few photos, to see that all works"""


def main(arguments: Sequence[str] | None = None) -> None:
    run_command("train_attributes.py", None, arguments, train)


def train(arguments: Sequence[str] | None) -> None:
    preset = Arguments(config=_preset(arguments))
    args = read_arguments(Arguments, "train_attributes.py", arguments, preset)
    choose_device(args.gpu_id)
    # Without this the same seed need not give the same weights. Read by TensorFlow when it starts.
    os.environ.setdefault("TF_DETERMINISTIC_OPS", "1")
    from aifashion.unet.runs import RunError, find_run, find_trained_run, read_attribute_config  # Keras loads here

    run = None
    if args.reset and args.resume:
        raise RunError("--reset starts anew and --resume goes on with a run as it is: drop one of them")
    if args.reset and args.load is None:
        raise RunError("--reset needs --load with a run folder or weights file")
    if args.resume:
        run = find_run(args.load or args.output / FOLDER / args.config.task)
        own = read_attribute_config(run)
        config = resumed_config(run, own, lambda config: _read_over(arguments, preset, config))
        args = dataclasses.replace(args, config=config)
    else:
        args = dataclasses.replace(args, config=_with_schedule(args.config, arguments))
        if args.load is not None and args.load.is_dir():
            args = dataclasses.replace(args, load=find_trained_run(args.load))
    _check_start(args, run)
    given = [word for word, value in (("--classes", args.classes), ("--class-names", args.class_names)) if value]
    if given and args.config.task != PRODUCT:
        task = args.config.task
        raise ValueError(f"only --task {PRODUCT} takes {' and '.join(given)}; the classes of {task} are known")
    args = dataclasses.replace(args, config=_with_rule_of_data(args))
    check_crop(args.data, args.config.crop)
    tables = load_tables(args.data, args.config, args.classes, args.class_names)
    if args.debug:
        counts = 20 * args.config.batch_size, 64
        tables = tuple(table.select(_few(table, count)) for table, count in zip(tables, counts, strict=True))
    train_table, val_table = tables
    tell(f"{len(train_table)} photos to train on, {len(val_table)} to validate on, from {args.data}")
    _warn_of_missing(train_table)
    facts = data_facts(train_table.photos.names, val_table.photos.names, args.debug)
    if run is not None:
        check_facts(run, facts, args.data)
        _check_heads(run, train_table.heads)
    _fit(args, run, facts, train_table, val_table)


def _preset(arguments: Sequence[str] | None) -> AttributeConfig:
    """What a training does unless told otherwise; from the shipped classifier, with its backbone and size.

    Of FashionAI's tasks with its crops as well: styles and products come as whole photos, which nothing here crops.
    """
    if not is_shipped(option_value(arguments, "--weights", "auto")):
        return attribute_preset(option_value(arguments, "--model", "resnet50v2"))
    own = Manifest.read(shipped("attributes")).attribute_config
    preset = attribute_preset(option_value(arguments, "--model", own.model))
    whole = option_value(arguments, "--task", preset.task) in (STYLE, PRODUCT)
    return dataclasses.replace(preset, size=own.size, crop=preset.crop if whole else own.crop)


def _with_rule_of_data(args: Arguments) -> AttributeConfig:
    """The command line names the kind of the crops; margin and threshold are those that the photos were cut with."""
    rule = crop_rule_of(args.data)
    same_kind = rule.kind == args.config.crop.kind and not args.resume
    return dataclasses.replace(args.config, crop=rule) if same_kind else args.config


def _check_start(args: Arguments, run: Path | None) -> None:
    """Raises RunError where `--weights` would be ignored: beside other weights, or those that a run has already."""
    from aifashion.unet.runs import RunError, has_state

    if args.weights == "auto" or args.load is None:
        return
    if run is None:
        raise RunError(f"--weights {args.weights} and --load {args.load} both say where to start: drop one of them")
    if has_state(run):
        raise RunError(f"{run}, which --load names, goes on with its own weights: drop --weights {args.weights}")


def _check_heads(run: Path, heads: Sequence[HeadSpec]) -> None:
    """Raises RunError where a run that is to go on has other heads, which its kept models belong to."""
    from aifashion.unet.runs import RunError

    if not (run / HEADS_FILE).exists():
        return
    own = read_heads(run)
    if own != tuple(heads):
        mend = "start a new run from its backbone: --load RUN --reset True"
        if any(head.name == PRODUCT for head in (*own, *heads)):
            mend = "give the same --classes and --class-names as it was started with"
        raise RunError(f"{run} tells {_described(own)}; this command asks for {_described(heads)}: {mend}")


def _described(heads: Sequence[HeadSpec]) -> str:
    told = []
    for head in heads:
        few = ", ".join(head.classes[:3]) + (", ..." if len(head.classes) > 3 else "")
        told.append(f"{head.name} in {len(head.classes)} {head.kind} classes ({few})")
    return "; ".join(told)


def _with_schedule(config: AttributeConfig, arguments: Sequence[str] | None) -> AttributeConfig:
    """A schedule such as 2x says how many epochs there are, unless --epochs does."""
    from aifashion.unet.schedules import check_schedule, schedule_epochs

    implied = schedule_epochs(config.schedule)
    if implied and not option_value(arguments, "--epochs", ""):
        config = dataclasses.replace(config, epochs=implied)
    check_schedule(config.schedule, config.epochs)
    return config


def _read_over(arguments: Sequence[str] | None, preset: Arguments, config: AttributeConfig) -> AttributeConfig:
    return read_arguments(
        Arguments, "train_attributes.py", arguments, dataclasses.replace(preset, config=config)
    ).config


def _warn_of_missing(table: LabelTable) -> None:
    """Says which heads and classes have no photo to learn from."""
    for place, head in enumerate(table.heads):
        missing = [name for name, count in zip(head.classes, table.counts(place), strict=True) if count == 0]
        if len(missing) == len(head.classes):
            warn(f"no photo to train on is labelled for {head.name}: its answers will mean nothing")
        elif missing and head.name != PRODUCT:  # of products the lists have told
            warn(f"no photo to train on is {', '.join(missing)} ({head.name})")


def _few(table: LabelTable, count: int) -> np.ndarray:
    return np.linspace(0, len(table) - 1, min(count, len(table))).astype(int)


def _fit(args: Arguments, run: Path | None, facts: str, train_table: LabelTable, val_table: LabelTable) -> None:
    import keras

    from aifashion.data_gen.attribute_batches import attribute_batches
    from aifashion.data_gen.batches import steps_per_epoch
    from aifashion.unet.attribute_losses import (
        attribute_objective,
        equal_head_weights,
        loss_names,
        positive_weights,
    )
    from aifashion.unet.attribute_net import freeze_backbone
    from aifashion.unet.framework import devices
    from aifashion.unet.optimizers import make_optimizer
    from aifashion.unet.predictors import attribute_predictor
    from aifashion.unet.runs import best_model, load_weights, new_run
    from aifashion.unet.schedules import learning_rate_schedule
    from aifashion.unet.training import Schedule, fit

    config, heads = args.config, train_table.heads
    keras.utils.set_random_seed(config.seed)
    start = _start(args, run)
    net = _network(dataclasses.replace(args, weights=start.weights), run, heads)
    if config.layers == "heads":
        freeze_backbone(net)
    steps, epochs = steps_per_epoch(len(train_table), config.batch_size), config.epochs
    if args.debug:
        steps, epochs = min(steps, 10), min(epochs, 2)
    rate = learning_rate_schedule(config.schedule, config.learning_rate, steps, epochs, config.warmup_epochs)
    optimizer = make_optimizer(config.optimizer, rate, config.weight_decay, config.clip_norm)
    labelled = {head.name: int((train_table.codes[:, place] >= 0).sum()) for place, head in enumerate(heads)}
    weights = {
        head.name: positive_weights(train_table.counts(place), labelled[head.name])
        for place, head in enumerate(heads)
        if head.kind == "independent"
    }
    head_weights = equal_head_weights(labelled) if config.task_weights == "equal" else {}
    unreadable: set[str] = set()

    def leave_out(name: str) -> None:
        if args.strict:
            raise ValueError(f"{name} cannot be read; without --strict it would be left out")
        unreadable.add(name)

    def batches(epoch: int, first_step: int):
        for batch in attribute_batches(train_table, config, epoch, first_step, args.workers):
            for row in batch["index"][~batch["readable"]]:
                leave_out(train_table.photos.name(row))
            yield batch

    predict = attribute_predictor(net)
    resume = run is not None
    # Only now, so that a start that fails leaves no empty run behind.
    run = run or new_run(args.output / FOLDER, config.task, config)
    write_atomic(run / HEADS_FILE, json.dumps([dataclasses.asdict(head) for head in heads], indent=1) + "\n")
    write_atomic(run / "data.json", facts)
    start.write(run)
    tell(f"Training {net.name} ({net.count_params() / 1e6:.1f} M weights) on {devices()} in {run}")
    history = fit(
        net,
        lambda targets, outputs: attribute_objective(targets, outputs, heads, weights, head_weights),
        loss_names(heads),
        optimizer,
        batches,
        lambda: validate(predict, val_table, config, leave_out),
        run,
        Schedule(epochs, steps, args.save_every, args.keep, args.val_freq, args.save_freq),
        console,
        ema=config.ema,
        inputs=("image",),
        describe=_val_log,
        resume=resume,
    )
    for name in sorted(unreadable):
        warn(f"left out, cannot be read: {name}")
    model = best_model(run, warn)
    # Not every epoch's model is kept: the best of those that are need not be the best of the history.
    best = next(row for row in history if row["epoch"] == model.epoch)
    load_weights(net, model.path)
    calibrate(run, val_table, _outcomes(predict, val_table, config, leave_out))
    tell(f"Best: {_val_log(best).strip()}. Wrote {run}")


def _loaded_later(args: Arguments, run: Path | None) -> bool:
    from aifashion.unet.runs import has_state

    # Stopped before its first state, a run that --load names starts as it did: --load then tells of no weights.
    return args.load is not None if run is None else has_state(run)


def _start(args: Arguments, run: Path | None) -> Start:
    """Where the weights come from; of a run with a state its `start.json` has told that before."""
    if not _loaded_later(args, run):
        return find_start(args.weights, "attributes")
    facts = find_start(str(args.load)).facts if run is None else {}
    return Start(args.weights, facts)


def _network(args: Arguments, run: Path | None, heads):
    """The network as it starts: of a run with a state all weights are loaded later."""
    from aifashion.unet.backbones import WeightsError
    from aifashion.unet.predictors import attribute_net, load_attribute_start, load_keypoint_backbone
    from aifashion.unet.runs import RunError, find_trained_run

    config = args.config
    if not _loaded_later(args, run) and is_shipped(args.weights):
        from aifashion.unet.transfer import warm_attribute_net

        own = Manifest.read(shipped("attributes"))
        return warm_attribute_net(config, heads, own.attribute_config, own.heads, shipped_weights("attributes"))
    whole_run = args.load if run is None and not args.reset and args.load is not None and args.load.is_dir() else None
    # Weights are loaded by their place: those of another task would fit a head of as many classes.
    if whole_run is not None and read_heads(whole_run) != tuple(heads):
        raise RunError(f"{whole_run} has other heads than this training: --reset True takes its backbone alone")
    loaded_later = _loaded_later(args, run)
    folder = not loaded_later and args.weights not in WORDS and Path(args.weights).is_dir()
    keypoint_run = find_trained_run(Path(args.weights)) if folder else None
    plain = loaded_later or keypoint_run is not None or args.weights == "none"
    plain = plain or (args.weights == "auto" and config.model == "lite")
    try:
        net = attribute_net(config, heads, None if plain else "imagenet" if args.weights == "auto" else args.weights)
    except WeightsError as error:
        if args.weights != "auto":
            raise
        warn(
            f"{error}. Starting from random weights, which takes far longer to train; "
            "give the file with --weights PATH to start from it."
        )
        net = attribute_net(config, heads)
    if keypoint_run is not None:
        load_keypoint_backbone(net, keypoint_run, warn)
    if run is None and args.load is not None:
        load_attribute_start(net, args.load, warn, backbone_only=args.reset)
    return net


def validate(
    predict: AttributePredict, table: LabelTable, config: AttributeConfig, leave_out: Callable[[str], None]
) -> dict[str, float]:
    """The scores of the validation photos; `score` is what training lowers. Unreadable photos go to `leave_out`."""
    return score_outcomes(table, _outcomes(predict, table, config, leave_out))


def _outcomes(
    predict: AttributePredict, table: LabelTable, config: AttributeConfig, leave_out: Callable[[str], None]
) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for outcome in predict_attributes(predict, table.photos, table.heads, config.size, batch_size=config.batch_size):
        if outcome.error is None:
            outcomes.append(outcome)
        else:
            leave_out(table.photos.name(outcome.row))
    return outcomes


def _val_log(row: dict[str, Any]) -> str:
    shown = {
        name: value for name, value in row.items() if name in ("map", "basic_precision", "accuracy", "f2", "error")
    }
    scores = "  ".join(f"{name} {value:.4f}" for name, value in shown.items()) or "not validated"
    tasks = "  ".join(f"{name[3:]} {value:.4f}" for name, value in row.items() if name.startswith("ap_"))
    return f"epoch {row['epoch']:3d}  {scores}{'  |  ' if tasks else ''}{tasks}\n"


if __name__ == "__main__":
    main()
