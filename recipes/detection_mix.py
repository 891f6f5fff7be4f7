"""Makes the training set of the detector, a step of `photograph_networks.py`: photos with the boxes of all garments.

Boxes of drawn scenes are exact. Boxes of annotated photographs come from the keypoints (laid clothes) or from the masks
(worn clothes). If only the category of a photograph is known, a keypoint network predicts the keypoints; if enough of
them have a high score, their box is used. Such boxes are called found.

    mix/        train.json, val.json: the photos of an epoch, and the photographs that select the best epoch
    measured/   the same photos as both parts, on which the loss of int8 is measured
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mixing import few
from photograph_arguments import LISTS, LeftOut
from pseudo_labels import only_category

from aifashion.boxes import Detections, areas, around, clipped
from aifashion.data_gen.detection_sets import scenes_of_samples, write_detection_set
from aifashion.data_gen.formats.fashionai import load_training_samples
from aifashion.data_gen.formats.scenes import Scene, read_scenes
from aifashion.data_gen.keypoint_sets import TRAIN
from aifashion.data_gen.photographs import masked_scenes
from aifashion.data_gen.split import load_or_make_split
from aifashion.eval.inference import PhotoResult
from aifashion.recognition.keypoint_model import load_keypoint_model
from aifashion.records import ABSENT, Sample
from aifashion.top.arguments import run_command, tell
from aifashion.vocabulary import Vocabulary

SURE, FEWEST, SHARE = 0.25, 4, 0.6
"""The lowest score of a keypoint that counts; a box is found by at least so many keypoints, and this share of those of
its category."""
LAID_REPEAT, WORN_REPEAT, FOUND, MEASURED = 1, 4, 700, 500
"""How often an epoch uses each photograph; how many with a found box it uses; and on how many drawn ones, in addition
to the photographs, the loss of int8 is measured."""
BATCH = 16


@dataclass(frozen=True)
class MixArguments:
    """Mix drawn scenes and photographs, with the boxes of their garments, to train a detector."""

    drawn: Path
    """folder of aifashion data synth-scenes"""
    laid: Path
    """photographs of laid clothes, a folder of aifashion data photographs"""
    worn: Path
    """clone of github.com/bearpaw/clothing-co-parsing, with its masks"""
    model: Path
    """the keypoint network that finds boxes"""
    out: Path
    """folder to write: mix/ and measured/"""
    seed: int = 0
    leave_out: LeftOut = "nothing"


def main(arguments: Sequence[str] | None = None) -> None:
    run_command("python recipes/detection_mix.py", MixArguments, arguments, mix_detection)


def mix_detection(args: MixArguments) -> None:
    model = load_keypoint_model(args.model)
    vocabulary = model.vocabulary
    laid, laid_val, bare = laid_photos(args.laid, vocabulary)
    found = list(found_boxes(model.predict([Sample(s.image_id, s.path, s.category) for s in bare], BATCH), vocabulary))
    tell(f"Found a box in {len(found)} of {len(bare)} photographs of which only the category is known")
    masks = masked_scenes(LISTS["worn"], args.worn, vocabulary)
    drawn = read_scenes(args.drawn / TRAIN, vocabulary)

    rng = random.Random(f"{args.seed} found")
    train = {
        "drawn": drawn,
        "laid": laid * LAID_REPEAT,
        "bare": few(found, FOUND, rng),
        "worn": masks["learn"] * WORN_REPEAT,
    }
    val = {"laid": laid_val, "worn": masks["choose"]}
    parts = {"train": _kept(train, args.leave_out), "val": _kept(val, args.leave_out)}
    photographs = _kept({"laid": [*laid, *laid_val], "worn": [*masks["learn"], *masks["choose"]]}, args.leave_out)
    measured = [*photographs, *_kept({"drawn": few(drawn, MEASURED, rng)}, args.leave_out)]
    for name, sets in (("mix", parts), ("measured", {"train": measured, "val": measured})):
        write_detection_set(args.out / name, sets, vocabulary)
    counts = ", ".join(f"{len(scenes)} {name}" for name, scenes in train.items() if name != args.leave_out)
    tell(f"Mixed {len(parts['train'])} photos to train on ({counts}), {len(parts['val'])} to choose the best epoch by")


def laid_photos(folder: Path, vocabulary: Vocabulary) -> tuple[list[Scene], list[Scene], list[Sample]]:
    """Photos of a folder in the FashionAI layout: for training and for validation with known boxes, including those
    without a garment, and the other training photos, of which only the category is known."""
    halves = load_or_make_split(folder, load_training_samples(folder))
    known = [[sample for sample in half if not only_category(sample)] for half in halves]
    train, val = (scenes_of_samples(folder, samples, vocabulary) for samples in known)
    return train, val, [sample for sample in halves[0] if only_category(sample)]


def found_boxes(results: Iterable[PhotoResult], vocabulary: Vocabulary) -> Iterator[Scene]:
    """Photos with enough keypoints of a high score, predicted with the given category, and the keypoints' box."""
    for result in results:
        prediction, size = result.prediction, result.size
        if prediction is None or size is None or not prediction.found:
            continue
        present = prediction.state != ABSENT
        sure = present & (prediction.score > SURE)
        if sure.sum() < max(FEWEST, SHARE * present.sum()):
            continue
        box = clipped(around(prediction.xy[sure]), size)[None]
        if areas(box)[0] > 0:
            garment = Detections(box, np.array([vocabulary.category_index(prediction.category)]), np.ones(1))
            yield Scene(result.sample.image_id, result.sample.path, garment, np.zeros((0, 4)), size)


def _kept(sets: dict[str, list[Scene]], left_out: str) -> list[Scene]:
    return [scene for name, scenes in sets.items() if name != left_out for scene in scenes]


if __name__ == "__main__":
    main()
