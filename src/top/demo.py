"""Shows what the network sees in a photo: `python src/top/demo.py PHOTO... --category auto`."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import tyro
from PIL import Image

from aifashion.data_gen.images import read_image
from aifashion.data_gen.synthetic.scene import render
from aifashion.eval.crops import frame_garment
from aifashion.eval.drawing import contact_sheet, draw_box, draw_heatmaps, draw_keypoints, side_by_side
from aifashion.eval.inference import PhotoResult
from aifashion.files import atomic_path, write_atomic
from aifashion.garments import CATEGORIES
from aifashion.geometry import Frame
from aifashion.records import ABSENT, Sample
from aifashion.regions import summed_heatmap
from aifashion.top.arguments import CHECKOUT, choose_device, console, read_arguments, run_command, tell, warn
from aifashion.top.keypoint_model import KeypointModel, load_keypoint_model
from aifashion.top.test import progress_bar

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}


@dataclass(frozen=True)
class Arguments:
    """Draw keypoints, heatmap and garment region on photos; no annotation is needed."""

    photos: tyro.conf.Positional[tuple[Path, ...]] = ()
    """photos or folders of photos; without any, a few synthetic ones are drawn"""
    modelfile: Path | None = None
    """run folder, or a folder of runs to take the latest of; trained_models/all by default"""
    category: str = "auto"
    """the garment's category, or auto to let the network tell it"""
    outpath: Path = CHECKOUT / "submission" / "demo"
    """folder for the pictures and their JSON files"""
    augment: bool = False
    """test-time augmentation"""
    show: bool = True
    """open the pictures in a window where there is a display"""
    gpu_id: str | None = None
    """GPUs to use, such as 0 or 0,1; all by default"""


def main(arguments: Sequence[str] | None = None) -> None:
    run_command(lambda: demonstrate(read_arguments(Arguments, "demo.py", arguments)))


def demonstrate(args: Arguments) -> None:
    choose_device(args.gpu_id)
    args.outpath.mkdir(parents=True, exist_ok=True)
    photos = _photos(args.photos) if args.photos else _synthetic_photos(args.outpath / "photos")
    model = load_keypoint_model(args.modelfile, augment=args.augment)
    if args.category != "auto":
        model.words.category_index(args.category)
    category = None if args.category == "auto" else args.category
    samples = [Sample(str(path), path, category) for path in photos]
    names = _unique_names(photos)
    pictures, failed = [], 0
    for name, result in zip(
        names, progress_bar(model.predict(samples, min(16, len(samples))), len(samples)), strict=True
    ):
        if result.error is not None:
            warn(f"left out: {result.error}")
            failed += 1
            continue
        picture, facts = describe(model, result)
        _save_picture(args.outpath / f"{name}.jpg", picture)
        write_atomic(args.outpath / f"{name}.json", json.dumps(facts, indent=1) + "\n")
        pictures.append(picture)
        console.print(f"{facts['photo']}: {_sentence(facts)}", markup=False, highlight=False)
    if not pictures:
        raise ValueError("none of the photos could be read")
    tell(f"Wrote {len(pictures)} pictures, each with a JSON file, to {args.outpath}; {failed} photos left out")
    if args.show and _has_display():
        Image.fromarray(contact_sheet(pictures[:12], columns=2, cell=800)).show("AiFashion")


def describe(model: KeypointModel, result: PhotoResult) -> tuple[np.ndarray, dict]:
    """The annotated picture of one photo, (H, W, 3) uint8, and what is in it as plain data."""
    prediction, frame, heatmaps, size = result.prediction, result.frame, result.heatmaps, result.size
    if prediction is None or frame is None or heatmaps is None or size is None:
        raise ValueError(f"{result.sample.path} has no prediction: {result.error}")
    photo = read_image(result.sample.path)
    words, codec = model.words, model.config.codec
    cells_to_photo = Frame(codec.frame.inverse).then(Frame(frame.inverse))
    present = prediction.state != ABSENT
    framed = frame_garment(result, words, codec, "heatmap")
    heat = _over_photo(summed_heatmap(heatmaps, present), cells_to_photo, size)
    points = draw_keypoints(photo, prediction.xy, prediction.state, prediction.score, words)
    box, name = framed.box, "whole photo: no region found" if framed.fell_back else "region"
    second = draw_box(draw_heatmaps(photo, heat), box, name)
    facts = {
        "photo": str(result.sample.path),
        "width": size[0],
        "height": size[1],
        "category": prediction.category,
        "category_probability": prediction.category_probability,
        "region": None if framed.fell_back else [box.left, box.top, box.right, box.bottom],
        "keypoints": {
            name: {"x": round(float(x), 2), "y": round(float(y), 2), "score": round(float(score), 4)}
            for name, (x, y), score, here in zip(words.keypoints, prediction.xy, prediction.score, present, strict=True)
            if here
        },
        "model": str(model.run),
    }
    return side_by_side([points, second]), facts


def _over_photo(heat: np.ndarray, cells_to_photo: Frame, size: tuple[int, int]) -> np.ndarray:
    return cv2.warpAffine(heat, cells_to_photo.matrix, size, flags=cv2.INTER_LINEAR)


def _sentence(facts: dict) -> str:
    odds = facts["category_probability"]
    return facts["category"] + ("" if odds is None else f" ({odds:.0%})") + f", {len(facts['keypoints'])} keypoints"


def _photos(paths: Sequence[Path]) -> list[Path]:
    photos = []
    for path in paths:
        if path.is_dir():
            found = sorted(p for p in path.rglob("*") if p.suffix.lower() in _SUFFIXES)
            if not found:
                raise FileNotFoundError(f"no photos ({', '.join(sorted(_SUFFIXES))}) in {path}")
            photos += found
        else:
            photos.append(path)
    return photos


def _synthetic_photos(folder: Path) -> list[Path]:
    """One synthetic photo a category, drawn anew; they are called synthetic in their names."""
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
