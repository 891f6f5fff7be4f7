"""What recipes are made of: steps, each a function of the package in a process of its own, that are done once.

Keras keeps state, and what makes a training repeatable is set before TensorFlow starts. A step can be stopped; run
again, a recipe goes on where it was.
"""

import json
import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from model_cards import REAL_FILES

from aifashion.files import write_atomic
from aifashion.recognition.keypoint_model import CALIBRATION
from aifashion.serve.artifact import MANIFEST, Manifest
from aifashion.serve.shipped import WORD, shipped
from aifashion.top import export
from aifashion.top.arguments import tell

START_FILE = "start.json"
"""The commands that made the shipped classifier from which the next one starts: it is gone once it is replaced."""


@dataclass(frozen=True)
class Step:
    """function, options: what is called, with what. folder, last: once it has ended well, a file in that folder has a
    path of this pattern, which it writes last of all. hint: what else to say where it fails.
    """

    function: Callable[[Sequence[str]], None]
    options: tuple[str | Path, ...]
    folder: Path
    last: str
    hint: str = ""

    @property
    def name(self) -> str:
        """Such as train_attributes.main."""
        return f"{self.function.__module__.rpartition('.')[2]}.{self.function.__name__}"

    @property
    def done(self) -> Path | None:
        """The file that it writes last, where it has ended well."""
        return next(self.folder.glob(self.last), None)


def note_start(work: Path) -> None:
    """Keeps in the folder to work in what made the classifier that ships, when the folder is begun."""
    if not (work / START_FILE).exists():
        write_atomic(work / START_FILE, json.dumps(_made_now(), indent=1))


def made_before(work: Path) -> list[str]:
    """The commands that made the shipped classifier from which the folder was begun."""
    return json.loads((work / START_FILE).read_text(encoding="utf-8"))


def check_start(work: Path, step: Step) -> None:
    """Raises ValueError for a training that starts from the classifier that ships, where that was replaced since, by
    that of this folder or of another one."""
    if WORD not in step.options:
        return
    begun, now = made_before(work), _made_now()
    if now != begun:
        raise ValueError(
            f"{work} was begun from the classifier made by {', '.join(begun)}, but {shipped('attributes')} was made by "
            f"{', '.join(now)} since: put the former back there, or give another --work"
        )


def _made_now() -> list[str]:
    return Manifest.read(shipped("attributes")).source["made_by"]


def check_real(real: Path | None) -> None:
    """Raises FileNotFoundError where a folder of annotated photographs lacks a list."""
    missing = [] if real is None else [name for name in REAL_FILES if not (real / name).is_file()]
    if missing:
        raise FileNotFoundError(f"{real} has no {', '.join(missing)}: annotated photographs need all three")


def training_step(
    function: Callable[[Sequence[str]], None],
    options: tuple[str | Path, ...],
    runs: Path,
    start: tuple[str | Path, ...],
) -> Step:
    """A phase that has begun goes on exactly; its run is calibrated last of all."""
    begun = next(runs.glob("*/states/index.json"), None) is not None
    return Step(function, (*options, *(("--resume",) if begun else start)), runs, f"*/{CALIBRATION}")


def export_step(run: Path, out: Path, data: Path, stage: str, precision: str) -> Step:
    options = (run, "--precision", precision, "--data", data, "--out", out)
    return Step(export.main, options, out, MANIFEST, f" (its --precision is --{stage}-precision here)")


def score_step(function: Callable[[Sequence[str]], None], truth: Path, folder: Path, submission: str) -> Step:
    options = ("--truth", truth, "--predicted", folder / submission, "--json", folder / "score.json")
    return Step(function, options, folder, "score.json")


def run_step(step: Step) -> None:
    """Calls a step's function in a new process.

    Raises ValueError where it fails, after it has said why, or leaves the step undone.
    """
    options = [str(option) for option in step.options]
    tell(f"> {step.name} {' '.join(options)}")
    process = multiprocessing.get_context("spawn").Process(target=step.function, args=(options,))
    process.start()
    try:
        process.join()
    except KeyboardInterrupt:  # the step has it from the terminal as well, and says how to go on
        process.join()
        raise
    if process.exitcode:
        raise ValueError(
            f"{step.name} ended with {process.exitcode}; correct what it says{step.hint} and run the recipe again"
        )
    if step.done is None:
        last = step.folder / step.last
        raise ValueError(
            f"{step.name} ended well without its last file, {last}; see what it says and run the recipe again"
        )


def train_precision(asked: str, cpu: Path = Path("/proc/cpuinfo")) -> str:
    """For `auto` what is faster here: without matrix units (AMX) bfloat16 trains more slowly than float32.

    cpu: where Linux lists what the processor has; elsewhere there is no such file.
    """
    if asked != "auto":
        return asked
    return "bfloat16" if cpu.is_file() and "amx_bf16" in cpu.read_text() else "float32"


def only_run(folder: Path) -> Path:
    """The run of a phase. Raises ValueError where there is none, as in a step that is still to come."""
    runs = sorted(path.parent for path in folder.glob("*/config.json"))
    if not runs:
        raise ValueError(f"no run in {folder}: the phase was not trained; run the recipe again")
    return runs[-1]


def best_weights(run: Path) -> Path:
    """The weights file of the best epoch of a run."""
    return run / "models" / json.loads((run / "best.json").read_text(encoding="utf-8"))["file"]
