"""`aifashion export`: a run becomes an artifact that runs without TensorFlow."""

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from aifashion.data_gen.formats.challenges import CATEGORIES
from aifashion.data_gen.preprocess import letterboxed
from aifashion.data_gen.synthetic.scene import render
from aifashion.files import CHECKOUT
from aifashion.serve.artifact import PRECISIONS, Format, Manifest, Numbers, Stage, is_artifact
from aifashion.serve.shipped import STAGES, WORD, is_shipped, shipped, shipped_weights
from aifashion.tasks.kinds import Task, task_kind
from aifashion.top.arguments import run_command, tell, warn

MEASURED, MEASURED_IN_FLOAT32 = 1000, 32
"""How many photos artifacts are measured on: by their score, where there are so many, and by their outputs."""


@dataclass(frozen=True)
class Arguments:
    """Export a run as an artifact: a folder with a network that works without TensorFlow.

    The run can be one of keypoints, of a detector or of a classifier. The artifact is compared with the run before it
    is written; if it differs too much, it is not written. Commands that predict take an artifact wherever they take a
    run.
    """

    run: tyro.conf.Positional[Path]
    """a run folder, a folder of runs (its latest finished run is used), or shipped: all networks that come with the
    package, each in a folder of its stage below --out"""
    format: Format = "openvino"
    """openvino (needs no other package), onnx, litert (for small devices) or saved_model (TensorFlow)"""
    precision: Numbers = "float32"
    """float32; bfloat16 (only for openvino; faster only on processors that have it); or int8 (quantised)"""
    out: Path | None = None
    """folder to write; by default exports/FORMAT_PRECISION in the run folder, or for shipped
    trained_models/shipped/FORMAT_PRECISION"""
    size: int | None = None
    """side of the square input in px; by default as in the training"""
    flip: bool = False
    """the artifact averages the photo and its mirror image; it then takes twice as long"""
    data: Path = CHECKOUT / "data"
    """the data folder that the run was trained on. Its validation photos are used to compare the artifact with the run;
    for int8 its training photos are used to find the value range of each layer. float32 needs no data: without it,
    drawn photos are used"""
    photos: int = 300
    """for int8: how many training photos are used to find the value ranges; the comparison uses as many validation
    photos, but at least 1,000 if there are so many"""
    epoch: int | None = None
    """export the model of this epoch; by default the best one"""


def main(arguments: Sequence[str] | None = None) -> None:
    run_command("aifashion export", Arguments, arguments, export)


def export(args: Arguments) -> None:
    _prepare(args)
    if is_shipped(str(args.run)):
        for stage in STAGES:
            out = (args.out or CHECKOUT / "trained_models" / WORD / _name(args)) / stage
            _tell_written(out, _export_shipped(args, stage, out))
        return
    run = _trained_run(args)
    out = args.out or run / "exports" / _name(args)
    _tell_written(out, _export_run(args, run, out))


def export_stage(args: Arguments, stage: Stage, out: Path) -> Manifest:
    """Writes the artifact of a run, or of the shipped network of a stage, to the folder `out`, without a word of it.

    Raises ValueError for a run of another stage.
    """
    _prepare(args)
    if is_shipped(str(args.run)):
        return _export_shipped(args, stage, out)
    run = _trained_run(args)
    if task_kind(run).stage != stage:
        raise ValueError(f"{run} is a run of {task_kind(run).stage}; expected one of {stage}")
    return _export_run(args, run, out)


def _prepare(args: Arguments) -> None:
    """Loads the framework. Raises ValueError for arguments that cannot be."""
    if args.precision not in PRECISIONS[args.format]:
        able = " or ".join(PRECISIONS[args.format])
        raise ValueError(f"--format {args.format} is computed in {able}, not in {args.precision}")
    if args.photos < 1:
        raise ValueError(f"--photos {args.photos}; expected 1 or more")
    if args.size is not None and args.size < 1:
        raise ValueError(f"--size {args.size}; expected a number of px from 32 up")
    from aifashion.unet.framework import import_keras

    import_keras()  # with the settings that the networks need, before the modules that import Keras themselves
    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        raise ValueError("runs are converted by TensorFlow, whatever they were trained with: unset KERAS_BACKEND")


def _trained_run(args: Arguments) -> Path:
    if is_artifact(args.run):
        raise ValueError(f"{args.run} is an artifact already, without the weights to export from: name the run folder")
    from aifashion.unet.runs import find_trained_run

    return find_trained_run(args.run)


def _export_run(args: Arguments, run: Path, out: Path) -> Manifest:
    from aifashion.unet.runs import best_model

    task = task_kind(run).of_run(run)
    model = best_model(run, warn, args.epoch)
    source = {"run": run.name, "epoch": model.epoch, "score": model.score}
    return _export(args, _Source(task, model.path, task.read_calibration(run), out, source))


@dataclass(frozen=True)
class _Source:
    """What is exported. about: where it comes from, for the manifest."""

    task: Task
    weights: Path
    calibration: Any
    out: Path
    about: dict[str, Any]


def _export_shipped(args: Arguments, stage: Stage, out: Path) -> Manifest:
    """One of the shipped networks, of the weights beside its artifact."""
    if args.epoch is not None:
        raise ValueError("--epoch goes with a run folder; the shipped networks are of one epoch each")
    folder, weights = shipped(stage), shipped_weights(stage)
    manifest = Manifest.read(folder)
    task, _, calibration = task_kind(folder).of_model(folder, None)
    if manifest.precision != "float32":
        tell(f"shipped {stage}: its kernels are kept in fewer bits than they were trained in, and are exported so")
    return _export(
        args, _Source(task, weights, calibration, out, {**manifest.source, "exported_from": f"{WORD} {stage}"})
    )


def _name(args: Arguments) -> str:
    return f"{args.format}_{args.precision}"


def _export(args: Arguments, source: _Source) -> Manifest:
    from aifashion.serve.export import write_artifact
    from aifashion.unet.runs import load_weights

    # Of whatever precision it was trained in: the weights are float32, and the artifact decides anew.
    config = dataclasses.replace(source.task.config, precision="float32", size=args.size or source.task.config.size)
    task, calibration = dataclasses.replace(source.task, config=config), source.calibration
    net = task.net()
    load_weights(net, source.weights)
    predict = task.mirrored(task.predictor(net)) if args.flip else task.predictor(net)
    if args.precision == "float32":
        measure, ranges = _outputs_apart(task, predict, args), []
    else:
        train, val = task.parts(args.data)
        measure = _score_apart(task, predict, calibration, task.few(val, max(MEASURED, args.photos)))
        learned = task.few(train, args.photos * (args.precision == "int8"))
        ranges = [task.example(_input(task, task.photo(learned, index))) for index in range(len(learned))]
    facts = json.loads(config.to_json())
    manifest = Manifest(
        task.stage, args.format, args.precision, facts, config.vocabulary, flip=args.flip, source=source.about
    )
    manifest = task.described(manifest, calibration)
    serving = task.serving_net(net, calibration, args.flip)
    return write_artifact(source.out, serving, manifest, measure, ranges, task.kernels(net))


def _tell_written(out: Path, manifest: Manifest) -> None:
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / 1e6
    tell(f"Wrote {out} ({size:.1f} MB): {shown(manifest.differences)}")


def shown(differences: Mapping[str, Any]) -> str:
    """What was measured, in one line."""
    return ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in differences.items())


def _outputs_apart(task: Task, predict: Any, args: Arguments) -> Any:
    """What measures an artifact in float32: its outputs against the run's, on the same photos."""
    images = np.stack([_input(task, photo) for photo in _photos_or_drawn(task, args.data)])

    def measure(network: Any) -> dict[str, Any]:
        apart = task.outputs_apart(predict, network, images)
        return {**apart, "photos": len(images), "excess": float(np.max([*apart.values()])) - task.output_bound}

    return measure


def _score_apart(task: Task, predict: Any, calibration: Any, val: Any) -> Any:
    """What measures an artifact in a lower precision: its score against the run's, on validation photos."""

    def score(function: Any) -> float:
        answers = task.answers(function, val, lambda name: warn(f"cannot be read: {name}"), calibration)
        return task.numbers(val, answers)[task.measure]

    reference = score(predict)

    def measure(network: Any) -> dict[str, Any]:
        found = score(task.artifact_predictor(network))
        excess = found - reference - task.measure_bound
        return {task.measure: found, f"{task.measure}_of_run": reference, "photos": len(val), "excess": excess}

    return measure


def _photos_or_drawn(task: Task, data: Path) -> list[np.ndarray]:
    """Validation photos, or drawn ones: whether two computations agree shows on any photo."""
    try:
        val = task.few(task.parts(data)[1], MEASURED_IN_FLOAT32)
        return [task.photo(val, index) for index in range(len(val))]
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        tell(f"no annotated photos of this run in {data}: measured on drawn ones ({reason})")
        return [render(np.random.default_rng([7, n]), 256, CATEGORIES[n % len(CATEGORIES)]).image for n in range(16)]


def _input(task: Task, photo: np.ndarray) -> np.ndarray:
    return letterboxed(photo, (task.config.size, task.config.size))[0]


if __name__ == "__main__":
    main()
