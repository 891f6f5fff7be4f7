"""`aifashion demo`, or `python src/top/demo.py PHOTO... --category auto`: shows what the networks see in photos."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from PIL import Image

from aifashion.data_gen.formats.challenges import CATEGORIES
from aifashion.eval.drawing import contact_sheet
from aifashion.files import CHECKOUT, atomic_path, write_atomic
from aifashion.recognition.photos import find_photos
from aifashion.recognition.recognizer import load
from aifashion.top.arguments import choose_device, run_command, tell, warn
from aifashion.top.progress import progress_bar

_SHOWN = 12  # pictures in the window


@dataclass(frozen=True)
class Arguments:
    """Draw keypoints, heatmap, region and attributes on photos; no annotation is needed."""

    photos: tyro.conf.Positional[tuple[Path, ...]] = ()
    """photos or folders of photos; without any, the command draws a few garments"""
    model: Path | None = None
    """the keypoint network: shipped (the one that comes with the package; the default), a run folder, a folder of runs
    (its latest finished run is used, never a --debug run), or an artifact"""
    attributes: Path | None = None
    """the classifier, given in the same way; by default shipped if the keypoint network is shipped, else none: then
    there are no attributes"""
    category: str = "auto"
    """the category of all photos; with auto, the network chooses it for each photo"""
    out: Path = CHECKOUT / "submission" / "demo"
    """folder for the pictures, crops/ and results.json"""
    augment: bool = False
    """test-time augmentation of the keypoints: average ten passes, as aifashion test does"""
    show: bool = True
    """show the pictures in a window, if there is a display"""
    gpu_id: str | None = None
    """number of the GPU to use, such as 0; -1 for none; by default the first. Artifacts always run on the processor"""


def main(arguments: Sequence[str] | None = None) -> None:
    run_command("aifashion demo", Arguments, arguments, demonstrate)


def demonstrate(args: Arguments) -> None:
    photos = find_photos(args.photos)
    choose_device(args.gpu_id)
    recognizer = load(args.model, args.attributes, args.augment)
    category = None if args.category == "auto" else args.category
    if category is not None:
        recognizer.vocabulary.category_index(category)
    photos = photos or _synthetic_photos(args.out / "photos")
    (args.out / "crops").mkdir(parents=True, exist_ok=True)
    shown: list[np.ndarray] = []
    drawn, results = 0, []
    garments = progress_bar(recognizer.stream(photos, category), len(photos))
    for name, garment in zip(_unique_names(photos), garments, strict=True):
        if garment.error is not None:
            warn(f"left out: {garment.error}")
            results.append(garment.to_dict())
            continue
        picture = garment.draw()
        files = {"picture": f"{name}.jpg", "crop": f"crops/{name}.jpg"}
        _save_picture(args.out / files["picture"], picture)
        _save_picture(args.out / files["crop"], garment.crop)
        drawn += 1
        if len(shown) < _SHOWN:
            shown.append(picture)
        results.append(garment.to_dict() | files | {"model": recognizer.model.name})
        tell(f"{garment.name}: {garment}")
    if not drawn:
        raise ValueError("none of the photos could be read")
    write_atomic(args.out / "results.json", json.dumps(results, indent=1) + "\n")
    failed = len(results) - drawn
    tell(f"Wrote {drawn} pictures, their crops and results.json to {args.out}; {failed} photos left out")
    if args.show and _has_display():
        Image.fromarray(contact_sheet(shown, columns=2, cell=800)).show("AiFashion")


def _synthetic_photos(folder: Path) -> list[Path]:
    """One synthetic photo a category, drawn anew; their names say that they are synthetic."""
    from aifashion.data_gen.synthetic.scene import render  # slow to load, and of use only here

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, category in enumerate(CATEGORIES):
        path = folder / f"synthetic_{category}.jpg"
        _save_picture(path, render(np.random.default_rng([2026, number]), 512, category).image)
        paths.append(path)
    return paths


def _unique_names(paths: Sequence[Path]) -> list[str]:
    """File stems, numbered where two photos of different folders share one."""
    names: list[str] = []
    for path in paths:
        name, number = path.stem, 2
        while name in names:
            name, number = f"{path.stem}_{number}", number + 1
        names.append(name)
    return names


def _save_picture(path: Path, image: np.ndarray) -> None:
    with atomic_path(path) as beside:
        Image.fromarray(image).save(beside, quality=92)


def _has_display() -> bool:
    if sys.platform in ("win32", "darwin"):
        return sys.stdout.isatty()
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


if __name__ == "__main__":
    main()
