"""`python recipes/photograph_networks.py`: trains the three shipped networks on drawn photos and photographs.

The keypoint network starts from weights of ImageNet. It is trained on drawn photos, photographs of clothes that lie or
hang and of clothes that people wear, and photos without a garment, first on small photos, then on larger ones, and at
the end also on photographs that it labelled itself. The detector starts from it, and is trained on drawn scenes and on
photographs with the boxes of their garments. The classifier starts from the shipped one, and is trained on crops made
with the keypoint network.

The annotations are those of `data/photographs` and `data/street`; their photos belong to others and are in clones of
their repositories. The networks are then scored on photographs of people whose photos were not used in training or
selection.

In the work folder, everything that depends on an artifact lies beside it:

    drawn/  laid/  worn/  pseudo/  scenes/  mix_PHASE/  runs/keypoints_PHASE/
    keypoints_PRECISION/      artifact/  measured/  scores/  detection/  crops_NAME/  mix/
                              runs/detection/  runs/attributes/
        detection_PRECISION/  artifact/  scores/
        attributes_PRECISION/ artifact/  measured/  scores/
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import attribute_steps
import detection_steps
import keypoint_steps
from detection_card import detection_card
from installing import Part, check_out, install
from model_cards import attribute_card, keypoint_card
from photograph_arguments import PhotographArguments, made_with, tested
from steps import (
    Step,
    best_weights,
    check_real,
    check_start,
    made_before,
    note_start,
    only_run,
    run_step,
    train_precision,
)

from aifashion.data_gen.formats.folders import RECIPE_FILE
from aifashion.files import claim_folder
from aifashion.serve.artifact import Stage
from aifashion.serve.shipped import CARD, SHIPPED, STAGES
from aifashion.top.arguments import run_command, tell

RECIPE = "python recipes/photograph_networks.py"
_PATHS = ("laid", "worn", "imagenet", "out", "work")


def main(arguments: Sequence[str] | None = None) -> None:
    run_command(RECIPE, PhotographArguments, arguments, make_networks)


def make_networks(args: PhotographArguments) -> None:
    _check(args)
    absolute = {name: getattr(args, name).absolute() for name in _PATHS}
    args = claimed(replace(args, **absolute, real=args.real and args.real.absolute()))
    for step in steps(args):
        if step.done:
            tell(f"Done before: {step.done}")
            continue
        check_start(args.work, step)
        run_step(step)
    if args.stages != "all":
        tell(f"Wrote the scores to {made_with(args, args.stages) / 'scores'}")
        return
    install(args.out, [part_of(args, stage) for stage in STAGES])
    tell(f"Wrote the networks to {args.out}, with a {CARD} each")


def _check(args: PhotographArguments) -> None:
    for name in ("keypoint_epochs", "detection_epochs", "attribute_epochs", "test_count"):
        given = getattr(args, name)
        if min(given if isinstance(given, tuple) else (given,)) < 1:
            raise ValueError(f"--{name.replace('_', '-')} must be at least 1, not {given}")
    for name in ("laid", "worn"):
        if not getattr(args, name).is_dir():
            raise FileNotFoundError(f"--{name} {getattr(args, name)} is no folder; give the clone of the photos")
    if not args.imagenet.is_file():
        raise FileNotFoundError(
            f"--imagenet {args.imagenet} is no file; give the weights of EfficientNet-Lite0, as recipes/README.md says"
        )
    check_real(args.real)
    if args.leave_out != "nothing" and args.stages == "all" and args.out == SHIPPED:
        raise ValueError("--leave-out is for comparisons: give another --out, or --stages keypoints or detection")
    check_out(args.out)


def claimed(args: PhotographArguments) -> PhotographArguments:
    """Records in the work folder what the trainings depend on; for `auto` it finds the precision, or takes that with
    which the folder was begun. Raises FileExistsError if the folder was begun with other arguments."""
    path = args.work / RECIPE_FILE
    begun = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    kept = begun.get("precision") if args.precision == "auto" else None
    args = replace(args, precision=kept or train_precision(args.precision))
    names = ("detection_epochs", "attribute_epochs", "test_count", "seed", "leave_out", "precision")
    facts = {name: getattr(args, name) for name in names}
    facts |= {"keypoint_epochs": list(args.keypoint_epochs), "imagenet": _digest(args.imagenet)}
    facts |= keypoint_steps.facts() | detection_steps.facts() | attribute_steps.facts()
    claim_folder(args.work, RECIPE_FILE, facts)
    note_start(args.work)
    return args


def steps(args: PhotographArguments) -> Iterator[Step]:
    """Yields the steps in order, each when the one before has ended."""
    yield from keypoint_steps.keypoint_steps(args)
    if args.stages != "keypoints":
        yield from detection_steps.detection_steps(args)
    if args.stages == "all":
        yield from attribute_steps.attribute_steps(args)


def made_by(args: PhotographArguments, stage: Stage) -> list[str]:
    """The commands that made the network of a stage, each starting from the weights of the one before."""
    epochs = f"--keypoint-epochs {' '.join(map(str, args.keypoint_epochs))} --detection-epochs {args.detection_epochs}"
    command = f"{RECIPE} --laid CLONE --worn CLONE --imagenet FILE {epochs} --attribute-epochs {args.attribute_epochs}"
    left_out = f" --leave-out {args.leave_out}" if args.leave_out != "nothing" else ""
    before = made_before(args.work) if stage == "attributes" else []
    return [*before, f"{command} --seed {args.seed}{left_out}"]


def part_of(args: PhotographArguments, stage: Stage) -> Part:
    """What the folder of a stage consists of, when all steps are done."""
    scores = {each: made_with(args, each) / "scores" for each in STAGES}
    runs = {
        "detection": detection_steps.runs_folder(args),
        "keypoints": keypoint_steps.runs_folder(args, -1),
        "attributes": attribute_steps.runs_folder(args),
    }

    def card(folder: Path) -> str:
        if stage == "detection":
            return detection_card(folder, scores[stage])
        if stage == "keypoints":
            return keypoint_card(folder, scores[stage], scores["attributes"], tested(args))
        return attribute_card(folder, scores[stage], ("synthetic", "laid"), args.real)

    run = only_run(runs[stage])
    return Part(stage, made_with(args, stage) / "artifact", run, best_weights(run), made_by(args, stage), card)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    main()
