"""`aifashion calibrate`: how far the keypoints of a network are off, for the standard errors of lengths."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from aifashion.eval.visibility import Visibility
from aifashion.files import CHECKOUT
from aifashion.serve.artifact import Manifest, is_artifact
from aifashion.serve.shipped import WORD, is_shipped
from aifashion.tasks.keypoint_scores import write_calibration
from aifashion.tasks.keypoints import KeypointTask
from aifashion.tasks.kinds import task_kind
from aifashion.tasks.length_errors import FittedErrors, fit_keypoint_errors
from aifashion.top.arguments import choose_device, run_command, tell, warn


@dataclass(frozen=True)
class Arguments:
    """Fit the errors of a network's keypoints to annotated photos, and keep them with the network.

    The standard errors of lengths depend on them. Training also does this, on its validation photos. Use this command
    for networks of earlier versions, or to fit the errors to your own photos.
    """

    run: tyro.conf.Positional[Path]
    """a run folder or an artifact of a keypoint network; the command writes the new errors into it"""
    data: Path = CHECKOUT / "data"
    """annotated photos that the network was not trained on: a data folder, a COCO file, or a file or folder in another
    format of docs/formats.md"""
    all: bool = False
    """take all annotated photos, not only those of the validation split"""
    gpu_id: str | None = None
    """number of the GPU to use, such as 0; -1 for none; by default the first. Artifacts always run on the processor"""


def main(arguments: Sequence[str] | None = None) -> None:
    run_command("aifashion calibrate", Arguments, arguments, calibrate)


def calibrate(args: Arguments) -> None:
    run = args.run
    if is_shipped(str(run)):
        raise ValueError(f"{WORD} is a part of the package: name a run, or the folder of an artifact")
    choose_device(args.gpu_id)
    if not is_artifact(run):
        from aifashion.unet.runs import find_trained_run  # Keras loads here

        run = find_trained_run(run)
    if task_kind(run) is not KeypointTask:
        raise ValueError(f"{run} is no keypoint network; lengths are measured between keypoints")
    task, predict, visibility = KeypointTask.of_model(run, None)
    if visibility is None:
        raise ValueError(f"{run} has no calibration at all: its training has not ended")
    train, val = task.parts(args.data)
    photos = [*train, *val] if args.all else val
    tell(f"{len(photos)} photos from {args.data}")
    answers = task.answers(predict, photos, lambda name: warn(f"cannot be read: {name}"), visibility)
    fitted = fit_keypoint_errors(answers, task.config, visibility.errors)
    _keep(run, dataclasses.replace(visibility, errors=fitted.errors))
    _report(fitted)
    tell(f"Wrote the errors of {len(fitted.errors.scale)} keypoints to {run}")


def _keep(run: Path, visibility: Visibility) -> None:
    if is_artifact(run):
        manifest = Manifest.read(run)
        dataclasses.replace(manifest, visibility=visibility.to_json()).write(run)
        return
    from aifashion.unet.runs import calibrated

    with calibrated(run):
        write_calibration(run, visibility)


def _report(fitted: FittedErrors) -> None:
    if not fitted.lengths:
        warn("the vocabulary has no measurements: the errors are those of single keypoints")
        return
    for what, (one, two) in (("before", fitted.before), ("now", fitted.after)):
        tell(
            f"{what}: of {fitted.lengths} lengths {one:.1%} are within one standard error and {two:.1%} within two; "
            "68.3% and 95.5% are expected"
        )


if __name__ == "__main__":
    main()
