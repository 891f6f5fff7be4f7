"""Shows what the networks see in a photo: `python src/top/demo.py PHOTO... --category auto`."""

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

from aifashion.data_gen.formats.challenges import CATEGORIES
from aifashion.data_gen.preprocess import sample_image
from aifashion.eval.crops import cut
from aifashion.eval.drawing import (
    contact_sheet,
    draw_answers,
    draw_box,
    draw_heatmaps,
    draw_keypoints,
    side_by_side,
)
from aifashion.eval.two_stage import Garment, describe_garment
from aifashion.eval.visibility import THRESHOLD
from aifashion.files import atomic_path, write_atomic
from aifashion.geometry import Frame, resize
from aifashion.recognition.photos import find_photos
from aifashion.recognition.two_stage_model import TwoStageModel, load_two_stage_model
from aifashion.records import ABSENT, Box, Sample
from aifashion.regions import summed_heatmap
from aifashion.top.arguments import CHECKOUT, choose_device, console, run_command, tell, warn
from aifashion.top.test import progress_bar

_SHOWN = 12  # pictures in the window


@dataclass(frozen=True)
class Arguments:
    """Draw keypoints, heatmap, region and attributes on photos; no annotation is needed."""

    photos: tyro.conf.Positional[tuple[Path, ...]] = ()
    """photos or folders of photos; without any, a few synthetic ones are drawn"""
    modelfile: Path | None = None
    """run folder, a folder of runs to take the latest of, an artifact, or shipped; the latest run in trained_models/all
    by default, and without any there the pair that comes with the package"""
    attributes: Path | None = None
    """run folder or artifact of a classifier, or shipped; the latest run in trained_models/attributes/all by default,
    if any"""
    category: str = "auto"
    """the garment's category, or auto to let the network tell it"""
    outpath: Path = CHECKOUT / "submission" / "demo"
    """folder for the pictures, crops/ and results.json"""
    augment: bool = False
    """test-time augmentation"""
    show: bool = True
    """open the pictures in a window where there is a display"""
    gpu_id: str | None = None
    """GPUs to use, such as 0 or 0,1; all by default"""


def main(arguments: Sequence[str] | None = None) -> None:
    run_command("demo.py", Arguments, arguments, demonstrate)


def demonstrate(args: Arguments) -> None:
    choose_device(args.gpu_id)
    (args.outpath / "crops").mkdir(parents=True, exist_ok=True)
    photos = find_photos(args.photos) if args.photos else _synthetic_photos(args.outpath / "photos")
    model = load_two_stage_model(args.modelfile, args.attributes, args.augment)
    if args.category != "auto":
        model.keypoints.vocabulary.category_index(args.category)
    category = None if args.category == "auto" else args.category
    samples = [Sample(str(path), path, category) for path in photos]
    shown: list[np.ndarray] = []
    drawn, results = 0, []
    garments = progress_bar(model.recognise(samples, min(16, len(samples))), len(samples))
    for name, garment in zip(_unique_names(photos), garments, strict=True):
        if garment.result.error is not None:
            warn(f"left out: {garment.result.error}")
            results.append(describe_garment(garment, model.keypoints.vocabulary, model.heads))
            continue
        picture, cropped = draw_garment(model, garment), garment_crop(garment)
        places = {"picture": f"{name}.jpg", "crop": f"crops/{name}.jpg"}
        facts = describe_garment(garment, model.keypoints.vocabulary, model.heads) | places | {"model": model.name}
        _save_picture(args.outpath / places["picture"], picture)
        _save_picture(args.outpath / places["crop"], cropped)
        drawn += 1
        if len(shown) < _SHOWN:
            shown.append(picture)
        results.append(facts)
        console.print(f"{facts['photo']}: {_sentence(facts)}", markup=False, highlight=False)
    if not drawn:
        raise ValueError("none of the photos could be read")
    write_atomic(args.outpath / "results.json", json.dumps(results, indent=1) + "\n")
    failed = len(results) - drawn
    tell(f"Wrote {drawn} pictures, their crops and results.json to {args.outpath}; {failed} photos left out")
    if args.show and _has_display():
        Image.fromarray(contact_sheet(shown, columns=2, cell=800)).show("AiFashion")


def draw_garment(model: TwoStageModel, garment: Garment) -> np.ndarray:
    """The annotated picture of one photo, (H, W, 3) uint8: keypoints; heat and region; crop and attributes."""
    result, framed = garment.result, garment.framed
    prediction, frame, heatmaps, photo = result.prediction, result.frame, result.heatmaps, result.photo
    if prediction is None or frame is None or heatmaps is None or photo is None or framed is None:
        raise ValueError(f"{result.sample.path} has no prediction to draw: {result.error}")
    vocabulary, codec = model.keypoints.vocabulary, model.keypoints.config.codec
    present = prediction.state != ABSENT
    points = draw_keypoints(photo, prediction.xy, prediction.state, vocabulary, prediction.score)
    # All panels in the size of this one: on a small photo lines and letters would else be enlarged with it.
    size = points.shape[1], points.shape[0]
    to_panel = resize((photo.shape[1], photo.shape[0]), size)
    cells_to_panel = Frame(codec.frame.inverse).then(Frame(frame.inverse)).then(to_panel)
    heat = cv2.warpAffine(summed_heatmap(heatmaps, present), cells_to_panel.matrix, size, flags=cv2.INTER_LINEAR)
    box = framed.box
    left, top = np.rint(to_panel.forward(np.array([box.left, box.top]) - 0.5) + 0.5).astype(int).tolist()
    right, bottom = np.rint(to_panel.forward(np.array([box.right, box.bottom]) - 0.5) + 0.5).astype(int).tolist()
    name = "whole photo: no garment found" if framed.fell_back else "region"
    if prediction.found is False:
        name = "probably no garment"
    warm = draw_heatmaps(sample_image(photo, to_panel, size), heat)
    panels = [points, draw_box(warm, Box(left, top, right, bottom), name)]
    if model.attributes is not None:
        cropped = garment_crop(garment)
        tallest = max(panel.shape[0] for panel in [*panels, cropped])
        panels += [cropped, draw_answers(_likeliest(model, garment), (round(0.6 * tallest), tallest))]
    return side_by_side(panels)


def garment_crop(garment: Garment) -> np.ndarray:
    """What stage 2 sees of the photo, (H, W, 3) uint8. Raises ValueError where the photo could not be read."""
    if garment.result.photo is None or garment.framed is None:
        raise ValueError(f"{garment.result.sample.path} has no crop: {garment.result.error}")
    return cut(garment.result.photo, garment.framed.box)


def _likeliest(model: TwoStageModel, garment: Garment, count: int = 2) -> list[tuple[str, list[tuple[str, float]]]]:
    """Of every attribute that applies the likeliest classes with their probabilities."""
    classes = {head.name: head.classes for head in model.heads}
    return [
        (task, [(classes[task][c], float(values[c])) for c in np.argsort(-values)[:count]])
        for task, values in garment.attributes.items()
    ]


def _sentence(facts: dict) -> str:
    probabilities = facts["category_probability"]
    hidden = sum(point.get("visible", 1) < THRESHOLD for point in facts["keypoints"].values())
    points = f"{len(facts['keypoints'])} keypoints" + (f", {hidden} of them hidden" if hidden else "")
    told = [facts["category"] + ("" if probabilities is None else f" ({probabilities:.0%})"), points]
    if not facts.get("garment", True):
        told = ["probably no garment", *told]
    for answer in facts["attributes"].values():
        told += answer["labels"] if "labels" in answer else [f"{answer['class']} ({answer['probability']:.0%})"]
    return ", ".join(told)


def _synthetic_photos(folder: Path) -> list[Path]:
    """One synthetic photo a category, drawn anew; they are called synthetic in their names."""
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
