"""`aifashion runs`: lists what has been trained, and deletes what is no longer needed, without loading Keras."""

import json
import math
import os
import re
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from aifashion.files import locked, read_regular_text
from aifashion.run_files import RunError, epochs_done, read_best, read_config, read_data_facts
from aifashion.top.arguments import CHECKOUT, console, one_line, run_command, tell, warn

Result = TypeVar("Result")
_STAMP = re.compile(r"\d{4}(_\d\d){5}(_\d{3})?")
_FIELDS = (("category", "task"), ("network", "model"), ("size",))  # as the kinds of configurations call them
_TYPES = {
    **dict.fromkeys(("epochs", "size"), (int, "a whole number")),
    **dict.fromkeys(("tag", "category", "task", "network", "model"), (str, "a text")),
}
_RECENT = 600  # seconds; where open files cannot be seen, a run that was written to since can still be running


@dataclass(frozen=True)
class ListArguments:
    """List the runs: kind, task, network, epochs done, best score, tag and folder."""

    folder: Path = CHECKOUT / "trained_models"
    """folder to search, with its subfolders"""
    tag: str | None = None
    """list only the runs with this tag; by default all runs"""


@dataclass(frozen=True)
class ClearArguments:
    """Delete all runs that have a tag. The command asks before it deletes."""

    tag: str
    """the tag, as given to the training with --tag"""
    folder: Path = CHECKOUT / "trained_models"
    """folder to search, with its subfolders"""
    yes: bool = False
    """delete without asking"""


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder. epochs: done of how many, 0 where the configuration does not say. best: score and epoch, if a model
    was kept. size: bytes."""

    folder: Path
    config: dict[str, Any]
    epochs: tuple[int, int]
    best: tuple[float, int] | None
    running: bool
    size: int
    debug: bool = False

    @property
    def tag(self) -> str:
        return str(self.config.get("tag") or "")


def list_runs(arguments: Sequence[str] | None = None) -> None:
    def show(args: ListArguments) -> None:
        runs = [run for run in find_runs(args.folder) if args.tag in (None, run.tag)]
        if runs:
            tell(_table(runs, args.folder))
        else:
            tell(f"No runs{'' if args.tag is None else f' with tag {args.tag!r}'} in {args.folder}")

    run_command("aifashion runs list", ListArguments, arguments, show)


def clear(arguments: Sequence[str] | None = None) -> None:
    run_command("aifashion runs clear", ClearArguments, arguments, _clear)


def find_runs(root: Path) -> list[Run]:
    """The runs below `root`, in the order of their paths. Links are not followed.

    A run is a folder with a `config.json` that says what kind of run it is; `root` itself is none, nor is a folder in
    which other runs lie. Raises FileNotFoundError where there is no folder `root`.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"no folder {root}")
    found, opened = [], _open_files()
    for folder, children, names in os.walk(root):
        here = Path(folder)
        children[:] = sorted(name for name in children if not name.startswith("."))
        config = _run_config(here) if "config.json" in names and here != root else None
        if config is not None:
            children.clear()
            found.append(_read_run(here, config, opened))
    return found


def _clear(args: ClearArguments) -> None:
    if not args.tag.strip():
        raise ValueError("an empty --tag would mean every run without one; name the tag of the runs to delete")
    runs = find_runs(args.folder)
    chosen = [run for run in runs if run.tag == args.tag]
    if not chosen:
        there = ", ".join(map(one_line, sorted({run.tag for run in runs} - {""}))) or "none"
        raise ValueError(f"no run with tag {args.tag!r} in {args.folder}; tags there: {there}")
    tell(_table(chosen, args.folder))
    if not args.yes and not _agreed(f"Delete {len(chosen)} runs, {_megabytes(sum(run.size for run in chosen))} MB?"):
        tell("Nothing deleted")
        return
    deleted = []
    # Looked at once more: a run can have changed before the answer came.
    for run in find_runs(args.folder):
        if run.tag != args.tag or run.folder not in [other.folder for other in chosen]:
            continue
        if run.running:
            warn(f"left alone, as it seems to be running: {run.folder}")
            continue
        try:
            with locked(run.folder):
                pass
        except BlockingIOError:  # a training on another machine, or where open files cannot be seen
            warn(f"left alone, as a training is at work in it: {run.folder}")
            continue
        _delete(run.folder)
        deleted.append(run)
    tell(f"Deleted {len(deleted)} of {len(chosen)} runs, {_megabytes(sum(run.size for run in deleted))} MB")
    if not deleted:
        raise ValueError("no run was deleted")


def _agreed(question: str) -> bool:
    try:
        return console.input(f"{question} [y/N] ", markup=False).strip().lower() in ("y", "yes")
    except EOFError:
        raise ValueError("nobody is there to answer: give --yes to delete without asking") from None


def _delete(folder: Path) -> None:
    # The configuration last, so that what is left of a deletion that was cut short is still found as a run.
    for path in sorted(folder.iterdir(), key=lambda path: path.name == "config.json"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    folder.rmdir()


def _run_config(folder: Path) -> dict[str, Any] | None:
    """The configuration of the run in `folder`; None where that is no run folder."""
    if any(_STAMP.fullmatch(path.parent.name) for path in folder.glob("*/**/config.json")):
        return None
    config = _read_json(folder / "config.json")
    if not isinstance(config, dict) or not isinstance(config.get("kind"), str):
        warn(f"passed over, not the configuration of a run: {folder / 'config.json'}")
        return None
    _or_warn(read_config, folder)  # whether it was changed
    for name, (kind, expected) in _TYPES.items():
        if name in config and type(config[name]) is not kind:
            warn(f"{folder / 'config.json'}: {name} = {config.pop(name)!r:.80} is not {expected}; listed as unknown")
    return config


def _read_run(folder: Path, config: dict[str, Any], opened: Sequence[str] | None) -> Run:
    files = [Path(where) / name for where, _, names in os.walk(folder) for name in names]
    states = [state for path in files if (state := _stat(path)) is not None]
    done, asked = _or_warn(epochs_done, folder) or 0, config.get("epochs", 0)
    if opened is None:
        newest = max((state.st_mtime for state in states), default=0.0)
        running = done < asked and newest > time.time() - _RECENT
    else:
        inside = os.path.join(os.path.realpath(folder), "")  # noqa: PTH118
        running = any(path.startswith(inside) for path in opened)
    size = sum(state.st_size for state in states)
    entry, facts = _or_warn(read_best, folder), _or_warn(read_data_facts, folder)
    best = None if entry is None else (entry["score"], entry["epoch"])
    return Run(folder, config, (done, asked), best, running, size, facts is not None and facts["debug"])


def _or_warn(read: Callable[[Path], Result], folder: Path) -> Result | None:
    """What a file of a run says; None for a damaged one, with a warning that names it."""
    try:
        return read(folder)
    except (OSError, RunError) as error:
        warn(str(error))
        return None


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except FileNotFoundError:  # a run that goes on replaces its files
        return None


def _read_json(path: Path) -> Any:
    try:
        return json.loads(read_regular_text(path))
    except (OSError, ValueError, RecursionError):
        return None


def _open_files() -> list[str] | None:
    """What all processes have open, where the system shows it (Linux); a training holds its TensorBoard file open."""
    processes = Path("/proc")
    if not (processes / "self" / "fd").is_dir():
        return None
    found = []
    for process in processes.glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or belongs to someone else
            for link in (process / "fd").iterdir():
                with suppress(OSError):  # closed in between
                    found.append(str(link.readlink()))
    return found


def _table(runs: Sequence[Run], root: Path) -> str:
    """Aligned columns; the folder comes last, since it can be long."""
    rows: list[tuple[str, ...]] = [
        ("kind", "task", "network", "size", "epochs", "best (epoch)", "state", "tag", "MB", "folder")
    ]
    for run in runs:
        config, (done, asked) = run.config, run.epochs
        state = "running" if run.running else "debug" if run.debug else "stopped" if done < asked else "finished"
        state = "unknown" if asked < 1 and state == "finished" else state
        best = "-" if run.best is None or math.isnan(run.best[0]) else f"{run.best[0]:.4f} ({run.best[1]})"
        task, network, size = (_first(config, *names) for names in _FIELDS)
        epochs, tag, space = f"{done}/{asked if asked > 0 else '?'}", run.tag or "-", _megabytes(run.size)
        folder = run.folder.relative_to(root).as_posix()
        cells = (config["kind"], task, network, size, epochs, best, state, tag, space, folder)
        rows.append(tuple(map(one_line, cells)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def _first(config: dict[str, Any], *names: str) -> str:
    return str(next((config[name] for name in names if name in config), "-"))


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f}"
