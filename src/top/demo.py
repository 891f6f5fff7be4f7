"""`aifashion demo`, or `python src/top/demo.py PHOTO... --category auto`: shows what the networks see in photos."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from PIL import Image

from aifashion.data_gen.formats.challenges import CATEGORIES
from aifashion.eval.drawing import contact_sheet, encoded
from aifashion.eval.two_stage import describe_photo
from aifashion.files import CHECKOUT, locked, regular, sweep, write_atomic
from aifashion.paths import readable_name
from aifashion.recognition.box_sources import NONE, check_source, named_source
from aifashion.recognition.garment import Garment, draw_garments
from aifashion.recognition.measuring import Measuring, new_measuring
from aifashion.recognition.photos import find_photos
from aifashion.recognition.recognizer import Recognizer, load
from aifashion.top.arguments import choose_device, make_folder, one_line, run_command, tell, warn
from aifashion.top.progress import progress_bar
from aifashion.top.recognition_arguments import RecognitionArguments

_SHOWN = 12  # pictures in the window
_BATCH = 16
_STREET_SEED = 290
"""Of a drawn street with three garments."""


@dataclass(frozen=True, kw_only=True)
class Arguments(RecognitionArguments):
    """Draw keypoints, heatmap, region, lengths and attributes on photos; no annotation is needed."""

    photos: tyro.conf.Positional[tuple[Path, ...]] = ()
    """photos or folders of photos; without any, the command draws a few garments, and with --garments or --detector a
    person who wears several"""
    out: Path = CHECKOUT / "submission" / "demo"
    """folder for the pictures, crops/ and results.json"""
    strict: bool = False
    """end with exit code 1 if a photo could not be read; the pictures of the others are drawn all the same"""
    show: bool = True
    """show the pictures in a window, if there is a display"""


def main(arguments: Sequence[str] | None = None) -> None:
    run_command("aifashion demo", Arguments, arguments, demonstrate)


def demonstrate(args: Arguments) -> None:
    check_source(args.boxes, args.detector, args.garments)
    scale = args.scale_options.read()
    photos = find_photos(args.photos)
    choose_device(args.gpu_id)
    recognizer = load(args.model, args.attributes, args.augment, scales=args.scales)
    category = None if args.category == "auto" else args.category
    if category is not None:
        recognizer.vocabulary.category_index(category)
    measuring = new_measuring(recognizer.vocabulary, args.measurements, scale)
    make_folder("--out", args.out)
    with locked(args.out):
        shown, results = _draw_all(args, recognizer, measuring, photos, category)
    failed = sum(facts["error"] is not None for facts in results)
    drawn = len(results) - failed
    tell(f"Wrote {drawn} pictures, their crops and results.json to {args.out}; {failed} photos left out")
    if args.show and _has_display():
        Image.fromarray(contact_sheet(shown, columns=2, cell=800)).show("AiFashion")
    if args.strict and failed:
        raise ValueError(f"{failed} of {len(results)} photos could not be read")


def _draw_all(
    args: Arguments, recognizer: Recognizer, measuring: Measuring, photos: list[Path], category: str | None
) -> tuple[list[np.ndarray], list[dict[str, Any]]]:
    """The first pictures, and what results.json has. Raises ValueError where there is nothing to draw."""
    make_folder("--out", args.out / "crops")
    several = args.garments is not None or (args.detector is not None and str(args.detector) != NONE)
    photos = photos or _synthetic_photos(args.out / "photos", several)
    names = _unique_names(photos)
    _check_targets(args.out, names, photos)
    paths = [str(photo) for photo in photos]
    named = named_source(paths, recognizer.vocabulary, args.boxes, args.detector, args.garments, _BATCH)
    if named is not None:
        _check_no_crops(args.out / "crops", photos)
    for folder in (args.out, args.out / "crops"):
        sweep(folder, "results.json", *(f"{name}.jpg" for name in names))
    shown: list[np.ndarray] = []
    drawn, results = 0, []
    if named is None:
        answers = ([garment] for garment in recognizer.stream(photos, category))
    else:
        answers = recognizer.stream_garments(photos, category, named.source.boxes, named.source.garments)
    for name, garments in zip(names, progress_bar(answers, len(photos)), strict=True):
        row, picture = _draw(args.out, name, garments, measuring, several=named is not None)
        if picture is not None:
            row["model"] = recognizer.model.name
            drawn += 1
            shown += [picture] if len(shown) < _SHOWN else []
        results.append(row)
    if not drawn:
        raise ValueError(f"none of the {len(photos)} photos could be read; {args.out} is as it was")
    write_atomic(regular(args.out / "results.json"), json.dumps(results, indent=1) + "\n")
    return shown, results


def _draw(
    out: Path, name: str, garments: Sequence[Garment], measuring: Measuring, several: bool
) -> tuple[dict[str, Any], np.ndarray | None]:
    """Writes the picture NAME.jpg and the crops of one photo; what results.json has of it, and the picture, None where
    the photo could not be read.

    several: whether its garments were looked for, and each has a crop of its own.
    """
    scale = measuring.scale_of(garments[0].recognition)
    measured = measuring.measured([garment.recognition.result.prediction for garment in garments], scale)
    lengths = measuring.described(measured)
    rows = [garment.to_dict() | more for garment, more in zip(garments, lengths, strict=True)]
    row = describe_photo(rows) if several else rows[0]
    if row["error"] is not None:
        warn(f"left out: {one_line(row['error'])}")
        return row, None
    picture = draw_garments(garments, measured, measuring.known)
    failed = next((one.scale_error for one in measured if one.scale_error is not None), None)
    if failed is not None:
        warn(one_line(f"{garments[0].name}: no lengths in cm: {failed}"))
    crops = [f"crops/{name}.jpg"]
    if several:
        make_folder("--out", out / "crops" / name)
        crops = [f"crops/{name}/{garment.garment_id}.jpg" for garment in garments]
        _remove_crops_from(out / "crops" / name, len(garments))
    write_atomic(regular(out / f"{name}.jpg"), encoded(picture, quality=92))
    for file, garment in zip(crops, garments, strict=True):
        write_atomic(regular(out / file), encoded(garment.crop, quality=92))
        tell(one_line(f"{garment.name}: {garment}"))
    row["picture"] = f"{name}.jpg"
    for file, of in zip(crops, row["garments"] if several else [row], strict=True):
        of["crop"] = file
    return row, picture


def _synthetic_photos(folder: Path, several: bool) -> list[Path]:
    """One synthetic photo a category, and if asked for one with several garments, drawn anew; their names say that they
    are synthetic."""
    from aifashion.data_gen.synthetic.compose import render_scene  # slow to load, and of use only here
    from aifashion.data_gen.synthetic.scene import render

    folder.mkdir(parents=True, exist_ok=True)
    drawn = {
        category: render(np.random.default_rng([2026, number]), 512, category).image
        for number, category in enumerate(CATEGORIES)
    }
    if several:
        drawn["street"] = render_scene(np.random.default_rng(_STREET_SEED), 768, "street").image
    paths = [folder / f"synthetic_{name}.jpg" for name in drawn]
    for path, image in zip(paths, drawn.values(), strict=True):
        write_atomic(path, encoded(image, quality=92))
    return paths


def _unique_names(paths: Sequence[Path]) -> list[str]:
    """File stems, numbered where two photos of different folders share one; so do names that differ in capitals only,
    which are one on some disks."""
    names: list[str] = []
    taken: set[str] = set()
    for path in paths:
        stem = readable_name(path.stem)
        name, number = stem, 2
        while name.casefold() in taken:
            name, number = f"{stem}_{number}", number + 1
        taken.add(name.casefold())
        names.append(name)
    return names


def _check_targets(out: Path, names: Sequence[str], photos: Sequence[Path]) -> None:
    """Raises ValueError where a picture would replace one of the photos."""
    sources = {_identity(path) for path in photos} - {None}
    for folder in (out, out / "crops"):
        for name in names:
            if _identity(folder / f"{name}.jpg") in sources:
                raise ValueError(f"the picture {folder / name}.jpg would replace a photo: choose another --out")


def _remove_crops_from(folder: Path, number: int) -> None:
    """Removes the crops of an earlier run that had more garments."""
    for path in folder.glob("*.jpg"):
        if path.stem.isdecimal() and int(path.stem) >= number:
            path.unlink()


def _check_no_crops(folder: Path, photos: Sequence[Path]) -> None:
    """Raises ValueError where a crop could replace one of the photos."""
    for photo in photos:
        if Path(os.path.realpath(folder)) in Path(os.path.realpath(photo)).parents:
            raise ValueError(f"{photo} lies in {folder}, where crops are written: choose another --out")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        state = path.stat()
    except (OSError, ValueError):
        return None
    return state.st_dev, state.st_ino


def _has_display() -> bool:
    if sys.platform in ("win32", "darwin"):
        return sys.stdout.isatty()
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


if __name__ == "__main__":
    main()
