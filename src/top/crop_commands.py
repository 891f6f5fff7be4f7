"""`aifashion data crop`: cuts the garment out of every photo of an attribute set, once, so that training need not."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image

from aifashion.data_gen.formats.fashionai_attributes import attribute_root, find_attribute_sets, scan_attribute_rows
from aifashion.data_gen.images import read_image, resolve_image
from aifashion.eval.crops import cut, frame_garment
from aifashion.eval.inference import PhotoResult
from aifashion.files import atomic_path, write_atomic
from aifashion.records import Sample
from aifashion.top.arguments import choose_device, read_arguments, run_command, tell, warn
from aifashion.top.attribute_data import CROPS_FILE
from aifashion.top.keypoint_model import KeypointModel, load_keypoint_model
from aifashion.top.test import progress_bar


@dataclass(frozen=True)
class CropArguments:
    """Write the same attribute set with every photo cropped to its garment."""

    data: Path
    """folder with the attribute sets"""
    out: Path
    """folder to write; new, empty, or of an earlier run of the same command, which then goes on"""
    crop: Literal["keypoints", "heatmap"] = "heatmap"
    """the box of the predicted keypoints, or the region of the heatmaps"""
    modelpath: Path | None = None
    """run folder of the keypoint network, or a folder of runs to take the latest of; trained_models/all by default"""
    margin: float = 0.05
    """added on each side, as a fraction of the square's side"""
    batch_size: int = 16
    """photos in a batch"""
    gpu_id: str | None = None
    """GPUs to use, such as 0 or 0,1; all by default"""


def crop(arguments: Sequence[str] | None = None) -> None:
    run_command(lambda: crop_photos(read_arguments(CropArguments, "aifashion data crop", arguments)))


def crop_photos(args: CropArguments) -> None:
    if args.out.resolve().is_relative_to(args.data.resolve()):
        raise ValueError(f"{args.out} lies in {args.data}, which its crops would become part of: choose another --out")
    lists = find_attribute_sets(args.data)
    csvs = [*lists.labels, *lists.questions, *lists.answers]
    photos = _photos(args.data, csvs)
    choose_device(args.gpu_id)
    model = load_keypoint_model(args.modelpath)
    settings = {"crop": args.crop, "margin": args.margin, "model": model.run.name, "category": model.config.category}
    _claim(args.out, settings)
    missing = [relative for relative in photos if not (args.out / relative).exists()]
    samples = [Sample(relative, photos[relative], None) for relative in missing]
    whole = unreadable = 0
    for result in progress_bar(model.predict(samples, args.batch_size), len(samples)):
        if result.error is not None:
            warn(f"left out: {result.error}")
            unreadable += 1
            continue
        whole += _write_crop(args, model, result)
    for csv in csvs:
        target = args.out / csv.relative_to(args.data)
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(target) as beside:
            shutil.copyfile(csv, beside)
    tell(
        f"Wrote {len(missing) - unreadable} crops to {args.out}, {len(photos) - len(missing)} were there already; "
        f"{whole} are whole photos, since no garment was found in them; {unreadable} photos cannot be read"
    )


def _photos(data: Path, csvs: Sequence[Path]) -> dict[str, Path]:
    """Place below `data` -> file, of all photos that the lists name."""
    photos: dict[str, Path] = {}
    for csv in csvs:
        root = attribute_root(csv)
        for row in _rows(csv):
            path = resolve_image(root, row)
            photos[Path(os.path.relpath(path, data)).as_posix()] = path
    return photos


def _rows(csv: Path) -> Iterator[str]:
    rows, problems = scan_attribute_rows(csv, "?")
    if problems:
        raise ValueError(f"{problems[0]}; aifashion data check tells all")
    return (row.path for row in rows)


def _claim(out: Path, settings: dict) -> None:
    """Makes the folder with what its crops are, or finds the same there. Raises FileExistsError for anything else."""
    path = out / CROPS_FILE
    if path.is_file():
        if json.loads(path.read_text(encoding="utf-8")) != settings:
            raise FileExistsError(f"{out} holds other crops ({path.name} differs): choose another --out, or delete it")
        return
    if out.is_dir() and any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty and holds no crops: choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(settings, indent=1) + "\n")


def _write_crop(args: CropArguments, model: KeypointModel, result: PhotoResult) -> bool:
    """Writes one crop; True where it is the whole photo because no garment was found."""
    framed = frame_garment(result, model.words, model.config.codec, args.crop, args.margin)
    target = args.out / result.sample.image_id
    target.parent.mkdir(parents=True, exist_ok=True)
    pixels = cut(read_image(result.sample.path), framed.box)
    with atomic_path(target) as beside:
        Image.fromarray(pixels).save(beside, format="JPEG", quality=95, subsampling=0)
    return framed.fell_back
