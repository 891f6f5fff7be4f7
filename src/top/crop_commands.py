"""`aifashion data crop`: cuts the garment out of every photo of an attribute set, once, so that training need not."""

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from aifashion.data_gen.formats.fashionai_attributes import attribute_root, find_attribute_sets, scan_attribute_rows
from aifashion.data_gen.formats.folders import CROPS_FILE
from aifashion.data_gen.images import ImageError, read_image, resolve_image
from aifashion.eval.activation import frame_by_activation
from aifashion.eval.crops import Framed, cut, frame_garment
from aifashion.eval.drawing import encoded
from aifashion.eval.reading import read_ahead, work_behind
from aifashion.files import claim_folder, locked, read_regular, regular, sweep, write_atomic
from aifashion.recognition.attribute_model import load_attribute_model
from aifashion.recognition.crop_record import CropRecord
from aifashion.recognition.keypoint_model import load_keypoint_model
from aifashion.recognition.network_digest import network_digest
from aifashion.recognition.partial_table import stamp
from aifashion.records import CropRule, Sample
from aifashion.tasks.attribute_data import read_crop_rule
from aifashion.top.arguments import choose_device, make_folder, one_line, run_command, tell, warn
from aifashion.top.progress import progress_bar


@dataclass(frozen=True)
class CropArguments:
    """Copy an attribute data set, with every photo cropped to its garment."""

    data: Path
    """folder with the FashionAI attribute sets"""
    out: Path
    """folder to write: new, empty, or from an earlier call of the same command, which then continues: only crops that
    are missing or damaged, or whose photos were changed since, are made"""
    crop: Literal["keypoints", "heatmap", "cam"] = "heatmap"
    """where to crop: the box of the predicted keypoints, the region of the heatmaps, or (cam) the region of a
    classifier's activation maps"""
    model: Path | None = None
    """the network that finds the crop, a keypoint network: shipped (the one that comes with the package; the
    default), a run folder, a folder of runs (its latest finished run is used, never a --debug run), or an artifact. For
    cam it is a classifier, which must be named: a run or an artifact with activation maps"""
    margin: float = 0.05
    """space added on each side of the crop, as a fraction of its side"""
    threshold: float = 0.2
    """a heatmap cell belongs to the region if its value is at least this fraction of the largest value"""
    batch_size: int = 16
    """how many photos the network processes at once"""
    strict: bool = False
    """end with exit code 1 if a photo could not be read; the crops of the others are written all the same"""
    gpu_id: str | None = None
    """number of the GPU to use, such as 0; -1 for none; by default the first. Artifacts always run on the processor"""


def crop(arguments: Sequence[str] | None = None) -> None:
    run_command("aifashion data crop", CropArguments, arguments, crop_photos)


def crop_photos(args: CropArguments) -> None:
    rule = CropRule(args.crop, args.margin, args.threshold)
    if args.batch_size < 1:
        raise ValueError(f"--batch-size {args.batch_size}: expected at least 1")
    if args.out.resolve().is_relative_to(args.data.resolve()):
        raise ValueError(
            f"{args.out} lies in {args.data}: crops lie apart from what they are cut from; choose another --out"
        )
    lists = find_attribute_sets(args.data)
    # Answers are to the questions, and can lie elsewhere than the photos that they name.
    photos = _photos(args.data, [*lists.labels, *lists.questions])
    if not photos:
        raise ValueError(f"{args.data} has neither labels nor questions: no photos to crop")
    choose_device(args.gpu_id)
    crops, settings = _by_activation(args, rule, photos) if args.crop == "cam" else _by_keypoints(args, rule)
    make_folder("--out", args.out)
    # Before the lock, which leaves a file behind, and once more: another process can have been between.
    claim_folder(args.out, CROPS_FILE, settings, lambda found: _upgraded(found, settings))
    with locked(args.out):
        claim_folder(args.out, CROPS_FILE, settings, lambda found: _upgraded(found, settings))
        failed = _write_crops(args, crops, photos, (*lists.labels, *lists.questions, *lists.answers))
    if args.strict and failed:
        raise ValueError(f"{failed} of {len(photos)} photos could not be read")


def _write_crops(args: CropArguments, crops: "Cropper", photos: dict[str, "_Photo"], lists: Sequence[Path]) -> int:
    """Writes the lists, and the crops that are missing, damaged, or of photos that were changed since.

    Returns the number of photos that could not be read.
    """
    for folder in {(args.out / name).parent for name in photos} | {
        (args.out / csv.relative_to(args.data)).parent for csv in lists
    }:
        sweep(folder)

    def write(found: Found) -> tuple[str, bytes, bool, str | None]:
        sample, photo, framed, error = found
        if photo is None or framed is None:
            return sample.image_id, b"", False, error
        target = args.out / sample.image_id
        target.parent.mkdir(parents=True, exist_ok=True)
        data = encoded(cut(photo, framed.box), quality=95, subsampling=0)
        write_atomic(regular(target), data)
        return sample.image_id, data, framed.fell_back, None

    whole, unreadable = 0, []
    with CropRecord(args.out) as record:
        # Before they are read: of a photo that is replaced meanwhile, the crop is made again by the next call.
        stamps = {name: stamp(str(photo.path)) for name, photo in photos.items()}
        missing = [Sample(name, of.path, None) for name, of in photos.items() if not record.holds(name, of.path)]
        changed = sum((args.out / sample.image_id).exists() for sample in missing)
        if changed:
            tell(f"{changed} crops are made again: they are damaged, or their photos were changed since")
        for name, data, fell_back, error in progress_bar(work_behind(crops(missing), write), len(missing)):
            if error is not None:
                warn(f"left out: {one_line(error)}")
                unreadable.append(name)
            else:
                record.add(name, stamps[name], data)
            whole += fell_back
    if len(unreadable) == len(photos):
        raise ValueError(f"none of the {len(photos)} photos could be read; no list is written to {args.out}")
    for name in unreadable:
        if (args.out / name).exists():
            warn(
                f"{args.out / name} is deleted: it is damaged, or of another photo than the one that cannot be read now"
            )
            (args.out / name).unlink()
    gone = [photo.path for name, photo in photos.items() if not stamps[name] and name not in unreadable]
    if gone:
        warn(f"{len(gone)} photos are gone, such as {gone[0]}: the crops that were cut from them stay")
    # The answers last: they are the sign that everything else is there.
    for csv in lists:
        target = args.out / csv.relative_to(args.data)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(regular(target), read_regular(csv))
    tell(
        f"Wrote {len(missing) - len(unreadable)} crops to {args.out}, {len(photos) - len(missing)} were there already; "
        f"{whole} are whole photos, since no garment was found in them; {len(unreadable)} photos cannot be read"
    )
    return len(unreadable)


@dataclass(frozen=True)
class _Photo:
    """A photo that the lists name, and the tasks it is labelled for."""

    path: Path
    tasks: list[str]


def _photos(data: Path, csvs: Sequence[Path]) -> dict[str, _Photo]:
    """Path below `data` -> photo, of all photos that the lists name. Raises ValueError where one lies elsewhere."""
    photos: dict[str, _Photo] = {}
    for csv in csvs:
        root = attribute_root(csv)
        rows, problems = scan_attribute_rows(csv, "?")
        if problems:
            raise ValueError(f"{problems[0]}; `aifashion data check` lists all problems")
        for row in rows:
            path = resolve_image(root, row.path)
            name = Path(os.path.relpath(path, data)).as_posix()
            if name.startswith("../"):
                raise ValueError(
                    f"the photos that {csv} names lie outside {data}: name the folder above, --data {root}"
                )
            photo = photos.setdefault(name, _Photo(path, []))
            if row.task not in photo.tasks:
                photo.tasks.append(row.task)
    return photos


Found = tuple[Sample, np.ndarray | None, Framed | None, str | None]
"""Sample, photo (H, W, 3) uint8 and its box; or, of a photo that cannot be read, neither of them but the reason."""


Cropper = Callable[[list[Sample]], Iterator[Found]]


def _by_keypoints(args: CropArguments, rule: CropRule) -> tuple[Cropper, dict]:
    model = load_keypoint_model(args.model)

    def crops(samples: list[Sample]) -> Iterator[Found]:
        for result in model.predict(samples, args.batch_size, keep_photos=True):
            framed = None
            if result.error is None:
                framed = frame_garment(result, model.vocabulary, model.config.codec, rule)
            yield result.sample, result.photo, framed, result.error

    return crops, _settings(rule, model.run, model.config.category)


def _by_activation(args: CropArguments, rule: CropRule, photos: dict[str, _Photo]) -> tuple[Cropper, dict]:
    model = load_attribute_model(args.model)
    activation = model.activation
    if activation is None:
        raise ValueError(
            f"{model.run} has no activation maps: name a run with --model, or an artifact that was exported with them"
        )
    unknown = {task for photo in photos.values() for task in photo.tasks} - {head.name for head in model.heads}
    if unknown:
        raise ValueError(f"{model.run} was not trained for {', '.join(sorted(unknown))}, so it has no maps of them")

    def load(sample: Sample) -> tuple[Sample, np.ndarray | str]:
        try:
            return sample, read_image(sample.path)
        except ImageError as error:
            return sample, str(error)

    def crops(samples: list[Sample]) -> Iterator[Found]:
        for group in read_ahead(samples, load, args.batch_size):
            readable = [(sample, photo) for sample, photo in group if not isinstance(photo, str)]
            tasks = [photos[sample.image_id].tasks for sample, _ in readable]
            images = [photo for _, photo in readable]
            boxes = frame_by_activation(activation, images, tasks, args.batch_size, rule)
            found = {sample.image_id: box for (sample, _), box in zip(readable, boxes, strict=True)}
            for sample, photo in group:
                bad = isinstance(photo, str)
                yield sample, None if bad else photo, found.get(sample.image_id), photo if bad else None

    return crops, _settings(rule, model.run, model.config.task)


def _upgraded(found: dict, settings: dict) -> dict:
    """What an older `crops.json` means: it had kind and margin apart, no threshold, and at first no network."""
    rule = dataclasses.asdict(read_crop_rule(found))
    return {"network": settings["network"]} | {n: v for n, v in found.items() if n != "margin"} | {"crop": rule}


def _settings(rule: CropRule, run: Path, trained_for: str) -> dict:
    facts = {"crop": dataclasses.asdict(rule), "model": run.name, "category": trained_for}
    return facts | {"network": network_digest(run)}
