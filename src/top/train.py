"""Trains a keypoint network: `python src/top/train.py --category all --network v11 --epochs 30`."""

import dataclasses
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from aifashion.config import KeypointConfig, keypoint_preset
from aifashion.data_gen.keypoint_sets import load_training_parts
from aifashion.files import write_atomic
from aifashion.records import Sample
from aifashion.serve.artifact import Manifest
from aifashion.serve.shipped import is_shipped, shipped, shipped_weights
from aifashion.tasks.keypoint_scores import calibrate, predict_validation, validate
from aifashion.tasks.resuming import check_facts, data_facts, resumed_config
from aifashion.tasks.weight_sources import Start, find_start
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
    """Train a keypoint network."""

    config: Annotated[KeypointConfig, tyro.conf.arg(name="")] = field(default_factory=KeypointConfig)
    data: Path = CHECKOUT / "data"
    """folder with the training set in the FashionAI layout, or with train.json; or a file of COCO keypoints"""
    output: Path = CHECKOUT / "trained_models"
    """folder in which the run folder is made"""
    weights: str = "auto"
    """start of the backbone: auto (ImageNet where it can be fetched), imagenet, none, a Keras weights file, a
    checkpoint of PyTorch for its backbone, or its name on the hub, such as hf://timm/resnet50d.ra2_in1k; or shipped, to
    start the whole network from the one that comes with the package"""
    resume: bool = False
    """go on with a run, exactly: the newest of this category, or the one that --resume-model names"""
    resume_model: Path | None = None
    """a run folder to resume, or a weights file of this network to start a new run from"""
    init_epoch: int | None = None
    """epochs that the weights file has already been trained for; the new run counts and decays from there"""
    gpu_id: str | None = None
    """GPUs to use, such as 0 or 0,1; all by default"""
    workers: int = 0
    """processes that prepare batches; 0 prepares them in threads"""
    save_every: int = 500
    """steps between the states that are kept within an epoch"""
    keep: int = 3
    """models kept beside the best one: those of the last epochs"""
    strict: bool = False
    """stop at the first photo that cannot be read"""
    debug: bool = False
    """two epochs of ten steps on few photos, to see that all works"""


def main(arguments: Sequence[str] | None = None) -> None:
    run_command("train.py", None, arguments, train)


def train(arguments: Sequence[str] | None) -> None:
    preset = Arguments(config=_preset(arguments))
    args = read_arguments(Arguments, "train.py", arguments, preset)
    choose_device(args.gpu_id)
    # Without this the same seed need not give the same weights. Read by TensorFlow when it starts.
    os.environ.setdefault("TF_DETERMINISTIC_OPS", "1")
    from aifashion.unet.runs import RunError, find_run, read_keypoint_config  # Keras loads here and takes seconds

    run = None
    if args.resume and (args.resume_model is None or args.resume_model.is_dir()):
        run = find_run(args.resume_model or args.output / args.config.category)
        own = read_keypoint_config(run)
        config = resumed_config(run, own, lambda config: _read_over(arguments, preset, config))
        args = dataclasses.replace(args, config=config)
    elif args.resume_model is not None and not args.resume:
        raise RunError("--resume-model needs --resume True")
    elif args.init_epoch is not None and args.resume_model is None:
        raise RunError("--init-epoch needs --resume-model with a weights file; a run folder knows its own epoch")
    if run is None and args.resume_model is not None and args.weights != "auto":
        both = f"--weights {args.weights} and --resume-model {args.resume_model}"
        raise RunError(f"{both} both say where to start: drop one of them")
    if args.init_epoch is not None and run is not None:
        raise RunError(f"--init-epoch goes with a weights file; {run} is a run folder and knows its own epoch")
    if args.init_epoch is not None and not 0 <= args.init_epoch < _epochs(args):
        raise RunError(f"--init-epoch {args.init_epoch} leaves no epoch to train of the {_epochs(args)} asked for")

    train_set, val_set = _training_data(args)
    facts = data_facts(_names(args.data, train_set), _names(args.data, val_set), args.debug)
    if run is not None:
        check_facts(run, facts, args.data)
    _fit(args, run, facts, train_set, val_set)


def _preset(arguments: Sequence[str] | None) -> KeypointConfig:
    """What a training does unless told otherwise; from the shipped network, the same one at the same size."""
    if not is_shipped(option_value(arguments, "--weights", "auto")):
        return keypoint_preset(option_value(arguments, "--network", "v11"))
    shipped_config = shipped_keypoint_config()
    preset = keypoint_preset(option_value(arguments, "--network", shipped_config.network))
    return dataclasses.replace(preset, size=shipped_config.size)


def shipped_keypoint_config() -> KeypointConfig:
    """Of the network that comes with the package."""
    return Manifest.read(shipped("keypoints")).keypoint_config


def _epochs(args: Arguments) -> int:
    return min(args.config.epochs, 2) if args.debug else args.config.epochs


def _training_data(args: Arguments) -> tuple[list[Sample], list[Sample]]:
    train_set, val_set = load_training_parts(args.data, args.config)
    if args.debug:
        train_set, val_set = train_set[: 20 * args.config.batch_size], val_set[:32]
    tell(f"{len(train_set)} photos to train on, {len(val_set)} to validate on, from {args.data}")
    return train_set, val_set


def _read_over(arguments: Sequence[str] | None, preset: Arguments, config: KeypointConfig) -> KeypointConfig:
    return read_arguments(Arguments, "train.py", arguments, dataclasses.replace(preset, config=config)).config


def _names(data: Path, samples: list[Sample]) -> Iterator[str]:
    folder = data if data.is_dir() else data.parent
    return (sample.path.relative_to(folder).as_posix() for sample in samples)


def _fit(args: Arguments, run: Path | None, facts: str, train_set: list[Sample], val_set: list[Sample]) -> None:
    import keras

    from aifashion.data_gen.batches import steps_per_epoch
    from aifashion.data_gen.keypoint_batches import keypoint_batches
    from aifashion.unet.framework import devices
    from aifashion.unet.losses import keypoint_objective
    from aifashion.unet.optimizers import adamw, warmup_cosine
    from aifashion.unet.predictors import keypoint_predictor
    from aifashion.unet.runs import best_model, load_weights, new_run
    from aifashion.unet.training import Schedule, fit

    config = args.config
    steps, epochs = steps_per_epoch(len(train_set), config.batch_size), _epochs(args)
    if args.debug:
        steps = min(steps, 10)
    schedule = Schedule(epochs, steps, args.save_every, args.keep)
    keras.utils.set_random_seed(config.seed)
    start = _start(args, run)
    net = _network(dataclasses.replace(args, weights=start.weights), run)
    if args.resume_model is not None and not args.resume_model.is_dir():
        load_weights(net, args.resume_model)
    total, warmup = steps * epochs, round(steps * config.warmup_epochs)
    rate = warmup_cosine(config.learning_rate, min(warmup, total // 2), total, config.lrdecay)
    optimizer = adamw(rate, config.weight_decay, config.clip_norm)
    if args.init_epoch:
        optimizer.iterations.assign(args.init_epoch * steps)
    unreadable: set[Path] = set()

    def leave_out(path: Path) -> None:
        if args.strict:
            raise ValueError(f"{path} cannot be read; without --strict it would be left out")
        unreadable.add(path)

    def batches(epoch: int, first_step: int):
        for batch in keypoint_batches(train_set, config, epoch, first_step, args.workers):
            for index in batch["index"][~batch["readable"]]:
                leave_out(train_set[index].path)
            yield batch

    def objective(targets, outputs):
        return keypoint_objective(targets, outputs, config.sigma, config.hard_fraction, config.category_weight)

    parts = ["global", "refined"] + ["category"] * ("category" in net.output)
    predict = keypoint_predictor(net)
    resume = run is not None
    # Only now, so that a start that fails leaves no empty run behind.
    run = run or new_run(args.output, config.category, config)
    write_atomic(run / "data.json", facts)
    start.write(run)
    tell(f"Training {net.name} ({net.count_params() / 1e6:.1f} M weights) on {devices()} in {run}")
    history = fit(
        net,
        objective,
        parts,
        optimizer,
        batches,
        lambda: validate(predict, val_set, config, leave_out),
        run,
        schedule,
        console,
        ema=config.ema,
        first_epoch=(args.init_epoch or 0) + 1,
        describe=_val_log,
        resume=resume,
    )
    for path in sorted(unreadable):
        warn(f"left out, cannot be read: {path}")
    model = best_model(run, warn)
    load_weights(net, model.path)
    calibrate(run, predict_validation(predict, val_set, config, leave_out), config)
    best = next(row for row in history if row["epoch"] == model.epoch)
    tell(f"Best: epoch {best['epoch']}, NE {best['ne']:.2%} on {len(val_set)} validation photos. Wrote {run}")


def _loaded_later(args: Arguments, run: Path | None) -> bool:
    from aifashion.unet.runs import has_state

    return (run is not None and has_state(run)) or (run is None and args.resume)


def _start(args: Arguments, run: Path | None) -> Start:
    """Where the weights come from; of a run with a state its `start.json` has told that before."""
    if not _loaded_later(args, run):
        return find_start(args.weights, "keypoints")
    return Start(args.weights, find_start(str(args.resume_model)).facts if run is None else {})


def _network(args: Arguments, run: Path | None):
    """The network as it starts: of a run with a state and of a weights file all weights are loaded later."""
    from aifashion.unet.backbones import WeightsError
    from aifashion.unet.predictors import keypoint_net

    if _loaded_later(args, run) or args.weights == "none" or (args.weights == "auto" and args.config.network == "lite"):
        return keypoint_net(args.config)
    if is_shipped(args.weights):
        from aifashion.unet.transfer import warm_keypoint_net

        return warm_keypoint_net(args.config, shipped_keypoint_config(), shipped_weights("keypoints"))
    wanted = "imagenet" if args.weights == "auto" else args.weights
    try:
        return keypoint_net(args.config, wanted)
    except WeightsError as error:
        if args.weights != "auto":
            raise
        warn(
            f"{error}. Starting from random weights, which takes far longer to train; "
            "give the file with --weights PATH to start from it."
        )
        return keypoint_net(args.config)


def _val_log(row: dict[str, Any]) -> str:
    per_category = "  ".join(f"{key[3:]} {value:.2%}" for key, value in row.items() if key.startswith("ne_"))
    return f"epoch {row['epoch']:3d}  NE {row['ne']:.2%}  {per_category}  category {row['category_accuracy']:.2%}\n"


if __name__ == "__main__":
    main()
