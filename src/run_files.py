"""What the files of a run folder say, read with care and without Keras; `unet/runs.py` writes them.

Records that a later command believes are sealed: they hold the sha256 of the rest of themselves, so that a changed one
is noticed. Those of earlier versions have no seal and are read all the same.
"""

import csv
import hashlib
import io
import json
import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from .files import SEAL, read_regular, read_regular_text, unsealed

log = logging.getLogger(__name__)
Result = TypeVar("Result")
MODEL_FIELDS, STATE_FIELDS = ("file", "sha256", "epoch", "score"), ("file", "sha256")
BEST_FIELDS = (*MODEL_FIELDS, "calibration_sha256")
"""Of best.json: the entry of the best model, and the digest of the calibration, null before there is one."""
CALIBRATION = "calibration.json"
DATA_FIELDS = ("train", "val", "debug", "photos_sha256")


class RunError(ValueError):
    """A run folder that cannot be used; the message says what is wrong and what to do."""


def read_json(path: Path, mend: str) -> Any:
    """The content of a JSON file. Raises RunError with `mend`, what to do, where it is not JSON; OSError."""
    try:
        return json.loads(read_regular_text(path))
    except (ValueError, RecursionError) as error:
        raise damaged(path, error, mend) from None


@contextmanager
def _damage_named(path: Path, mend: str) -> Iterator[None]:
    """A ValueError within the block becomes the RunError of a damaged file."""
    try:
        yield
    except ValueError as error:
        raise damaged(path, error, mend) from None


def damaged(path: Path, reason: object, mend: str) -> RunError:
    return RunError(f"{path} is damaged ({reason}): {mend}")


def read_config(run: Path) -> str:
    """The text of the run's configuration, without its seal. Raises RunError where `run` is no run folder."""
    path = run / "config.json"
    mend = "restore it from a copy; without it the run cannot be used"
    try:
        record = read_json(path, mend)
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"{run} is not a run folder: it has no config.json") from None
    if not isinstance(record, dict):
        raise damaged(path, "not a configuration", mend)
    try:
        return json.dumps(unsealed(record, older=True), indent=1) + "\n"
    except ValueError as error:
        raise damaged(path, error, f"{mend}. If the change is meant, take {SEAL} out of the file") from None


def read_index(folder: Path, mend: str) -> list[dict[str, Any]]:
    """The entries of a folder's `index.json`, oldest first; none where there is no index.

    Raises RunError where it is not what a training wrote.
    """
    path = folder / "index.json"
    try:
        entries = read_json(path, mend)
    except FileNotFoundError:
        return []
    fields = MODEL_FIELDS if folder.name == "models" else STATE_FIELDS
    with _damage_named(path, mend):
        if not isinstance(entries, list):
            raise ValueError(f"expected a list, found {type(entries).__name__}")
        return [_checked_entry(unsealed(entry, fields, older=True)) for entry in entries]


def read_best(run: Path) -> dict[str, Any] | None:
    """The entry of the best model; None where there is none yet. Raises RunError where it is damaged."""
    path = run / "best.json"
    mend = "delete it; the models are listed in models/index.json as well"
    try:
        record = read_json(path, mend)
    except FileNotFoundError:
        return None
    with _damage_named(path, mend):
        entry = unsealed(record, older=True)
        if not {"epoch", "score"} <= set(entry) <= set(BEST_FIELDS):
            raise ValueError(f"expected the fields {', '.join(BEST_FIELDS)}, found {', '.join(map(str, entry))}")
        if not isinstance(entry.setdefault("calibration_sha256", None), str | None):
            raise ValueError(f"expected a sha256 of {CALIBRATION}, found {entry['calibration_sha256']!r}")
        return _checked_entry({"file": "", "sha256": "", **entry})


def read_calibration_file(run: Path, read: Callable[[dict[str, Any]], Result]) -> Result | None:
    """What `read` makes of the run's calibration; None for a run that was not calibrated yet.

    Raises RunError for a file that is damaged, that is lost, or that is not the one that the run wrote: without it, the
    answers would be others. Earlier versions kept neither a seal in it nor its digest beside it.
    """
    path = run / CALIBRATION
    best = read_best(run)
    digest = None if best is None else best["calibration_sha256"]
    try:
        data = read_regular(path)
    except (FileNotFoundError, NotADirectoryError):
        if digest is None:
            return None
        raise RunError(
            f"{path} is missing, and without it the answers would be others: {calibrate_again(run)}"
        ) from None
    try:
        found = read(unsealed(json.loads(data), older=True))
    except (ValueError, RecursionError) as error:
        raise damaged(path, error, calibrate_again(run)) from None
    if digest not in (None, hashlib.sha256(data).hexdigest()):
        raise RunError(f"{path} is not the one that was written for this run: {calibrate_again(run)}")
    return found


def calibrate_again(run: Path) -> str:
    """What to do where a run's calibration is lost."""
    try:
        kind = json.loads(read_config(run)).get("kind")
    except (OSError, RunError):
        kind = None
    command = {"attributes": "train-attributes", "detection": "train-detection"}.get(str(kind), "train")
    return (
        f"restore it from a copy, or let aifashion {command} --resume --load {run} make it again, with the --data that "
        "it was trained on; of a finished run, this trains no further"
    )


def read_data_facts(run: Path) -> dict[str, Any] | None:
    """What the run says of its data; None of one that did not say it yet. Raises RunError where it is damaged."""
    path = run / "data.json"
    mend = "restore it from a copy, or delete it: a resume then does not notice other data"
    try:
        record = read_json(path, mend)
    except FileNotFoundError:
        return None
    with _damage_named(path, mend):
        facts = unsealed(record, DATA_FIELDS, older=True)
        if type(facts["debug"]) is not bool or type(facts["train"]) is not int or type(facts["val"]) is not int:
            raise ValueError("expected two counts, and whether it is a debug run")
    return facts


def epochs_done(run: Path) -> int | None:
    """The last epoch of `history.csv`, 0 before the first; None without the file. Raises RunError for a damaged one."""
    path = run / "history.csv"
    try:
        reader = csv.DictReader(io.StringIO(read_regular(path).decode("utf-8"), newline=""), strict=True)
        rows = list(reader)
        if (reader.fieldnames or rows) and "epoch" not in (reader.fieldnames or ()):
            raise ValueError("no column epoch")
        for row in rows:
            if None in row or None in row.values():
                raise ValueError(f"row of epoch {row['epoch']}: expected a value for each column")
            [float(value) for value in row.values() if value]
        epochs = [int(row["epoch"]) for row in rows]
        if epochs and (epochs[0] < 1 or epochs != list(range(epochs[0], epochs[0] + len(epochs)))):
            raise ValueError(f"expected epochs one after the other, found {', '.join(map(str, epochs))}")
    except FileNotFoundError:
        return None
    except (ValueError, csv.Error) as error:
        raise damaged(path, error, _HISTORY) from None
    return epochs[-1] if epochs else 0


_HISTORY = "aifashion train --resume --load RUN writes it again from the run's state"


def shortcoming(run: Path) -> str | None:
    """Why the run is not taken unless it is named; None for a finished one. Raises RunError where files are damaged."""
    if not (run / "best.json").is_file() and not (run / "models" / "index.json").is_file():
        return "it has no model yet"
    facts = read_data_facts(run)
    if facts is not None and facts["debug"]:
        return "it is a --debug run"
    asked, done = epochs_asked(run), epochs_done(run)
    if done is not None and asked is not None and done < asked:
        return f"it has trained {done} of {asked} epochs"
    return None


def epochs_asked(run: Path) -> int | None:
    """How many epochs the run was to have; None where its configuration does not say. Raises RunError for no number."""
    asked = json.loads(read_config(run)).get("epochs")
    if asked is not None and (type(asked) is not int or asked < 1):
        mend = "write the number of the training there, or restore the file from a copy"
        raise damaged(run / "config.json", f"epochs = {asked!r} is not a whole number from 1 up", mend)
    return asked


def find_run(path: Path) -> Path:
    """`path` itself where it is a run folder, else the latest run in it. Raises RunError where it is neither."""
    if (path / "config.json").exists():
        return path
    return _runs_in(path)[-1]


def find_trained_run(path: Path) -> Path:
    """A run folder as it is, or the latest finished run in a folder of runs; debug runs are not taken from a folder.

    What is passed over is reported, and so is a run that is named and falls short. Raises RunError where a folder has
    no such run.
    """
    if (path / "config.json").exists():
        reason = _shortcoming_or_damage(path)
        if reason:
            log.warning(f"{path} is used, although {reason}")
        return path
    runs, passed_over = _runs_in(path), []
    for run in reversed(runs):
        reason = _shortcoming_or_damage(run)
        if reason is None:
            if passed_over:
                log.warning(f"{path}: {run.name} is used; newer runs are passed over: {'; '.join(passed_over)}")
            return run
        passed_over.append(f"{run.name}: {reason}")
    shown = "; ".join(passed_over[:3]) + (f"; and {len(passed_over) - 3} more" if len(passed_over) > 3 else "")
    raise RunError(f"{path} has no finished run ({shown}): to use one of them, name the run, as in --model {runs[-1]}")


def _shortcoming_or_damage(run: Path) -> str | None:
    try:
        return shortcoming(run)
    except RunError as error:
        return str(error)


def _runs_in(path: Path) -> list[Path]:
    if path.is_file():
        raise RunError(f"{path} is a file; expected a run folder, which has a config.json, or a folder of runs")
    runs = sorted(config.parent for config in path.glob("*/config.json"))
    if not runs:
        raise RunError(f"no run in {path}: train one first, or name a run folder, which has a config.json")
    return runs


def _checked_entry(entry: dict[str, Any]) -> dict[str, Any]:
    name = entry["file"]
    if type(name) is not str or (name and Path(name).name != name) or type(entry["sha256"]) is not str:
        raise ValueError(f"expected the name of a file and its sha256, found {name!r} and {entry['sha256']!r}")
    if "epoch" in entry:
        score = entry["score"]
        # Earlier versions wrote NaN where there is no score.
        if type(entry["epoch"]) is not int or not (score is None or type(score) in (int, float)):
            raise ValueError(f"expected an epoch and its score, found {entry['epoch']!r} and {score!r}")
        entry["score"] = math.nan if score is None else float(score)
    return entry
