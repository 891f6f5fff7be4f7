"""Predicts a test set and writes the submission: `python src/top/test.py --modelpath RUN --augment True`."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from aifashion.data_gen.formats.fashionai import find_keypoint_sets, read_keypoint_csv
from aifashion.eval.submission import write_submission
from aifashion.garments import Vocabulary
from aifashion.heatmaps import Decoder
from aifashion.records import ABSENT, Prediction, Sample
from aifashion.top.arguments import CHECKOUT, choose_device, console, run_command, tell, warn
from aifashion.top.keypoint_model import load_keypoint_model

Result = TypeVar("Result")


@dataclass(frozen=True)
class Arguments:
    """Predict the keypoints of a test set and write submission.csv in the official columns."""

    modelpath: Path | None = None
    """run folder, a folder of runs to take the latest of, an artifact, or shipped; the latest run in trained_models/all
    by default, and without any there the network that comes with the package"""
    outpath: Path = CHECKOUT / "submission"
    """folder for submission.csv"""
    data: Path = CHECKOUT / "data"
    """the test list (a CSV with image_id and image_category), or a folder in the FashionAI layout that holds one"""
    augment: bool = False
    """test-time augmentation: flip, and rotations of -20, -10, 10 and 20 degrees, each also mirrored; ten passes"""
    decoder: Decoder | None = None
    """how heatmaps become points; the run's own by default"""
    category: Literal["given", "auto"] = "given"
    """given: the list's categories; auto: the network's own guess decides"""
    epoch: int | None = None
    """take the model of this epoch instead of the one with the lowest NE"""
    batch_size: int = 16
    """photos in a batch"""
    strict: bool = False
    """stop at the first photo that cannot be read"""
    gpu_id: str | None = None
    """GPUs to use, such as 0 or 0,1; all by default"""


def main(arguments: Sequence[str] | None = None) -> None:
    run_command("test.py", Arguments, arguments, predict_test_set)


def predict_test_set(args: Arguments) -> None:
    samples = _test_samples(args.data)
    choose_device(args.gpu_id)
    model = load_keypoint_model(args.modelpath, args.epoch, args.augment, args.decoder)
    outside = sorted({str(s.category) for s in samples} - set(model.words.categories))
    if outside and args.category == "given":
        raise ValueError(
            f"{model.run} was trained for {', '.join(model.words.categories)}, but {args.data} also lists "
            f"{', '.join(outside)}: use a run of --category all"
        )
    asked = samples if args.category == "given" else [Sample(s.image_id, s.path, None) for s in samples]
    predictions, unreadable = [], []
    results = progress_bar(model.predict(asked, args.batch_size), len(asked))
    for sample, result in zip(samples, results, strict=True):
        if result.prediction is None:
            if args.strict:
                raise ValueError(f"{result.error}; without --strict it would be reported at the end")
            unreadable.append(result)
        predictions.append(result.prediction or _nothing_seen(sample, model.words))
    args.outpath.mkdir(parents=True, exist_ok=True)
    path = args.outpath / "submission.csv"
    given = [Sample(s.image_id, s.path, s.category if args.category == "given" else None) for s in samples]
    write_submission(path, predictions, given, model.words)
    for result in unreadable:
        warn(f"no keypoints, all -1: {result.error}")
    tell(f"Wrote {len(predictions)} rows to {path}, {len(unreadable)} of them without keypoints")


def _test_samples(data: Path) -> list[Sample]:
    samples: dict[str, Sample] = {}
    for csv in _test_lists(data):
        for sample in read_keypoint_csv(csv):
            known = samples.setdefault(sample.image_id, sample)
            if known is not sample:
                raise ValueError(
                    f"{sample.image_id} of {csv} is also in another list below {data}, and a submission has one row "
                    "for it: name one list with --data FILE.csv"
                )
    return list(samples.values())


def _test_lists(data: Path) -> Sequence[Path]:
    if data.is_file():
        return (data,)
    tests = find_keypoint_sets(data).tests
    if not tests:
        raise FileNotFoundError(f"no test.csv below {data}: name the list itself with --data FILE.csv")
    return tests


def _nothing_seen(sample: Sample, words: Vocabulary) -> Prediction:
    """The row of a photo that could not be read: the listed category, if it is one of `words`, no keypoint."""
    count = len(words.keypoints)
    category = sample.category if sample.category in words.categories else words.categories[0]
    absent = np.full(count, ABSENT, np.int8)
    return Prediction(sample.image_id, category, None, np.full((count, 2), -1.0), np.zeros(count), absent)


def progress_bar(results: Iterable[Result], total: int) -> Iterator[Result]:
    """The same results, with a bar that shows how many there were, the rate and the time left."""
    columns = (
        TextColumn("photos"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("photos", total=total, rate="")
        for result in results:
            yield result
            # Of the whole run: results come in batches, and the rate within one says nothing.
            done, seconds = bar.tasks[task].completed + 1, bar.tasks[task].elapsed or 0
            bar.update(task, completed=done, rate=f"{done / seconds:.1f}/s" if seconds else "")


if __name__ == "__main__":
    main()
