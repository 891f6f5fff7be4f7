"""Predicts a test set and writes the submission: `aifashion test --model RUN --augment`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from aifashion.data_gen.keypoint_sets import load_test_set
from aifashion.heatmaps import Decoder
from aifashion.recognition.keypoint_model import load_keypoint_model
from aifashion.tasks.keypoints import no_keypoints, write_keypoint_submission
from aifashion.top.arguments import CHECKOUT, choose_device, run_command, tell, warn
from aifashion.top.progress import progress_bar


@dataclass(frozen=True)
class Arguments:
    """Predict the keypoints of a test set and write submission.csv in the official columns."""

    model: Path | None = None
    """run folder, a folder of runs to take the latest of, an artifact, or shipped; the latest run in trained_models/all
    by default, and without any there the network that comes with the package"""
    out: Path = CHECKOUT / "submission"
    """folder for submission.csv"""
    data: Path = CHECKOUT / "data"
    """the test list (a CSV with image_id and image_category, or a COCO file), or a folder that holds test.csv or
    test.json"""
    augment: bool = False
    """test-time augmentation: flip, and rotations of -20, -10, 10 and 20 degrees, each also mirrored; ten passes"""
    decoder: Decoder | None = None
    """how heatmaps become points; as the run was validated by default"""
    category: Literal["given", "auto"] = "given"
    """given: the list's categories; auto: the network's guess decides"""
    epoch: int | None = None
    """take the model of this epoch instead of the one with the lowest NE"""
    batch_size: int = 16
    """photos in a batch"""
    strict: bool = False
    """stop at the first photo that cannot be read"""
    gpu_id: str | None = None
    """GPUs to use, such as 0 or 0,1; all by default"""


def main(arguments: Sequence[str] | None = None) -> None:
    run_command("aifashion test", Arguments, arguments, predict_test_set)


def predict_test_set(args: Arguments) -> None:
    choose_device(args.gpu_id)
    model = load_keypoint_model(args.model, args.epoch, args.augment, args.decoder)
    test_set = load_test_set(args.data, model.vocabulary)
    samples = test_set.samples
    outside = sorted({s.category for s in samples if s.category} - set(model.vocabulary.categories))
    if outside and args.category == "given":
        raise ValueError(
            f"{model.run} was trained for {', '.join(model.vocabulary.categories)}, but {args.data} also lists "
            f"{', '.join(outside)}: use a run of --category all, or of a vocabulary that has them"
        )
    given = samples if args.category == "given" else [replace(sample, category=None) for sample in samples]
    predictions, unreadable = [], []
    for sample, result in zip(samples, progress_bar(model.predict(given, args.batch_size), len(given)), strict=True):
        if result.prediction is None:
            if args.strict:
                raise ValueError(f"{result.error}; without --strict it would be reported at the end")
            unreadable.append(result)
        predictions.append(result.prediction or no_keypoints(sample, model.config))
    args.out.mkdir(parents=True, exist_ok=True)
    path = write_keypoint_submission(args.out, test_set, predictions, given, model.config)
    for result in unreadable:
        warn(f"no keypoints, all -1: {result.error}")
    tell(f"Wrote {len(predictions)} rows to {path}, {len(unreadable)} of them without keypoints")


if __name__ == "__main__":
    main()
