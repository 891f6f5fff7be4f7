"""Measures how much each part of the data helps: short trainings of the keypoint network without it, several seeds.

    python benchmarks/leave_one_out.py --laid CLONE --street CLONE --sets WORK --imagenet WEIGHTS --out FOLDER

CLONE: as for photograph_accuracy.py. WORK: the work folder of recipes/photograph_networks.py; its drawn/, laid/ and
worn/ are mixed here as there. WEIGHTS: as its --imagenet. FOLDER: for mixes, runs and scores; another call continues
there.

The trainings are much shorter than the recipe's and on smaller photos, so the NE is larger: compare it only within the
table. The scores are on photos of people that were not used in training, in one pass. Categories are given, except for
the share of right categories.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from measure import report
from photograph_accuracy import HOME, category_numbers, keypoint_numbers, results

from aifashion.data_gen.formats.challenges import FASHIONAI
from aifashion.data_gen.formats.fashionai import read_keypoint_csv
from aifashion.data_gen.split import TRAIN_FILE
from aifashion.data_gen.synthetic.writer import ANSWER
from aifashion.eval.keypoint_metrics import score_arrays
from aifashion.recognition.keypoint_model import KeypointModel, load_keypoint_model

sys.path.insert(0, str(HOME / "recipes"))
from keypoint_steps import BARE, LAID_REPEAT, OPTIONS, WORN_REPEAT
from mixing import Share, mix_keypoints

LEFT_OUT = ("nothing", "drawn", "laid", "worn", "bare")
DRAWN_TESTS = 500
UNITS = {"laid": "NE laid, %", "worn": "NE worn, %", "drawn": "NE drawn, %", "category": "category right, %"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("laid", "street", "sets", "imagenet", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--size", type=int, default=128, help="side of the input in px")
    parser.add_argument("--epochs", type=int, default=3, help="of the mix of all parts; others have as many steps")
    parser.add_argument("--drawn", type=int, default=1600, help="drawn photos in a mix")
    parser.add_argument("--seeds", type=int, default=3, help="of the mix of all parts; others have one")
    args = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {}
    for left_out in LEFT_OUT:
        for seed in range(args.seeds if left_out == "nothing" else 1):
            found.setdefault(left_out, []).append(scores(args, left_out, seed))
    for left_out, every in found.items():
        for name, unit in UNITS.items():
            values = [100 * one[name] for one in every]
            spread = f", {len(values)} seeds, s.d. {np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
            report("leave_one_out", f"without {left_out}{spread}", float(np.mean(values)), unit)


def scores(args: argparse.Namespace, left_out: str, seed: int) -> dict[str, float]:
    """Scores of the network trained without a part; an existing run is used again."""
    folder = args.out / f"{left_out}_{seed}"
    file = folder / "scores.json"
    if not file.is_file():
        model = load_keypoint_model(trained(args, left_out, seed))
        laid = HOME / "data" / "photographs"
        numbers = {
            "laid": keypoint_numbers(model, laid, args.laid)["ne"],
            "worn": keypoint_numbers(model, HOME / "data" / "street", args.street)["ne"],
            "drawn": drawn_ne(model, args.sets / "drawn"),
            "category": category_numbers(model, laid, args.laid)["category_right"],
        }
        file.write_text(json.dumps(numbers, indent=1), encoding="utf-8")
    return json.loads(file.read_text(encoding="utf-8"))


def trained(args: argparse.Namespace, left_out: str, seed: int) -> Path:
    folder = args.out / f"{left_out}_{seed}"
    mix = folder / "mix"
    if not (mix / TRAIN_FILE).is_file():
        mix_keypoints(mix, shares(args, left_out), seed)
    # A smaller mix gets more epochs, so that all trainings have about as many steps.
    whole = mixed_count(args.out / "nothing_0" / "mix")
    epochs = max(1, round(args.epochs * whole / mixed_count(mix)))
    runs = folder / "runs"
    begun = next(runs.glob("all/*/states/index.json"), None) is not None
    start = ("--resume",) if begun else ("--weights", args.imagenet)
    options = (*OPTIONS, "--size", args.size, "--epochs", epochs, "--learning-rate", 0.001, "--warmup-epochs", 0.5)
    words = ("train", *options, "--precision", "float32", "--seed", seed, "--data", mix, "--out", runs, *start)
    if next(runs.glob("all/*/calibration.json"), None) is None:
        subprocess.run([sys.executable, "-m", "aifashion.top.cli", *map(str, words)], check=True)
    return next(runs.glob("all/*/calibration.json")).parent


def shares(args: argparse.Namespace, left_out: str) -> list[Share]:
    bare = 0 if left_out == "bare" else BARE // 2
    every = (
        Share("laid", args.sets / "laid", LAID_REPEAT, bare=bare),
        Share("worn", args.sets / "worn", WORN_REPEAT),
        Share("drawn", args.sets / "drawn", most=args.drawn, validates=False),
    )
    return [share for share in every if share.name != left_out]


def mixed_count(mix: Path) -> int:
    """The number of training photos of a mix."""
    with (mix / TRAIN_FILE).open(encoding="utf-8") as file:
        return sum(1 for _ in file) - 1


def drawn_ne(model: KeypointModel, drawn: Path) -> float:
    truth = read_keypoint_csv(drawn / ANSWER, drawn / "test")[:DRAWN_TESTS]
    answers = [answer.prediction for answer in results(model, truth)]
    points = [sample.keypoints for sample in truth if sample.keypoints is not None]
    return score_arrays(
        np.stack([answer.xy for answer in answers if answer]),
        np.stack([p.xy for p in points]),
        np.stack([p.state for p in points]),
        [str(sample.category) for sample in truth],
        FASHIONAI,
    ).ne


if __name__ == "__main__":
    main()
