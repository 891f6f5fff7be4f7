"""Predicts a test set and writes the submission: `aifashion test --model RUN --augment`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from aifashion.data_gen.keypoint_sets import load_test_set
from aifashion.eval.listed_garments import ListedGarments
from aifashion.files import locked, sweep
from aifashion.heatmaps import Decoder
from aifashion.recognition.box_sources import check_source, named_source
from aifashion.recognition.keypoint_model import load_keypoint_model
from aifashion.tasks.keypoints import no_keypoints, write_keypoint_submission
from aifashion.top.arguments import CHECKOUT, choose_device, make_folder, one_line, run_command, tell, warn
from aifashion.top.progress import progress_bar


@dataclass(frozen=True)
class Arguments:
    """Predict the keypoints of a test set and write the submission.

    It is submission.csv, for a COCO file submission.json with COCO results, for other formats one that is a COCO set.
    """

    model: Path | None = None
    """the keypoint network: shipped (the one that comes with the package; the default), a run folder, a folder of runs
    (its latest finished run is used, never a --debug run), or an artifact"""
    out: Path = CHECKOUT / "submission"
    """folder for the submission"""
    data: Path = CHECKOUT / "data"
    """the test list (a CSV with image_id and image_category, a COCO file, or another format of docs/formats.md), or a
    folder that holds test.csv or test.json"""
    augment: bool = False
    """test-time augmentation: average ten passes, the photo and its rotations by -20, -10, 10 and 20 degrees, each also
    mirrored"""
    scales: tuple[float, ...] = ()
    """average the photo enlarged (above 1) or reduced by these scales as well, each also mirrored, such as 0.8 1.25"""
    decoder: Decoder | None = None
    """how a point is computed from a heatmap (see docs/training.md); by default as in the training"""
    category: Literal["given", "auto"] = "given"
    """given: take the categories from the test list; auto: let the network choose them"""
    boxes: Path | None = None
    """a file with boxes of garments. In each photo, the network sees the likeliest box of the listed category; where
    there is none, the whole photo. If several garments of one category are listed, each has a box of its own
    (docs/recognition.md). COCO results have the numbers of the test set, if that is a COCO file"""
    detector: Path | None = None
    """a network that finds such boxes: shipped (the one that comes with the package), a run folder, a folder of runs,
    or an artifact; none: no detector (the default)"""
    epoch: int | None = None
    """use the model of this epoch; by default the best one (lowest NE)"""
    batch_size: int = 16
    """how many photos the network processes at once"""
    strict: bool = False
    """stop at the first photo that cannot be read; by default such photos are only reported"""
    gpu_id: str | None = None
    """number of the GPU to use, such as 0; -1 for none; by default the first. Artifacts always run on the processor"""


def main(arguments: Sequence[str] | None = None) -> None:
    run_command("aifashion test", Arguments, arguments, predict_test_set)


def predict_test_set(args: Arguments) -> None:
    check_source(args.boxes, args.detector, None)
    choose_device(args.gpu_id)
    model = load_keypoint_model(args.model, args.epoch, args.augment, args.decoder, scales=args.scales)
    test_set = load_test_set(args.data, model.vocabulary)
    samples = test_set.samples
    outside = sorted({s.category for s in samples if s.category} - set(model.vocabulary.categories))
    if outside and args.category == "given":
        raise ValueError(
            f"{model.run} was trained for {', '.join(model.vocabulary.categories)}, but {args.data} also lists "
            f"{', '.join(outside)}: use a run of --category all, or of a vocabulary that has them"
        )
    given = samples if args.category == "given" else [replace(sample, category=None) for sample in samples]
    photos = [sample.image_id for sample in samples]
    coco = None if test_set.coco is None else test_set.coco.path
    named = named_source(photos, model.vocabulary, args.boxes, args.detector, None, args.batch_size, coco)
    boxes = replace(named.source, listed=ListedGarments(given)) if named else None
    make_folder("--out", args.out)
    with locked(args.out):
        sweep(args.out, "submission.csv", "submission.json")
        predictions, unreadable, whole = [], [], 0
        results = progress_bar(model.predict(given, args.batch_size, boxes=boxes), len(given))
        for sample, result in zip(samples, results, strict=True):
            if result.prediction is None:
                if args.strict:
                    raise ValueError(f"{result.error}; without --strict it would be reported at the end")
                unreadable.append(result)
            whole += result.place is not None and result.place.box is None
            predictions.append(result.prediction or no_keypoints(sample, model.config))
        for result in unreadable:
            warn(f"no keypoints, all -1: {one_line(result.error or '')}")
        if len(unreadable) == len(samples):
            raise ValueError(f"none of the {len(samples)} photos could be read; no submission is written to {args.out}")
        path = write_keypoint_submission(args.out, test_set, predictions, given, model.config)
    if whole:
        warn(f"for {whole} rows no box of such a garment was found; the network saw the whole photo")
    tell(f"Wrote {len(predictions)} rows to {path}, {len(unreadable)} of them without keypoints")


if __name__ == "__main__":
    main()
