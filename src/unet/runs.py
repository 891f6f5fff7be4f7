"""The run folder: where a training keeps its configuration, states, models and history, and finds them again.

    config.json  vocabulary.json  val.log  history.csv  best.json  tensorboard/
    states/      the last two full training states (weights, averages, optimizer), from which a run resumes
    models/      the averaged weights of the best and of the last epochs, as Keras weights files

Every file in states/ and models/ is listed with its sha256 in an `index.json` beside it, written last: a file that
is cut short or changed is noticed, and the one before it is used.
"""

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
import safetensors
import safetensors.numpy

from ..config import AttributeConfig, KeypointConfig
from ..files import atomic_path, write_atomic
from ..vocabulary import Vocabulary, older_files_vocabulary, read_vocabulary
from .backbones.weights import WeightsError, load_file

KEPT_STATES = 2
VOCABULARY = "vocabulary.json"
"""In a run folder: the names of what its network was trained for, in the order of its outputs."""


@dataclass(frozen=True, slots=True)
class State:
    """A training state: arrays by name, and what is counted: epoch, step within it and the history so far."""

    arrays: dict[str, np.ndarray]
    progress: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SavedModel:
    """A model of one epoch: the file, its epoch and its score (lower is better)."""

    path: Path
    epoch: int
    score: float


class RunError(ValueError):
    """A run folder that cannot be used; the message says what is wrong and what to do."""


def new_run(root: Path, category: str, config: KeypointConfig | AttributeConfig) -> Path:
    """Makes `root/category/YYYY_mm_dd_HH_MM_SS` with the configuration and the vocabulary in it; a taken name gets a
    number."""
    stamp = datetime.now().strftime("%Y_%m_%d_%H_%M_%S")
    for attempt in range(1000):
        run = root / category / (stamp if attempt == 0 else f"{stamp}_{attempt:03d}")
        try:
            run.mkdir(parents=True)
        except FileExistsError:
            continue
        write_atomic(run / VOCABULARY, json.dumps(config.vocabulary.to_json(), indent=1) + "\n")
        # Last: a folder with it is a run.
        write_atomic(run / "config.json", config.to_json())
        return run
    raise RunError(f"no free run folder beside {root / category / stamp}")


def find_run(path: Path) -> Path:
    """`path` itself where it is a run folder, else the latest run in it. Raises RunError where it is neither."""
    if (path / "config.json").is_file():
        return path
    runs = sorted(config.parent for config in path.glob("*/config.json"))
    if not runs:
        raise RunError(f"no run in {path}: train one first, or name a run folder, which has a config.json")
    return runs[-1]


def find_trained_run(path: Path) -> Path:
    """As `find_run`, but of the runs in a folder the latest that has a best model; where none has one, the latest.

    For what needs a trained network: a run in its first epoch does not hide those before it. Resumes take `find_run`.
    """
    if (path / "config.json").is_file():
        return path
    trained = sorted(best.parent for best in path.glob("*/best.json") if (best.parent / "config.json").is_file())
    return trained[-1] if trained else find_run(path)


def read_config(run: Path) -> str:
    """The text of the run's configuration. Raises RunError where `run` is no run folder."""
    try:
        return (run / "config.json").read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"{run} is not a run folder: it has no config.json") from None
    except UnicodeDecodeError as error:
        raise RunError(f"{run / 'config.json'} is not UTF-8 text: {error.reason} at byte {error.start}") from None


def read_vocabulary_of(run: Path) -> Vocabulary:
    """The vocabulary that the run keeps; a run of before there were such files has that of FashionAI.

    Raises VocabularyError for a damaged file.
    """
    path = run / VOCABULARY
    return read_vocabulary(path) if path.is_file() else older_files_vocabulary()


def read_keypoint_config(run: Path) -> KeypointConfig:
    """Raises RunError where `run` is not a run folder, ValueError where it is not that of a keypoint network."""
    return KeypointConfig.from_json(read_config(run), read_vocabulary_of(run), run / "config.json")


def read_attribute_config(run: Path) -> AttributeConfig:
    """Raises RunError where `run` is not a run folder, ValueError where it is not that of a classifier."""
    return AttributeConfig.from_json(read_config(run), read_vocabulary_of(run), run / "config.json")


def save_state(run: Path, state: State) -> None:
    """Keeps the state under its epoch and step, and drops all but the last two. Raises OSError, e.g. on a full disk."""
    folder = run / "states"
    folder.mkdir(exist_ok=True)
    name = f"epoch_{state.progress['epoch']:03d}_step_{state.progress['step']:07d}.safetensors"
    data = safetensors.numpy.save(state.arrays, {"progress": json.dumps(state.progress)})
    write_atomic(folder / name, data)
    entries = [entry for entry in _read_index(folder) if entry["file"] != name]
    entries.append({"file": name, "sha256": hashlib.sha256(data).hexdigest()})
    _write_index(folder, entries[-KEPT_STATES:])


def has_state(run: Path) -> bool:
    """Whether the run has kept any state, intact or not."""
    return bool(_read_index(run / "states"))


def load_state(run: Path, warn) -> State | None:
    """The newest state whose digest matches, else the one before, with a word to `warn`; None where there was none yet.

    Raises RunError where all are damaged: to start over would overwrite the run's models.
    """
    for entry in reversed(_read_index(run / "states")):
        path = run / "states" / entry["file"]
        if not _intact(path, entry["sha256"]):
            warn(f"{path} is missing or damaged (its sha256 does not match): falling back to the state before it")
            continue
        with safetensors.safe_open(path, framework="numpy") as file:
            progress = json.loads(file.metadata()["progress"])
            return State({name: file.get_tensor(name) for name in file.keys()}, progress)  # noqa: SIM118
    if has_state(run):
        raise RunError(
            f"{run} has no intact state left: start a new run from one of the models in {run / 'models'}, with "
            "--load FILE, without --resume"
        )
    return None


def save_model(run: Path, net: keras.Model, epoch: int, score: float, keep: int) -> None:
    """Keeps the network's weights as the model of `epoch`; the best one and the last `keep` stay."""
    folder = run / "models"
    folder.mkdir(exist_ok=True)
    path = folder / f"epoch_{epoch:03d}.weights.h5"
    with atomic_path(path) as beside:
        net.save_weights(beside)
    entries = [entry for entry in _read_index(folder) if entry["epoch"] < epoch]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    # JSON has no word for what is not a number.
    known = None if np.isnan(score) else float(score)
    entries.append({"file": path.name, "sha256": digest, "epoch": epoch, "score": known})
    best = _best_first(entries)[0]
    last = entries[max(0, len(entries) - keep) :]
    _write_index(folder, [entry for entry in entries if entry is best or entry in last])
    write_atomic(run / "best.json", json.dumps(best, indent=1) + "\n")


def best_model(run: Path, warn, epoch: int | None = None) -> SavedModel:
    """The intact model with the lowest score, compared as a number, or that of `epoch`.

    A damaged file is passed over for the next best, with a word to `warn`. Raises RunError where none is left.
    """
    folder = run / "models"
    entries = _best_first(_read_index(folder))
    if epoch is not None:
        kept = [entry for entry in entries if entry["epoch"] == epoch]
        if not kept:
            epochs = sorted(entry["epoch"] for entry in entries)
            raise RunError(f"{run} keeps no model of epoch {epoch}; it has those of epochs {epochs}")
        entries = kept
    for entry in entries:
        path = folder / entry["file"]
        if _intact(path, entry["sha256"]):
            return SavedModel(path, entry["epoch"], _number(entry["score"]))
        warn(f"{path} is missing or damaged (its sha256 does not match): falling back to the next best model")
    raise RunError(f"{run} has no usable model yet: train it for at least one epoch, or name another run")


def chosen_weights(run: Path, warn, epoch: int | None = None, weights: Path | None = None) -> tuple[Path, str]:
    """The weights file to predict with, and what it is: `weights` if given, else the best model or that of `epoch`.

    Raises RunError as `best_model`.
    """
    if weights is not None:
        return weights, str(weights)
    model = best_model(run, warn, epoch)
    return model.path, f"epoch {model.epoch}, validation score {model.score:.4f} (lower is better)"


def load_weights(net: keras.Model, path: Path) -> None:
    """Loads a Keras weights file into the network. Raises RunError where it belongs to another network."""
    try:
        load_file(net, path)
    except WeightsError as error:
        hint = "; it comes from another network or set of categories" if path.is_file() else ""
        raise RunError(f"{error}{hint}") from None


def write_history(run: Path, history: Sequence[dict[str, Any]], log: str) -> None:
    """Writes history.csv, a row an epoch, and val.log. Both follow from the history, so a resumed run repairs them."""
    text = io.StringIO()
    if history:
        # An epoch that was not validated has fewer columns than the others.
        names = dict.fromkeys(name for row in history for name in row)
        writer = csv.DictWriter(text, fieldnames=list(names), lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
    write_atomic(run / "history.csv", text.getvalue())
    write_atomic(run / "val.log", log)


def _best_first(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    # A score that is not a number (an epoch without any scored point) is worse than every number.
    def rank(entry: dict[str, Any]) -> tuple[bool, float, int]:
        score = _number(entry["score"])
        return np.isnan(score), 0.0 if np.isnan(score) else score, -entry["epoch"]

    return sorted(entries, key=rank)


def _number(score: float | None) -> float:
    return float("nan") if score is None else score


def _intact(path: Path, digest: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == digest
    except OSError:
        return False


def _read_index(folder: Path) -> list[dict[str, Any]]:
    try:
        return json.loads((folder / "index.json").read_text())
    except FileNotFoundError:
        return []
    except json.JSONDecodeError as error:
        raise RunError(f"{folder / 'index.json'} is damaged ({error}): delete the folder to start anew") from None


def _write_index(folder: Path, entries: list[dict[str, Any]]) -> None:
    """The index first, then away with the files that it no longer lists."""
    write_atomic(folder / "index.json", json.dumps(entries, indent=1) + "\n")
    listed = {entry["file"] for entry in entries} | {"index.json"}
    for path in folder.iterdir():
        if path.name not in listed:
            path.unlink(missing_ok=True)
