"""Measures how much each part of the drawn photos helps: the shipped network continues training without one part.

    python benchmarks/garment_realism.py REAL [VARIANT...]

REAL is a folder of annotated photographs (test.csv and answers.csv). Every network starts from the shipped one, trains
equally long, and is scored on the photographs and on the same 500 drawn photos with all parts: what it forgets, it had
learned from the missing part. A variant takes four minutes on two cores; `other-seed` shows the effect of chance. From
random weights, so short a training says nothing about photographs.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from measure import report

from aifashion.data_gen.formats.fashionai import read_keypoint_csv
from aifashion.data_gen.synthetic import details, garment, lying, outfit, scene, sleeve_pieces
from aifashion.data_gen.synthetic.body import ARMPIT
from aifashion.data_gen.synthetic.writer import ANSWER, write_dataset
from aifashion.eval.keypoint_metrics import score_keypoints

LACKS = "AIFASHION_GARMENTS_LACK"
"""An environment variable: the drawing processes import this file and leave out the same part."""
COUNT, PHOTO, SIZE, EPOCHS = 6000, 160, 128, 2
"""Number of photos, their longer side and that of the network's input in px, and epochs."""


def no_figures() -> None:
    random_body = scene.random_body
    scene.random_body = lambda rng, on: random_body(rng, False)
    outfit.worn = outfit.laid_out


def white_backdrops() -> None:
    scene.backdrop = lambda rng, height, width, worn: np.ones((height, width, 3), np.float32)


def nothing_else() -> None:
    """No bags and phones, nothing beside a garment, no hanger."""
    outfit.carried = lambda rng, body: []
    outfit._beside = lambda rng, body, category: []
    outfit.hanger = lambda rng, body: []


def high_arm_holes() -> None:
    """Arm holes that end near the wearer's armpits."""
    garment._arm_hole_depth = lambda rng, cut: ARMPIT + (0.02 + 0.16 * cut.loose if cut.sleeved else 0.06)


def one_cloth() -> None:
    """No ribs, no sleeves of another cloth; fronts as long as backs."""
    details.random_rib = lambda rng, category, cut, cloth: None
    sleeve_pieces._sleeve_cloth = lambda rng, category, cloth: cloth
    back_hem = details.back_hem
    details.back_hem = lambda *options: replace(back_hem(*options), rings=(np.zeros((3, 2)),))


def unfolded() -> None:
    """Sleeves beside the body, their ends not rolled."""
    lying._folds = lambda rng, body, pose: {}
    random_style = sleeve_pieces.random_style
    garment.random_style = lambda *options: replace(random_style(*options), roll=0.0)


def clean_camera() -> None:
    """No tilt, blur, noise, colour cast or compression."""
    scene.random_bend = lambda rng, height, width: np.zeros((2, height, width), np.float32)
    scene.develop = lambda rng, image: np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8)


VARIANTS: dict[str, tuple[str, int, Callable[[], None] | None]] = {
    "all": ("everything", 1, None),
    "other-seed": ("everything, other photos", 2, None),
    "no-figures": ("no figures: garments lie or hang", 1, no_figures),
    "white": ("white backdrops", 1, white_backdrops),
    "alone": ("no bags, hangers and things beside", 1, nothing_else),
    "clean": ("a perfect camera", 1, clean_camera),
    "high-arm-holes": ("arm holes near the armpits", 1, high_arm_holes),
    "unfolded": ("no folded sleeves and rolled ends", 1, unfolded),
    "one-cloth": ("no ribs, contrast sleeves, longer backs", 1, one_cloth),
}
"""Description, seed of the photos, and the function that leaves the part out."""

lacking = VARIANTS[os.environ.get(LACKS, "all")][2]
if lacking is not None:
    lacking()


def run(*options: object) -> None:
    print("$ aifashion", *options, flush=True)
    subprocess.run([sys.executable, "-m", "aifashion.top.cli", *map(str, options)], check=True)


def drawn(folder: Path, variant: str) -> Path:
    """Draws the photos of a variant in processes that leave its part out."""
    subprocess.run([sys.executable, __file__, "--draw", folder], check=True, env=os.environ | {LACKS: variant})
    return folder


def scored(model: Path, test: Path, truth: Path, out: Path) -> float:
    run("test", "--model", model, "--data", test, "--out", out)
    return score_keypoints(read_keypoint_csv(truth), read_keypoint_csv(out / "submission.csv")).ne


def main(real: Path, names: list[str]) -> None:
    for name in names:
        if name not in VARIANTS:
            raise SystemExit(f"no variant called {name}; these are there: {', '.join(VARIANTS)}")
    with tempfile.TemporaryDirectory() as work:
        fixed = Path(work) / "fixed"
        write_dataset(fixed, 5, 99, PHOTO, test_count=500, workers=2)
        tests = {
            "500 drawn photos": (fixed / "test" / "test.csv", fixed / ANSWER),
            "the photographs": (real / "test.csv", real / "answers.csv"),
        }
        for name in names:
            folder = Path(work) / name
            options = ("--size", SIZE, "--epochs", EPOCHS, "--batch-size", 32, "--learning-rate", 1e-3, "--ema", 0.99)
            options = (*options, "--warmup-epochs", 0.5, "--category-weight", 0.3, "--out", folder)
            run("train", "--weights", "shipped", "--data", drawn(folder / "photos", name), *options)
            for what, (test, truth) in tests.items():
                ne = scored(folder / "all", test, truth, folder / "submission")
                report("garment_realism", f"{VARIANTS[name][0]}, on {what}", 100 * ne, "% NE")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    if sys.argv[1] == "--draw":
        seed = VARIANTS[os.environ[LACKS]][1]
        write_dataset(Path(sys.argv[2]), COUNT, seed, PHOTO, test_count=0, workers=2)
    else:
        main(Path(sys.argv[1]), sys.argv[2:] or list(VARIANTS))
