"""`aifashion predict`: keypoints, crop and attributes of every photo of a folder or list, as a table."""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from aifashion.eval.two_stage import describe
from aifashion.files import atomic_path, is_stream, locked, sweep
from aifashion.recognition.columns import columns
from aifashion.recognition.partial_table import PartialTable, Stamp, stamp
from aifashion.recognition.photo_lists import LIST_SUFFIXES, read_photo_list
from aifashion.recognition.photos import SUFFIXES as SUFFIXES_OF_PHOTOS
from aifashion.recognition.photos import photos_in
from aifashion.recognition.tables import table_writer
from aifashion.recognition.two_stage_model import TwoStageModel, load_two_stage_model
from aifashion.records import Sample
from aifashion.top.arguments import check_no_input, choose_device, one_line, run_command, tell, warn
from aifashion.top.progress import progress_bar

_SHOWN = 50  # photos without an answer that are named


@dataclass(frozen=True)
class Arguments:
    """Write category, keypoints, crop and attributes of photos to a table.

    If the command is interrupted, run it again: it continues with the photos that are left.
    """

    photos: tyro.conf.Positional[Path]
    """a folder of photos, one photo, or a list: a text file (.csv, .tsv, .txt) with a path on each line or in a column
    of it"""
    out: Path
    """the table to write: .csv, .json or .parquet"""
    model: Path | None = None
    """the keypoint network: shipped (the one that comes with the package; the default), a run folder, a folder of runs
    (its latest finished run is used, never a --debug run), or an artifact"""
    attributes: Path | None = None
    """the classifier, given in the same way; by default shipped if the keypoint network is shipped, else none: then
    there are no attributes"""
    category: str = "auto"
    """the category of all photos; with auto, the network chooses it for each photo"""
    batch_size: int = 16
    """how many photos the network processes at once"""
    strict: bool = False
    """end with exit code 1 if a photo could not be read; the table is written all the same"""
    gpu_id: str | None = None
    """number of the GPU to use, such as 0; -1 for none; by default the first. Artifacts always run on the processor"""


def main(arguments: Sequence[str] | None = None) -> None:
    run_command("aifashion predict", Arguments, arguments, predict)


def predict(args: Arguments) -> None:
    try:
        table_writer(args.out)
    except ValueError as error:
        raise ValueError(f"--out {error}") from None
    if args.batch_size < 1:
        raise ValueError(f"--batch-size {args.batch_size}: expected a number of photos from 1")
    check_no_input("--out", args.out, args.photos)
    photos = named_photos(args.photos)
    choose_device(args.gpu_id)
    model = load_two_stage_model(args.model, args.attributes)
    category = None if args.category == "auto" else args.category
    if category is not None:
        model.keypoints.vocabulary.category_index(category)
    partial = args.out.with_name(args.out.name + ".partial")
    if is_stream(args.out):  # the rows so far lie beside a pipe all the same
        behind = partial
    else:
        target = Path(os.path.realpath(args.out))
        behind = target.with_name(target.name + ".partial")
    with locked(behind):
        if not is_stream(args.out):
            sweep(behind.parent, args.out.name, behind.name.removesuffix(".partial"))
        _predict(args, photos, model, category, partial)


def _predict(args: Arguments, photos: list[str], model: TwoStageModel, category: str | None, partial: Path) -> None:
    if is_stream(partial):
        raise ValueError(f"{partial} is no file: the results are kept in one of this name until all photos are done")
    settings = {"layout": 2, "model": model.name, "networks": model.digests, "category": args.category}
    of = columns(model.keypoints.vocabulary, model.heads)
    failed = 0
    with PartialTable(partial, photos, settings) as table:
        left = len(photos) - table.done
        if table.done:
            tell(f"{table.done} of {len(photos)} photos were done before, going on")
        batch_size = max(1, min(args.batch_size, left))
        asked: deque[tuple[int, Stamp]] = deque()

        def samples() -> Iterator[Sample]:
            for index in table.left():
                asked.append((index, stamp(photos[index])))
                yield Sample(photos[index], Path(photos[index]), category)

        # Without drawing anything, reduced photos do, which take a fraction of the time to decode.
        for recognition in progress_bar(model.recognise(samples(), batch_size, whole_photos=False), left):
            facts = describe(recognition, model.keypoints.vocabulary, model.heads)
            failed += facts["error"] is not None
            index, seen = asked.popleft()
            table.add(index, facts, seen)
        if failed < len(photos):
            with atomic_path(args.out) as beside:
                table_writer(args.out)(beside, _telling_failures(table.rows(), failed), of)
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
    tell(f"Wrote {len(photos)} rows to {args.out}, {failed} of them of photos that cannot be read")
    if args.strict and failed:
        raise ValueError(f"{failed} of {len(photos)} photos could not be read")


def _telling_failures(rows: Iterator[dict[str, Any]], failed: int) -> Iterator[dict[str, Any]]:
    """The rows; the first photos without an answer are named on the way."""
    told = 0
    for row in rows:
        if row["error"]:
            told += 1
            if told <= _SHOWN:
                warn(f"no answer: {one_line(row['error'])}")
        yield row
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
