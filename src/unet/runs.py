"""The run folder: where a training keeps its configuration, states, models and history, and finds them again.

    config.json  vocabulary.json  val.log  history.csv  best.json  tensorboard/
    states/      the last two full training states (weights, averages, optimizer), from which a run resumes
    models/      the averaged weights of the best and of the last epochs, as Keras weights files

Every file in states/ and models/ is listed with its sha256 in an `index.json` beside it, written last: a file that
is cut short or changed is noticed, and the one before it is used. Only files that were listed are deleted. What is in
the act of coming or going is listed in `.changing.json`, so that a training that was killed leaves nothing behind.
"""

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
import safetensors
import safetensors.numpy

from ..config import AttributeConfig, DetectionConfig, KeypointConfig
from ..files import atomic_path, open_regular, read_regular, regular, sealed, sweep, write_atomic
from ..run_files import CALIBRATION, read_best, read_index, read_json
from ..run_files import RunError as RunError
from ..run_files import find_run as find_run
from ..run_files import find_trained_run as find_trained_run
from ..run_files import read_config as read_config
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


def new_run(root: Path, category: str, config: KeypointConfig | AttributeConfig | DetectionConfig) -> Path:
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
        write_atomic(run / "config.json", json.dumps(sealed(json.loads(config.to_json())), indent=1) + "\n")
        return run
    raise RunError(f"no free run folder beside {root / category / stamp}")


def read_vocabulary_of(run: Path) -> Vocabulary:
    """The vocabulary that the run keeps; a run of before there were such files has that of FashionAI.

    Raises VocabularyError for a damaged file.
    """
    path = run / VOCABULARY
    return read_vocabulary(path) if path.exists() else older_files_vocabulary()


def read_keypoint_config(run: Path) -> KeypointConfig:
    """Raises RunError where `run` is not a run folder, ValueError where it is not that of a keypoint network."""
    return KeypointConfig.from_json(read_config(run), read_vocabulary_of(run), run / "config.json")


def read_attribute_config(run: Path) -> AttributeConfig:
    """Raises RunError where `run` is not a run folder, ValueError where it is not that of a classifier."""
    return AttributeConfig.from_json(read_config(run), read_vocabulary_of(run), run / "config.json")


def read_detection_config(run: Path) -> DetectionConfig:
    """Raises RunError where `run` is not a run folder, ValueError where it is not that of a detector."""
    return DetectionConfig.from_json(read_config(run), read_vocabulary_of(run), run / "config.json")


def tidy(run: Path) -> None:
    """Deletes what a training of this run left when it was killed. Call it only while the run is locked."""
    for folder in (run / "states", run / "models"):
        if folder.is_dir():
            _finish_change(folder)
            sweep(folder)
    sweep(run)


def save_state(run: Path, state: State) -> None:
    """Keeps the state under its epoch and step, and drops all but the last two. Raises OSError, e.g. on a full disk."""
    folder = run / "states"
    folder.mkdir(exist_ok=True)
    name = f"epoch_{state.progress['epoch']:03d}_step_{state.progress['step']:07d}.safetensors"
    data = safetensors.numpy.save(state.arrays, {"progress": json.dumps(state.progress)})
    entries = read_index(folder, _STATES_LOST.format(run=run))
    kept = [entry for entry in entries if entry["file"] != name]
    kept = [*kept, {"file": name, "sha256": hashlib.sha256(data).hexdigest()}][-KEPT_STATES:]
    _announce_change(folder, entries, name)
    try:
        write_atomic(regular(folder / name), data)
        _write_index(folder, kept)
    finally:
        _finish_change(folder)


def has_state(run: Path) -> bool:
    """Whether the run has kept any state, intact or not. Raises RunError where it must have had one that is lost."""
    folder = run / "states"
    if read_index(folder, _STATES_LOST.format(run=run)):
        return True
    # A training that was killed before its first index leaves the state from before its first step, and nothing else.
    files = sorted(path.name for path in folder.glob("*.safetensors"))
    if len(files) == 1 and files[0].endswith("_step_0000000.safetensors"):
        files = []
    files += sorted(path.name for path in (run / "models").glob("*.weights.h5"))
    if files:
        raise RunError(
            f"{folder / 'index.json'} is missing, but the run has {', '.join(files)}: a resume would start over; "
            f"{_STATES_LOST.format(run=run)}"
        )
    return False


_STATES_LOST = (
    "restore it from a copy, or start a new run from one of the models in {run}/models, with --load FILE, without "
    "--resume"
)
_MODELS_LOST = "restore it from a copy, or name a weights file in this folder, as in aifashion evaluate --load FILE"


def load_state(run: Path, warn) -> State | None:
    """The newest state whose digest matches, else the one before, with a word to `warn`; None where there was none yet.

    Raises RunError where all are damaged or not listed: to start over would overwrite the run's models.
    """
    if not has_state(run):
        return None
    for entry in reversed(read_index(run / "states", _STATES_LOST.format(run=run))):
        path = run / "states" / entry["file"]
        if not _intact(path, entry["sha256"]):
            warn(f"{path} is missing or damaged (its sha256 does not match): falling back to the state before it")
            continue
        with safetensors.safe_open(path, framework="numpy") as file:
            progress = json.loads(file.metadata()["progress"])
            return State({name: file.get_tensor(name) for name in file.keys()}, progress)  # noqa: SIM118
    raise RunError(
        f"{run} has no intact state left: start a new run from one of the models in {run / 'models'}, with "
        "--load FILE, without --resume"
    )


def save_model(run: Path, net: keras.Model, epoch: int, score: float, keep: int) -> None:
    """Keeps the network's weights as the model of `epoch`; the best one and the last `keep` stay."""
    folder = run / "models"
    folder.mkdir(exist_ok=True)
    path = folder / f"epoch_{epoch:03d}.weights.h5"
    before = read_index(folder, _MODELS_LOST)
    entries = [entry for entry in before if entry["epoch"] < epoch]
    entries.append({"file": path.name, "sha256": "", "epoch": epoch, "score": float(score)})
    best = _best_first(entries)[0]
    kept = [entry for entry in entries if entry is best or entry in entries[max(0, len(entries) - keep) :]]
    _announce_change(folder, before, path.name)
    try:
        with atomic_path(regular(path)) as beside:
            net.save_weights(beside)
        entries[-1]["sha256"] = hashlib.sha256(read_regular(path)).hexdigest()
        _write_index(folder, kept)
    finally:
        _finish_change(folder)
    _write_best(run, {**best, "calibration_sha256": None})


@contextmanager
def calibrated(run: Path) -> Iterator[None]:
    """The block writes the run's calibration; best.json keeps its digest, so that a lost one is noticed."""
    best = read_best(run) or next(iter(_best_first(read_index(run / "models", _MODELS_LOST))), None)
    if best is not None:  # a kill within the block leaves no digest of an earlier calibration
        _write_best(run, {**best, "calibration_sha256": None})
    yield
    path = run / CALIBRATION
    if best is not None and path.is_file():
        _write_best(run, {**best, "calibration_sha256": hashlib.sha256(read_regular(path)).hexdigest()})


def best_model(run: Path, warn, epoch: int | None = None) -> SavedModel:
    """The intact model with the lowest score, compared as a number, or that of `epoch`.

    A damaged file is passed over for the next best, with a word to `warn`. Raises RunError where none is left, or a
    list of the models is damaged.
    """
    folder = run / "models"
    entries, other, damage = _best_first(read_index(folder, _MODELS_LOST)), [], []
    read_best(run)  # what others read of it must be sound
    if epoch is not None:
        kept = [entry for entry in entries if entry["epoch"] == epoch]
        if not kept:
            epochs = sorted(entry["epoch"] for entry in entries)
            raise RunError(f"{run} keeps no model of epoch {epoch}; it has those of epochs {epochs}")
        other = [str(entry["epoch"]) for entry in entries if entry["epoch"] != epoch]
        entries = kept
    for entry in entries:
        path = folder / entry["file"]
        if _intact(path, entry["sha256"]):
            return SavedModel(path, entry["epoch"], entry["score"])
        damage.append(f"{path} is {'damaged (its sha256 does not match)' if path.is_file() else 'missing'}")
        if len(damage) < len(entries):
            warn(f"{damage[-1]}: falling back to the next best model")
    if damage:
        others = f", or name another --epoch ({', '.join(other)})" if other else ""
        raise RunError(
            f"{run} has no intact model{'' if epoch is None else f' of epoch {epoch}'}: {'; '.join(damage)}. Restore a "
            f"file from a copy{others}, or train the run anew"
        )
    if not entries and any(folder.glob("*.weights.h5")):
        raise RunError(f"{folder / 'index.json'} is missing, though there are models: {_MODELS_LOST}")
    raise RunError(f"{run} has no usable model yet: train it for at least one epoch, or name another run")


def chosen_weights(run: Path, warn, epoch: int | None = None, weights: Path | None = None) -> tuple[Path, str]:
    """The weights file to predict with, and what it is: `weights` if given, else the best model or that of `epoch`.

    Raises RunError as `best_model`.
    """
    if weights is not None:
        return weights, str(weights)
    model = best_model(run, warn, epoch)
    score = "no validation score" if np.isnan(model.score) else f"validation score {model.score:.4f} (lower is better)"
    return model.path, f"epoch {model.epoch}, {score}"


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
    write_atomic(regular(run / "history.csv"), text.getvalue())
    write_atomic(regular(run / "val.log"), log)


def _best_first(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    # A score that is not a number (an epoch without any scored point) is worse than every number.
    def rank(entry: dict[str, Any]) -> tuple[bool, float, int]:
        score = entry["score"]
        return np.isnan(score), 0.0 if np.isnan(score) else score, -entry["epoch"]

    return sorted(entries, key=rank)


def _record(entry: dict[str, Any]) -> dict[str, Any]:
    """The entry as files have it: JSON has no word for what is not a number."""
    return sealed({name: None if value != value else value for name, value in entry.items()})


def _intact(path: Path, digest: str) -> bool:
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == digest
    except OSError:
        return False


def _write_best(run: Path, entry: dict[str, Any]) -> None:
    write_atomic(regular(run / "best.json"), json.dumps(_record(entry), indent=1) + "\n")


def _write_index(folder: Path, entries: list[dict[str, Any]]) -> None:
    write_atomic(regular(folder / "index.json"), json.dumps([_record(entry) for entry in entries], indent=1) + "\n")


def _announce_change(folder: Path, before: Iterable[dict[str, Any]], new: str) -> None:
    """Lists the files of which some go, and the new one, before anything is written."""
    names = {entry["file"] for entry in before} | {new}
    # Not flushed to the disk: it must outlive the process, not a power cut.
    write_atomic(regular(folder / _CHANGING), json.dumps(sorted(names)) + "\n", flush=False)


def _finish_change(folder: Path) -> None:
    """Deletes, of the files that came or went, those that the index does not list."""
    try:
        names = read_json(folder / _CHANGING, "delete it")
    except FileNotFoundError:
        return
    listed = {entry["file"] for entry in read_index(folder, "restore it from a copy")}
    for name in names if isinstance(names, list) else []:
        if isinstance(name, str) and _OWN_FILE.fullmatch(name) and name not in listed:
            (folder / name).unlink(missing_ok=True)
    (folder / _CHANGING).unlink(missing_ok=True)


_CHANGING = ".changing.json"
_OWN_FILE = re.compile(r"epoch_\d+(_step_\d+\.safetensors|\.weights\.h5)")
