"""`aifashion predict`: keypoints, crop, attributes and lengths of the garments in photos, as a table."""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from aifashion.eval.measuring import PhotoScale
from aifashion.eval.two_stage import Recognition, describe, describe_photo
from aifashion.files import atomic_path, is_stream, locked, sweep
from aifashion.recognition.box_sources import NamedSource, check_source, named_source
from aifashion.recognition.columns import columns
from aifashion.recognition.measuring import Measuring, ScaleOptions, new_measuring
from aifashion.recognition.partial_table import PartialTable, Stamp, stamp
from aifashion.recognition.photo_lists import LIST_SUFFIXES, read_photo_list
from aifashion.recognition.photos import SUFFIXES as SUFFIXES_OF_PHOTOS
from aifashion.recognition.photos import photos_in
from aifashion.recognition.tables import table_writer
from aifashion.recognition.two_stage_model import TwoStageModel, load_two_stage_model
from aifashion.records import Prediction, Sample
from aifashion.top.arguments import check_no_input, choose_device, one_line, run_command, tell, warn
from aifashion.top.progress import progress_bar
from aifashion.top.recognition_arguments import RecognitionArguments

_SHOWN = 50  # photos without an answer that are named


@dataclass(frozen=True, kw_only=True)
class Arguments(RecognitionArguments):
    """Write category, keypoints, crop, attributes and lengths of photos to a table.

    If the command is interrupted, run it again: it continues with the photos that are left.
    """

    photos: tyro.conf.Positional[Path]
    """a folder of photos, one photo, or a list: a text file (.csv, .tsv, .txt) with a path on each line or in a column
    of it"""
    out: Path
    """the table to write: .csv, .json or .parquet"""
    batch_size: int = 16
    """how many photos the network processes at once"""
    strict: bool = False
    """end with exit code 1 if a photo could not be read; the table is written all the same"""


def main(arguments: Sequence[str] | None = None) -> None:
    run_command("aifashion predict", Arguments, arguments, predict)


def predict(args: Arguments) -> None:
    try:
        table_writer(args.out)
    except ValueError as error:
        raise ValueError(f"--out {error}") from None
    if args.batch_size < 1:
        raise ValueError(f"--batch-size {args.batch_size}: expected a number of photos from 1")
    check_source(args.boxes, args.detector, args.garments)
    options = args.scale_options
    scale = options.read()
    check_no_input("--out", args.out, args.photos)
    photos = named_photos(args.photos)
    choose_device(args.gpu_id)
    model = load_two_stage_model(args.model, args.attributes, args.augment, args.scales)
    category = None if args.category == "auto" else args.category
    if category is not None:
        model.keypoints.vocabulary.category_index(category)
    measuring = new_measuring(model.keypoints.vocabulary, args.measurements, scale)
    named = named_source(photos, model.keypoints.vocabulary, args.boxes, args.detector, args.garments, args.batch_size)
    partial = args.out.with_name(args.out.name + ".partial")
    if is_stream(args.out):  # the rows so far lie beside a pipe all the same
        behind = partial
    else:
        target = Path(os.path.realpath(args.out))
        behind = target.with_name(target.name + ".partial")
    with locked(behind):
        if not is_stream(args.out):
            sweep(behind.parent, args.out.name, behind.name.removesuffix(".partial"))
        _predict(args, photos, model, _Asked(category, named, measuring, options), partial)


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """What is asked of the photos: their category, the boxes of their garments, and what is measured."""

    category: str | None
    named: NamedSource | None
    measuring: Measuring
    options: ScaleOptions


def _predict(args: Arguments, photos: list[str], model: TwoStageModel, asking: _Asked, partial: Path) -> None:
    category, named, measuring = asking.category, asking.named, asking.measuring
    if is_stream(partial):
        raise ValueError(f"{partial} is no file: the results are kept in one of this name until all photos are done")
    settings = {"layout": 3, "model": model.name, "networks": model.digests, "category": args.category}
    settings |= {"augment": args.augment, "scales": list(args.scales)}
    settings |= {"measurements": measuring.known.digest, "scale": asking.options.origin}
    if named is not None:
        settings |= {"garments": str(named.source.garments), "boxes": named.origin}
    of = columns(model.keypoints.vocabulary, model.heads, measuring.known, measuring.scale is not None)
    source = named.source if named else None
    failed = left_out = 0
    with PartialTable(partial, photos, settings) as table:
        left = len(photos) - table.done
        if table.done:
            tell(f"{table.done} of {len(photos)} photos were done before, going on")
        batch_size = max(1, min(args.batch_size, left if source is None else source.expected(left)))
        asked: deque[tuple[int, Stamp]] = deque()

        def samples() -> Iterator[Sample]:
            for index in table.left():
                asked.append((index, stamp(photos[index])))
                yield Sample(photos[index], Path(photos[index]), category)

        # Without drawing or looking for a marker, reduced photos do, which take a fraction of the time to decode.
        answers = model.recognise(samples(), batch_size, whole_photos=measuring.needs_photo, boxes=source)
        for row, unusable in progress_bar(_rows(answers, model, measuring, source is not None), left):
            failed += row["error"] is not None
            left_out += unusable
            index, seen = asked.popleft()
            table.add(index, row, seen)
        told = _Told()
        if failed < len(photos):
            with atomic_path(args.out) as beside:
                table_writer(args.out)(beside, told.of(table.rows(), failed), of)
        else:
            reason = one_line(next(table.rows())["error"])
    others = table.finish()
    if others:
        tell(
            f"{partial} keeps {others} finished rows of photos that are not in this table, for a call that asks for "
            "them; it can be deleted"
        )
    if failed == len(photos):
        raise ValueError(f"none of the {len(photos)} photos could be read; {args.out} is not written. First: {reason}")
    if left_out:
        warn(f"{left_out} boxes are left out: they lie outside their photos, or cannot be used")
    if told.whole:
        warn(f"in {told.whole} photos no garment was found; their rows, without a box, are of the whole photo")
    if told.without_cm:
        warn(
            f"{told.without_cm} of {told.rows} rows have no lengths in cm; the column scale_error says why. First: "
            f"{one_line(told.reason)}"
        )
    tell(f"Wrote {told.rows} rows to {args.out}, {failed} of them of photos that cannot be read")
    if args.strict and failed:
        raise ValueError(f"{failed} of {len(photos)} photos could not be read")


def _rows(
    answers: Iterator[Recognition], model: TwoStageModel, measuring: Measuring, several: bool
) -> Iterator[tuple[dict[str, Any], int]]:
    """What is written of each photo, and how many of its boxes could not be used.

    Every garment is described as soon as it is answered: its heatmaps take a hundred times the memory of its row. All
    of a photo are measured together: they share its scale.
    """
    garments: list[dict[str, Any]] = []
    predictions: list[Prediction | None] = []
    scale: PhotoScale = None
    for answer in answers:
        if not garments:
            scale = measuring.scale_of(answer)
        garments.append(describe(answer, model.keypoints.vocabulary, model.heads))
        predictions.append(answer.result.prediction)
        if answer.result.is_last:
            place = answer.result.place
            measured = measuring.described(measuring.measured(predictions, scale))
            garments = [facts | lengths for facts, lengths in zip(garments, measured, strict=True)]
            yield describe_photo(garments) if several else garments[0], place.left_out if place else 0
            garments, predictions = [], []


@dataclass
class _Told:
    """Counts what goes into a table: its rows, the photos in which no garment was found, and the rows without cm though
    a scale was asked for, with the first reason."""

    rows: int = 0
    whole: int = 0
    without_cm: int = 0
    reason: str = ""

    def of(self, photos: Iterator[dict[str, Any]], failed: int) -> Iterator[dict[str, Any]]:
        """The photos; the first ones without an answer are named on the way."""
        told = 0
        for photo in photos:
            garments = photo.get("garments", [])
            self.rows += max(1, len(garments))
            self.whole += bool(garments) and garments[0]["box"] is None
            for error in filter(None, ((one.get("scale") or {}).get("error") for one in garments or [photo])):
                self.without_cm += 1
                self.reason = self.reason or f"{photo['photo']}: {error}"
            if photo["error"]:
                told += 1
                if told <= _SHOWN:
                    warn(f"no answer: {one_line(photo['error'])}")
            yield photo
        if failed > _SHOWN:
            warn(f"and {failed - _SHOWN} more; the column error of the table has all")


def named_photos(path: Path) -> list[str]:
    """The photos of a folder or list, or the one photo. Raises FileNotFoundError or ValueError for anything else."""
    if path.is_dir():
        return photos_in(path)
    if not path.exists():
        raise FileNotFoundError(f"no folder, no photo and no list at {path}")
    if is_stream(path):
        raise ValueError(f"{path} is a device or a pipe; expected a folder of photos, a photo or a list")
    if path.suffix.lower() in LIST_SUFFIXES:
        return read_photo_list(path)
    if path.suffix.lower() not in SUFFIXES_OF_PHOTOS:
        raise ValueError(
            f"{path} is no folder, no photo and no list: a list of photos is a text file that ends in "
            f"{', '.join(LIST_SUFFIXES)}"
        )
    return [str(path)]
