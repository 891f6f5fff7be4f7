"""Measures how much corrected photos help, by their number and by how they are chosen.

    python benchmarks/active_learning.py --laid CLONE --start RUN

CLONE: a clone of github.com/alexeygrigorev/clothing-dataset-small. RUN: a keypoint network that has not seen these
photos, such as the best run of recipes/drawn_networks.py. The shipped network was trained on them: use it for a trial
only. The photos are chosen from the part `learn` of data/photographs, at random or by the start network, which sees no
annotation (`aifashion data preannotate --budget`). The start network is finetuned on them with their annotations, as
if people had corrected them. The NE is measured after the last epoch on photos of the senders of `report`; nothing is
selected by it. With --repeats, the mean over that many choices and trainings is reported.
"""

import argparse
import csv
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from finetune import GENTLE, read_rows, run, write_rows
from measure import report

from aifashion.data_gen.formats.fashionai import read_keypoint_csv
from aifashion.data_gen.photographs import ANSWER, join_photographs
from aifashion.eval.keypoint_metrics import score_keypoints
from aifashion.files import link_or_copy
from aifashion.run_files import find_trained_run
from aifashion.serve.shipped import is_shipped

HOME = Path(__file__).parents[1]
COUNTS = (25, 50, 100, 200)
BATCH = 16
Rows = Sequence[list[str]]
"""Rows of a list of photos, without its header; the first cell is the photo's name."""


def start_options(start: str) -> list[object]:
    """Options of a training that continues from the network."""
    if is_shipped(start):
        return ["--weights", "shipped"]
    from aifashion.unet.runs import read_keypoint_config  # Keras loads here

    found = find_trained_run(Path(start))
    config = read_keypoint_config(found)
    return ["--load", found, "--network", config.network, "--size", config.size]


def at_random(pool: Rows, count: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [pool[int(index)][0] for index in rng.choice(len(pool), count, replace=False)]


class Actively:
    """Chooses photos as the command does for a user who has photos and no annotation."""

    def __init__(self, start: str, joined: Path, work: Path) -> None:
        self.start, self.joined, self.work = start, joined, work

    def __call__(self, pool: Rows, count: int, seed: int) -> list[str]:
        listed = write_rows(self.work / "pool.txt", [[str(self.joined / "train" / row[0])] for row in pool])
        out = self.work / f"{count}_{seed}.csv"
        options = ("--model", self.start, "--budget", count, "--seed", seed, "--to", "fashionai", "--out", out)
        run("data", "preannotate", listed, *options)
        # The list names photos relative to the folder with all of them.
        with out.open(newline="", encoding="utf-8") as file:
            ends = [row["image_id"] for row in csv.DictReader(file)]
        if len(ends) < count:
            raise SystemExit(f"the start network finds garments in {len(ends)} photos; {count} were to be chosen")
        return [next(row[0] for row in pool if f"/{row[0]}".endswith(f"/{end}")) for end in ends]


def write_fold(joined: Path, fold: Path, chosen: Sequence[str], validation: Rows) -> None:
    """Writes a data folder of the chosen photos; the validation photos are only for the log."""
    header, *rows = read_rows(joined / "train" / "Annotations" / "train.csv")
    rows_of = {row[0]: row for row in rows}
    parts = {"train": list(chosen), "val": [row[0] for row in validation]}
    names = [name for part in parts.values() for name in part]
    write_rows(fold / "train" / "Annotations" / "train.csv", [header, *(rows_of[name] for name in names)])
    for name in names:
        link_or_copy(joined / "train" / name, fold / "train" / name)
    for part, members in parts.items():
        split = [[*rows_of[name][:2], f"train/{name}"] for name in members]
        write_rows(fold / f"{part}_split.csv", [["image_id", "image_category", "path"], *split])


def error(model: Path | str, joined: Path, listed: Path, out: Path, *options: object) -> float:
    """The NE of the listed photos in percent, with given categories."""
    run("test", "--model", model, "--data", listed, "--out", out, *options)
    wanted = {row[0] for row in read_rows(listed)[1:]}
    truth = [sample for sample in read_keypoint_csv(joined / ANSWER) if sample.image_id in wanted]
    return 100 * score_keypoints(truth, read_keypoint_csv(out / "submission.csv")).ne


def finetuned(args: argparse.Namespace, joined: Path, fold: Path, listed: Path, count: int) -> float:
    """The NE in percent after a training on the fold."""
    options = ("--batch-size", min(BATCH, count), "--epochs", args.epochs, "--val-freq", args.epochs)
    options = (*options, "--learning-rate", 3e-4, "--warmup-epochs", args.epochs // 12, "--ema", 0.98, *GENTLE)
    run("train", *start_options(args.start), "--category", "all", *options, "--data", fold, "--out", fold / "runs")
    return error(fold / "runs" / "all", joined, listed, fold / "answers", "--epoch", args.epochs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--laid", type=Path, required=True, help="clone of clothing-dataset-small")
    parser.add_argument("--start", required=True, help="run folder of the network to start from; shipped for a trial")
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS, help="how many photos are corrected")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=1, help="choices and trainings of each count")
    parser.add_argument("--few", type=int, default=None, help="for a trial: only so many photos of each part")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        joined = work / "joined"
        join_photographs(HOME / "data" / "photographs", args.laid, joined)
        pool, validation = (read_rows(joined / f"{part}_split.csv")[1:][: args.few] for part in ("train", "val"))
        header, *reported = read_rows(joined / "test" / "test.csv")
        listed = write_rows(joined / "test" / "reported.csv", [header, *reported[: args.few]])
        too_many = [count for count in args.counts if not 0 < count <= len(pool)]
        if too_many:
            raise SystemExit(f"--counts {too_many[0]}: there are {len(pool)} photos to choose from")
        report("active_learning", "no photo, the start network", error(args.start, joined, listed, work / "0"), "% NE")
        ways: dict[str, Callable[[Rows, int, int], list[str]]] = {
            "at random": at_random,
            "actively": Actively(args.start, joined, work),
        }
        for count in args.counts:
            for number, (way, choose) in enumerate(ways.items()):
                errors = []
                for seed in range(args.repeats):
                    fold = work / f"{count}_{number}_{seed}"
                    write_fold(joined, fold, choose(pool, count, seed), validation)
                    errors.append(finetuned(args, joined, fold, listed, count))
                report("active_learning", f"{count} photos chosen {way}", float(np.mean(errors)), "% NE")


if __name__ == "__main__":
    main()
