"""`aifashion data preannotate`: what the network says of photos, as labels for people to correct."""

import errno
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tyro

from aifashion.data_gen.formats.label_samples import largest_garments, tell_left_out
from aifashion.data_gen.formats.labels import LabelFormat, LabelSet
from aifashion.data_gen.formats.table import FORMATS
from aifashion.eval.picking import pick
from aifashion.files import write_atomic
from aifashion.recognition.box_sources import check_source, named_source
from aifashion.recognition.keypoint_model import load_keypoint_model
from aifashion.recognition.preannotation import (
    Answered,
    answered,
    folder_of,
    labels_of,
    names_below,
    order_text,
)
from aifashion.recognition.two_stage_model import TwoStageModel
from aifashion.records import Sample
from aifashion.top.arguments import choose_device, make_folder, one_line, run_command, tell, warn
from aifashion.top.predict import named_photos
from aifashion.top.progress import progress_bar
from aifashion.top.recognition_arguments import KeypointArguments
from aifashion.vocabulary import Vocabulary

_SHOWN = 50  # photos without an answer that are named


@dataclass(frozen=True, kw_only=True)
class Arguments(KeypointArguments):
    """Label photos with the keypoint network, for people to correct; the least certain photos come first.

    The command also writes NAME_order.csv, beside the labels: how certain the network is of each photo.
    """

    photos: tyro.conf.Positional[Path]
    """a folder of photos, one photo, or a list: a text file (.csv, .tsv, .txt) with a path on each line or in a column
    of it"""
    to: str
    """the format to write: label-studio, cvat, labelme, coco, fashionai, yolo-pose, deepfashion2 or table"""
    out: Path
    """new file or folder to write"""
    budget: int | None = None
    """how many photos to write: uncertain ones that differ from each other are chosen. By default all are written"""
    seed: int = 0
    """seed of the random numbers that choose the photos of a --budget; the same seed chooses the same photos"""
    batch_size: int = 16
    """how many photos the network processes at once"""


def main(arguments: Sequence[str] | None = None) -> None:
    run_command("aifashion data preannotate", Arguments, arguments, preannotate)


def preannotate(args: Arguments) -> None:
    """Exit code 1 where the network finds a garment in no photo; then nothing is written."""
    target = FORMATS.get(args.to)
    if target is None or target.write is None:
        known = ", ".join(entry.name for entry in FORMATS.values() if entry.write is not None)
        raise ValueError(f"--to {args.to}: expected one of {known}")
    for option, value in (("--batch-size", args.batch_size), ("--budget", args.budget)):
        if value is not None and value < 1:
            raise ValueError(f"{option} {value}: expected a number of photos from 1")
    if args.seed < 0:
        raise ValueError(f"--seed {args.seed}: expected a whole number from 0")
    check_source(args.boxes, args.detector, args.garments)
    if not (args.out.is_dir() and not any(args.out.iterdir())):
        _check_new(args.out)
    _check_new(_order_file(args.out))
    make_folder("--out", args.out.absolute().parent)
    listed = named_photos(args.photos)
    folder = args.photos if args.photos.is_dir() else folder_of(listed)
    names, unnamed = names_below(listed, folder)
    choose_device(args.gpu_id)
    model = TwoStageModel(load_keypoint_model(args.model, augment=args.augment, scales=args.scales), None)
    vocabulary = model.keypoints.vocabulary
    if args.category != "auto":
        vocabulary.category_index(args.category)
    _check_target(target, args.out, vocabulary)
    photos = list(_answers(args, model, names)) if names else []
    unread = [photo.error for photo in photos if photo.error is not None] + list(unnamed.values())
    _write(args, target, vocabulary, photos, folder, unread)


def _answers(args: Arguments, model: TwoStageModel, names: Mapping[str, str]) -> Iterator[Answered]:
    photos, vocabulary = list(names), model.keypoints.vocabulary
    named = named_source(photos, vocabulary, args.boxes, args.detector, args.garments, args.batch_size)
    source = named.source if named else None
    expected = len(photos) if source is None else source.expected(len(photos))
    category = None if args.category == "auto" else args.category
    samples = (Sample(photo, Path(photo), category) for photo in photos)
    answers = model.recognise(samples, max(1, min(args.batch_size, expected)), whole_photos=False, boxes=source)
    return progress_bar(answered(answers, names, vocabulary, args.budget is not None), len(photos))


def _order_file(out: Path) -> Path:
    return out.with_name(f"{out.stem}_order.csv")


def _check_new(path: Path) -> None:
    """Raises FileExistsError where there is something."""
    if path.exists() or path.is_symlink():
        reason = "it is there already, and can be somebody's work; move it away, or give another name for --out"
        raise FileExistsError(errno.EEXIST, reason, str(path))


def _check_target(target: LabelFormat, out: Path, vocabulary: Vocabulary) -> None:
    """Writes no photo to a folder that is deleted again, so that what a format cannot hold shows before the network
    works for hours. Raises ValueError as the writer, IsADirectoryError where a file is to be written to a folder,
    FileExistsError where a file would be replaced that the format needs beside the labels."""
    assert target.write is not None
    with TemporaryDirectory() as folder:
        trial = Path(folder) / out.name
        target.write(LabelSet(trial, Path(folder), ()), trial, vocabulary)
        for beside in sorted(Path(folder).iterdir()):  # such as the settings of the labelling tool
            if beside.name != out.name:
                _check_new(out.with_name(beside.name))
        if out.is_dir() and not trial.is_dir():
            raise IsADirectoryError(errno.EISDIR, "this is a folder; expected the name of a file", str(out))


def _write(
    args: Arguments,
    target: LabelFormat,
    vocabulary: Vocabulary,
    photos: Sequence[Answered],
    folder: Path,
    unread: Sequence[str],
) -> None:
    assert target.write is not None
    for reason in unread[:_SHOWN]:
        warn(f"no answer: {one_line(reason)}")
    if len(unread) > _SHOWN:
        warn(f"and {len(unread) - _SHOWN} more without an answer")
    counts = Counter("unread" if photo.error is not None else bool(photo.doubts) for photo in photos)
    if not counts[True] and not counts[False]:
        first = one_line(unread[0])
        raise ValueError(f"none of the {len(unread)} photos could be read; {args.out} is not written. First: {first}")
    if not counts[True]:
        raise ValueError(f"in none of the {counts[False]} photos a garment was found; {args.out} is not written")
    with_garments = [photo for photo in photos if photo.doubts]
    vectors = [np.zeros(0) if photo.vector is None else photo.vector for photo in with_garments]
    chosen = pick(
        np.array([photo.uncertainty for photo in with_garments]),
        np.stack(vectors),
        args.budget,
        np.random.default_rng(args.seed),
    )
    picked = [with_garments[index] for index in chosen]
    labels = labels_of(picked, args.photos, folder)
    labels = largest_garments(labels) if target.one_garment else labels
    tell_left_out(labels)
    target.write(labels, args.out, vocabulary)
    order = _order_file(args.out)
    written = {photo.name for photo in picked}
    write_atomic(order, order_text(picked, [photo for photo in photos if photo.name not in written]))
    if args.budget is not None and args.budget > len(picked):
        warn(f"--budget {args.budget}: garments were found in {len(picked)} photos; all of them are written")
    if counts[False]:
        warn(f"{counts[False]} photos are left out: no garment was found in them; {order} names them")
    tell(f"Wrote {len(picked)} photos with {labels.garment_count} garments to {args.out}, format {target.name}")
    tell(f"Wrote how certain the network is of each photo to {order}; {len(unread)} could not be read")
