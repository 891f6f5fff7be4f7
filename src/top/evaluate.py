"""`aifashion evaluate`: the scores of a run of any kind on its validation set."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from aifashion.config import PRODUCT, STYLE
from aifashion.eval.attribute_inference import Outcome, predict_attributes
from aifashion.eval.calibration import Reliability, reliability
from aifashion.eval.inference import PhotoResult
from aifashion.files import write_atomic
from aifashion.recognition.keypoint_model import KeypointModel, load_keypoint_model
from aifashion.serve.artifact import Manifest, is_artifact
from aifashion.tasks.keypoint_scores import visibility_answers
from aifashion.top.arguments import CHECKOUT, choose_device, console, run_command, tell, warn


@dataclass(frozen=True)
class Arguments:
    """Score a run, of keypoints or of a classifier, on its validation set."""

    run: tyro.conf.Positional[Path]
    """run folder, a folder of runs to take the latest trained one of, or an artifact"""
    data: Path = CHECKOUT / "data"
    """the data folder that the run was trained on"""
    load: Path | None = None
    """a weights file of the run to score instead of its best model"""
    json: Path | None = None
    """also write the numbers to this JSON file"""
    pictures: Path | None = None
    """also draw to this folder: of keypoints the PCK curve, the NE of each, and how well peaks and probabilities tell
    whether it is visible; of a classifier the confusion matrices of FashionAI's tasks, and for every head how
    reliable its probabilities are before and after its temperature"""
    gpu_id: str | None = None
    """GPUs to use, such as 0 or 0,1; all by default"""


def main(arguments: Sequence[str] | None = None) -> None:
    run_command("aifashion evaluate", Arguments, arguments, evaluate)


def evaluate(args: Arguments) -> None:
    choose_device(args.gpu_id)
    run, kind = args.run, Manifest.read(args.run).stage if is_artifact(args.run) else None
    if kind is None:
        from aifashion.unet.runs import find_trained_run, read_config  # Keras loads here

        run = find_trained_run(args.run)
        kind = json.loads(read_config(run)).get("kind")
    elif args.load is not None:
        raise ValueError(f"--load goes with a run folder; {run} is an artifact")
    score = {"keypoints": _keypoints, "attributes": _attributes}.get(str(kind))
    if score is None:
        raise ValueError(f"{run / 'config.json'} tells of a run of kind {kind!r}; expected keypoints or attributes")
    if args.pictures is not None:
        args.pictures.mkdir(parents=True, exist_ok=True)
    numbers = score(run, args)
    for name, value in numbers.items():
        console.print(f"{name:<32} {value:.4f}", highlight=False, markup=False)
    if args.json is not None:
        write_atomic(args.json, json.dumps(numbers, indent=1) + "\n")
        tell(f"Wrote {args.json}")


def _keypoints(run: Path, args: Arguments) -> dict[str, float]:
    from aifashion.data_gen.keypoint_sets import load_training_parts
    from aifashion.eval.attribute_report import draw_reliability
    from aifashion.eval.report import draw_keypoint_score
    from aifashion.tasks.keypoint_scores import predict_validation, validation_numbers

    model = load_keypoint_model(run, weights=args.load)
    _, samples = load_training_parts(args.data, model.config)
    tell(f"{len(samples)} validation photos from {args.data}")
    seen = predict_validation(model.maps, samples, model.config, lambda path: warn(f"cannot be read: {path}"))
    result, numbers = validation_numbers(seen, model.vocabulary)
    states = visibility_reliabilities(seen, model) if model.visibility else {}
    if states:
        before, after = states["visible"]
        numbers |= {"ece_visible_before": before.ece, "ece_visible_after": after.ece}
    if args.pictures is not None:
        draw_keypoint_score(result, args.pictures / "score.png")
        tell(f"Wrote {args.pictures / 'score.png'}")
        if states:
            draw_reliability(states, args.pictures / "reliability.png")
            tell(f"Wrote {args.pictures / 'reliability.png'}")
    return numbers


def visibility_reliabilities(
    seen: Sequence[PhotoResult], model: KeypointModel
) -> dict[str, tuple[Reliability, Reliability]]:
    """How reliable peaks and probabilities are, for all keypoints together as `visible`, and for each by its name."""
    assert model.visibility is not None
    peaks, visible, present = visibility_answers(seen, model.vocabulary)
    told = model.visibility.probability(peaks)
    peaks = np.clip(peaks, 0, 1)
    states = {"visible": (reliability(peaks[present], visible[present]), reliability(told[present], visible[present]))}
    for k, name in enumerate(model.vocabulary.keypoints):
        own = present[:, k]
        if own.any():
            states[name] = (reliability(peaks[own, k], visible[own, k]), reliability(told[own, k], visible[own, k]))
    return states


def _attributes(run: Path, args: Arguments) -> dict[str, float]:
    from aifashion.eval.attribute_report import draw_confusions, draw_reliability
    from aifashion.recognition.attribute_model import load_attribute_model
    from aifashion.tasks.attribute_data import check_crop, load_tables_of
    from aifashion.tasks.attribute_scores import reliabilities, score_outcomes, score_tasks

    model = load_attribute_model(run, weights=args.load)
    config = model.config
    check_crop(args.data, config.crop)
    _, table = load_tables_of(args.data, config, model.heads)
    tell(f"{len(table)} validation photos from {args.data}")
    outcomes: list[Outcome] = []
    temperatures = model.calibration.temperatures
    for outcome in predict_attributes(
        model.predict, table.photos, table.heads, config.size, temperatures=temperatures, batch_size=config.batch_size
    ):
        if outcome.error is None:
            outcomes.append(outcome)
        else:
            warn(f"cannot be read: {outcome.error}")
    numbers = score_outcomes(table, outcomes)
    states = reliabilities(table, outcomes, temperatures)
    for name, (before, after) in states.items():
        numbers |= {f"ece_{name}_before": before.ece, f"ece_{name}_after": after.ece}
    if args.pictures is not None:
        draw_reliability(states, args.pictures / "reliability.png")
        tell(f"Wrote {args.pictures / 'reliability.png'}")
        if config.task not in (STYLE, PRODUCT):
            draw_confusions(score_tasks(table, outcomes), args.pictures / "confusion.png")
            tell(f"Wrote {args.pictures / 'confusion.png'}")
    return numbers
