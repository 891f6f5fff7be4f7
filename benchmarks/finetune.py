"""Measures what finetuning on a few photos does: the shipped keypoint network is scored on two that are left out.

    python benchmarks/finetune.py FOLDER [EPOCHS]

FOLDER holds annotated photos: answers.csv with the 24 columns, and Images/ beside it. Each photo is left out twice,
with a neighbour in the list, and is not used in the training that is scored on it. Nothing is selected by the scores:
the last epoch counts. It takes about ten minutes for seven photos.
"""

import csv
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import report

from aifashion.data_gen.formats.fashionai import read_keypoint_csv
from aifashion.eval.keypoint_metrics import score_keypoints

OUT = 2
EPOCHS = 60
GENTLE = ("--rotate", 15, "--zoom", 0.2, "--shift", 0.1, "--colour", 0.4, "--blur", 0, "--erase", 0)


def run(*options: object) -> None:
    print("$ aifashion", *options, flush=True)
    subprocess.run([sys.executable, "-m", "aifashion.top.cli", *map(str, options)], check=True)


def read_rows(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.reader(file))


def write_rows(path: Path, rows: list[list[str]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    return path


def split(photos: Path, fold: Path, held_out: set[int]) -> None:
    """Writes a data folder whose validation part, used only for the log, is the held-out photos."""
    header, *rows = read_rows(photos / "answers.csv")
    shutil.copytree(photos / "Images", fold / "train" / "Images")
    write_rows(fold / "train" / "Annotations" / "train.csv", [header, *rows])
    parts = {"val": [], "train": []}
    for place, row in enumerate(rows):
        parts["val" if place in held_out else "train"].append([*row[:2], f"train/{row[0]}"])
    for name, part in parts.items():
        write_rows(fold / f"{name}_split.csv", [["image_id", "image_category", "path"], *part])
    for place in (held_out, set(range(len(rows)))):
        name = "held_out" if place == held_out else "all"
        write_rows(fold / "train" / f"{name}.csv", [header[:2], *(row[:2] for i, row in enumerate(rows) if i in place)])
        write_rows(fold / "train" / f"{name}_answers.csv", [header, *(row for i, row in enumerate(rows) if i in place)])


def scored(model: Path | str, fold: Path, name: str, *options: object) -> tuple[float, int]:
    """The NE, and the number of keypoints that it is the mean of."""
    run("test", "--model", model, "--data", fold / "train" / f"{name}.csv", "--out", fold / name, *options)
    truth, told = fold / "train" / f"{name}_answers.csv", fold / name / "submission.csv"
    score = score_keypoints(read_keypoint_csv(truth), read_keypoint_csv(told))
    return score.ne, score.points


def main(photos: Path, epochs: int = EPOCHS) -> None:
    count = len(read_rows(photos / "answers.csv")) - 1
    if count <= OUT:
        raise SystemExit(f"{photos} has {count} photos; finetuning needs more than {OUT}")
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for first in range(count):
            fold = Path(folder) / str(first)
            split(photos, fold, {(first + n) % count for n in range(OUT)})
            if first == 0:
                before, _ = scored("shipped", fold, "all")
            options = (
                "--size",
                256,
                "--batch-size",
                count - OUT,
                "--epochs",
                epochs,
                "--learning-rate",
                3e-4,
                "--warmup-epochs",
                5,
            )
            options = (*options, "--ema", 0.98, *GENTLE, "--data", fold, "--out", fold / "runs")
            run("train", "--weights", "shipped", "--category", "all", *options)
            found.append(scored(fold / "runs" / "all", fold, "held_out", "--epoch", epochs))
    after = sum(ne * points for ne, points in found) / sum(points for _, points in found)
    report("finetune", f"{count} photos, the shipped network as it is", 100 * before, "% NE")
    report("finetune", f"finetuned on {count - OUT} of them, the others scored", 100 * after, "% NE")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
