"""Measures training and scoring of JingDong's 13 styles and AliProducts' catalogues on synthetic sets in their formats.

    python benchmarks/catalogue_accuracy.py [styles] [products]

Draws the set, fetches it from a local server (styles), trains, predicts and scores by the commands that a user types.
It takes almost an hour on two cores; files that exist already are not made again.
"""

import functools
import http.server
import json
import subprocess
import sys
import threading
from pathlib import Path

from measure import report

HOME = Path(__file__).parents[1]
DATA, RUNS, OUT = HOME / "data", HOME / "trained_models" / "catalogue_accuracy", HOME / "submission"
COMMON = ("--network", "lite", "--batch-size", "32", "--size", "96", "--learning-rate", "0.001")
COMMON = (*COMMON, "--precision", "bfloat16")


def run(*options: object) -> None:
    print("$", *options, flush=True)
    subprocess.run([sys.executable, *map(str, options)], cwd=HOME, check=True)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing."""


def trained(task: str, *options: object) -> Path:
    folder = RUNS / "attributes" / task
    if not any(folder.glob("*/calibration.json")):
        again = ("--resume",) if any(folder.glob("*/states/index.json")) else ()
        run("src/top/train_attributes.py", "--task", task, "--out", RUNS, *options, *again)
    return folder


def scored(kind: str, runs: Path, data: Path, truth: Path, submission: str) -> dict:
    """The score of the predictions for the test set `data`; each photo is predicted as it is and mirrored."""
    run("src/top/test_attributes.py", "--model", runs, "--data", data, "--out", OUT, "--flip")
    result = OUT / f"{kind}_score.json"
    options = ("--truth", truth, "--predicted", OUT / submission, "--json", result)
    run("src/top/cli.py", "score", f"{kind}s", *options)
    return json.loads(result.read_text())


def styles() -> None:
    drawn, shards = DATA / "synthetic_styles", DATA / "synthetic_styles_shards"
    handler = functools.partial(Quiet, directory=str(drawn))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 8765), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        options = ("--count", 6000, "--test-count", 1000, "--size", 128, "--seed", 1, "--workers", 2)
        run("src/top/cli.py", "data", "synth-styles", "--out", drawn, *options, "--url", "http://127.0.0.1:8765")
        for part in ("train", "test"):
            options = ("--out", shards / part, "--allow-private")
            run("src/top/cli.py", "data", "fetch-styles", drawn / f"{part}.txt", *options)
        server.shutdown()
    folder = trained("style", "--data", shards / "train", "--epochs", 8, *COMMON)
    score = scored("style", folder, shards / "test", drawn / "answer.txt", "style_submission.csv")
    report("catalogue_accuracy", "13 styles, 6000 photos of 128 px, lite at 96 px, 8 epochs", 100 * score["f2"], "% F2")


def products() -> None:
    drawn = DATA / "synthetic_products"
    options = ("--count", 8000, "--classes", 200, "--test-count", 1000, "--size", 128, "--seed", 1, "--workers", 2)
    run("src/top/cli.py", "data", "synth-products", "--out", drawn, *options)
    options = (
        "--data",
        drawn,
        "--epochs",
        10,
        "--label-smoothing",
        0.1,
        "--balance",
        0.5,
        "--tag",
        "catalogue",
        *COMMON,
    )
    folder = trained("product", *options)
    score = scored("product", folder, drawn / "test.txt", drawn / "test_answer.txt", "product_submission.txt")
    case = "200 products, 8000 photos of 128 px, lite at 96 px, 10 epochs"
    report("catalogue_accuracy", case, 100 * score["mean_class_error"], "% mean class error")


if __name__ == "__main__":
    parts = {"styles": styles, "products": products}
    for name in sys.argv[1:] or parts:
        if name not in parts:
            raise SystemExit(f"no part called {name}; these are there: {', '.join(parts)}")
        parts[name]()
