"""Measures the effect of crops, labels, heads and ensembles on the attributes' official mAP, on synthetic photos.

    aifashion data synth --out data/synthetic --count 20000 --test-count 2000 --size 256 --seed 1 --labels all
    python src/top/train.py --data data/synthetic ...          a keypoint network, for the crops and as initial weights
    python benchmarks/attribute_accuracy.py [VARIANT...]

Every variant is trained, predicts the test set and is scored by the commands that a user types; each adds a row to
results.csv. It takes hours. If you stop it, finished steps are kept, and the next call continues.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from measure import report

HOME = Path(__file__).parents[1]
# A short training learns more from weaker augmentation.
GENTLE = ("--zoom", "0.1", "--erase", "0.1", "--blur", "0.05")
QUICK = ("--size", "96", "--epochs", "3", "--learning-rate", "0.001", *GENTLE)


@dataclass(frozen=True)
class Variant:
    """crop: the region of a photo that the network sees. options: the options of the training."""

    what: str
    crop: str
    options: tuple[str, ...]


VARIANTS = {
    "full": Variant(
        "heatmap crop, 128 px, 12 epochs",
        "heatmap",
        ("--size", "128", "--epochs", "12", "--batch-size", "16", "--learning-rate", "0.001", *GENTLE),
    ),
    "image": Variant("whole photo", "image", QUICK),
    "heatmap": Variant("heatmap crop, soft labels, ordinal lengths", "heatmap", QUICK),
    "keypoints": Variant("keypoint box", "keypoints", QUICK),
    "hard": Variant("heatmap crop, hard labels", "heatmap", (*QUICK, "--labels", "hard")),
    "exclusive": Variant("heatmap crop, exclusive lengths", "heatmap", (*QUICK, "--length-heads", "exclusive")),
    "other-seed": Variant("heatmap crop, another seed", "heatmap", (*QUICK, "--seed", "1")),
    "cam": Variant("crop by the activation maps of `image`", "cam", QUICK),
}
ENSEMBLES = {
    "two": ("heatmap + exclusive", ("heatmap", "exclusive")),
    "three": ("heatmap + exclusive + hard", ("heatmap", "exclusive", "hard")),
}
TTA = {"full-tta": ("full, ten-crop at three scales", ("full",))}


def run(*options: object) -> None:
    print("$", *options, flush=True)
    subprocess.run([sys.executable, *map(str, options)], cwd=HOME, check=True)


def cropped(args: argparse.Namespace, crop: str) -> Path:
    """The folder with the photos in this crop."""
    if crop == "image":
        return args.data
    out = args.data.with_name(f"{args.data.name}_{crop}")
    model = newest(args.runs / "image") if crop == "cam" else args.keypoints
    run("src/top/cli.py", "data", "crop", "--data", args.data, "--out", out, "--crop", crop, "--model", model)
    return out


def newest(folder: Path) -> Path:
    runs = sorted(path.parent for path in folder.glob("attributes/all/*/config.json"))
    if not runs:
        raise SystemExit(f"no run in {folder}: train that variant first")
    return runs[-1]


def trained(args: argparse.Namespace, name: str) -> Path:
    """The finished run of a variant; trains it if there is none."""
    variant, output = VARIANTS[name], args.runs / name
    data = cropped(args, variant.crop)
    if not any(output.glob("attributes/all/*/calibration.json")):
        options = ["--data", data, "--out", output, "--crop", variant.crop, *variant.options]
        if any(output.glob("attributes/all/*/config.json")):
            options = ["--data", data, "--load", newest(output), "--resume"]
        else:
            options += ["--network", "lite", "--weights", args.keypoints, "--val-fraction", "0.05"]
            options += ["--precision", "bfloat16"]
        run("src/top/train_attributes.py", *options)
    return newest(output)


def scored(args: argparse.Namespace, name: str, what: str, members: tuple[str, ...], options: tuple[str, ...]) -> None:
    data = cropped(args, VARIANTS[members[0]].crop)
    out = args.runs / name / "submission"
    runs = [trained(args, member) for member in members]
    (question,) = data.glob("attributes/rank/Tests/question.csv")
    run("src/top/test_attributes.py", "--model", *runs, "--data", question, "--out", out, *options)
    (predicted,) = out.glob("*.csv")
    (truth,) = args.data.glob("attributes/fashionAI_attributes_answer_a_*.csv")
    result = out / "score.json"
    run("src/top/cli.py", "score", "attributes", "--truth", truth, "--predicted", predicted, "--json", result)
    score = json.loads(result.read_text())
    case = f"{name}: {what}"
    report("attribute_accuracy", case, 100 * score["map"], "% mAP", ">= 97" if name.startswith("full") else "")
    report("attribute_accuracy", case, 100 * score["basic_precision"], "% precision")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    known = [*VARIANTS, *ENSEMBLES, *TTA]
    parser.add_argument("variants", nargs="*", help=f"all by default: {', '.join(known)}")
    parser.add_argument("--data", type=Path, default=HOME / "data" / "synthetic", help="a synthetic set")
    parser.add_argument("--keypoints", type=Path, default=HOME / "trained_models" / "all", help="run of stage 1")
    parser.add_argument(
        "--runs", type=Path, default=HOME / "trained_models" / "attribute_accuracy", help="for the runs"
    )
    args = parser.parse_args()
    unknown = sorted(set(args.variants) - set(known))
    if unknown:
        parser.error(f"no variant called {', '.join(unknown)}; these are there: {', '.join(known)}")
    for name in args.variants or known:
        if name in VARIANTS:
            scored(args, name, VARIANTS[name].what, (name,), ())
        elif name in ENSEMBLES:
            what, members = ENSEMBLES[name]
            folder = cropped(args, VARIANTS[members[0]].crop)
            scored(args, name, what, members, ("--weights", "validation", "--val-data", str(folder)))
        else:
            what, members = TTA[name]
            scored(args, name, what, members, ("--augment",))


if __name__ == "__main__":
    main()
