"""Labels photographs of which only the category is known, a step of `photograph_networks.py` (self-training).

A trained keypoint network answers with many views of each photo, averaged: ten passes and other scales. Where views
differ, the averaged peak is low. Keypoints with a high peak become labels; the others are left unlabelled, and the loss
passes over them. Photos with few such keypoints are left out.

    Images/ and Annotations/train.csv     in the FashionAI layout
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from aifashion.data_gen.formats.fashionai import load_training_samples, write_keypoint_csv
from aifashion.data_gen.split import load_or_make_split, write_split
from aifashion.eval.inference import PhotoResult
from aifashion.files import claim_folder, link_or_copy, locked
from aifashion.recognition.keypoint_model import load_keypoint_model
from aifashion.records import ABSENT, NO_GARMENT, Keypoints, Sample
from aifashion.top.arguments import run_command, tell

SCALES = (0.8, 1.25)
SURE, FEWEST, SHARE = 0.35, 4, 0.75
"""A keypoint is labelled from this averaged peak on; a photo is kept with so many labelled keypoints, and this share of
those that the network says are in view."""
BATCH = 16
CLAIM = "pseudo.json"


@dataclass(frozen=True)
class PseudoArguments:
    """Label photographs of which only the category is known with a trained keypoint network."""

    laid: Path
    """photographs of laid clothes, a folder of aifashion data photographs --category-only"""
    model: Path
    """the keypoint network that labels them: a run or an artifact"""
    out: Path
    """folder to write"""


def main(arguments: Sequence[str] | None = None) -> None:
    run_command("python recipes/pseudo_labels.py", PseudoArguments, arguments, label_photos)


def label_photos(args: PseudoArguments) -> None:
    train, _ = load_or_make_split(args.laid, load_training_samples(args.laid))
    bare = [sample for sample in train if only_category(sample)]
    model = load_keypoint_model(args.model, augment=True, scales=SCALES)
    sure = list(pseudo_labelled(model.predict([Sample(s.image_id, s.path, s.category) for s in bare], BATCH)))
    if len(sure) < 2:
        raise ValueError(
            f"{args.model} is sure of {len(sure)} of {len(bare)} photographs in {args.laid}: expected at least two"
        )
    claim_folder(args.out, CLAIM, {"network": model.run.name, "sure": SURE, "fewest": FEWEST, "share": SHARE})
    with locked(args.out):
        placed = []
        for sample in sure:
            name = f"Images/{sample.category}/{sample.path.name}"
            link_or_copy(sample.path, args.out / "train" / name)
            placed.append(replace(sample, image_id=name, path=args.out / "train" / name))
        lists = args.out / "train" / "Annotations"
        lists.mkdir(parents=True, exist_ok=True)
        write_keypoint_csv(lists / "train.csv", placed, decimals=1)
        # A split needs a validation photo; the mix does not use it.
        write_split(args.out, (placed[1:], placed[:1]))
    tell(f"Labelled {len(placed)} of {len(bare)} photographs of which only the category is known")


def pseudo_labelled(results: Iterable[PhotoResult]) -> Iterator[Sample]:
    """The photos with enough keypoints that the network is sure of; other keypoints are ABSENT, not labelled."""
    for result in results:
        prediction = result.prediction
        if prediction is None or not prediction.found:
            continue
        present = prediction.state != ABSENT
        sure = present & (prediction.score > SURE)
        if sure.sum() < max(FEWEST, SHARE * present.sum()):
            continue
        state = np.where(sure, prediction.state, ABSENT)
        yield replace(result.sample, keypoints=Keypoints(prediction.xy, state))


def only_category(sample: Sample) -> bool:
    """Whether a garment is known to be in the photo, but none of its keypoints is."""
    bare = sample.keypoints is None or bool((sample.keypoints.state == ABSENT).all())
    return bare and sample.category != NO_GARMENT


if __name__ == "__main__":
    main()
