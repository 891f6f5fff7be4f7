"""Training in this process, on little."""

import hashlib
import json
import re
from pathlib import Path

from aifashion.top import train

SMALL = ("--network", "lite", "--size", "64", "--batch-size", "4", "--val-fraction", "0.3")


def train_run(data: Path, output: Path, *words: str) -> Path:
    """The new run folder."""
    before = set(output.glob("*/*"))
    train.main([*SMALL, "--data", str(data), "--out", str(output), *words])
    (run,) = set(output.glob("*/*")) - before
    assert re.fullmatch(r"\d{4}(_\d\d){5}(_\d{3})?", run.name)
    return run


def spoil(photo: Path) -> Path:
    """Cuts a photo short, so that it cannot be read."""
    photo.write_bytes(photo.read_bytes()[:300])
    return photo


def keep_model(run: Path, epoch: int = 1, score: float = 0.5) -> Path:
    """A model file of no network in a run folder, as the best and only one."""
    (run / "models").mkdir(parents=True, exist_ok=True)
    path = run / "models" / f"epoch_{epoch:03d}.weights.h5"
    path.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    entry = {"file": path.name, "sha256": digest, "epoch": epoch, "score": score}
    (run / "models" / "index.json").write_text(json.dumps([entry]))
    (run / "best.json").write_text(json.dumps(entry))
    return path
