"""Steps of recipes: each calls a function of the package in its own process, and is done only once.

Keras keeps state, and settings for repeatable trainings must be made before TensorFlow starts. A step can be stopped;
another call of the recipe continues there.
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
"""The commands that made the shipped classifier from which the next one starts; installing the next one loses them."""


@dataclass(frozen=True)
class Step:
    """function, options: the function to call, and its options. folder, last: folder, and path pattern in it, of the
    file that the step writes last when it succeeds. hint: addition to the error message.
    """

    function: Callable[[Sequence[str]], None]
    options: tuple[str | Path, ...]
    folder: Path
    last: str
    hint: str = ""

    @property
    def name(self) -> str:
        """Module and function, such as train_attributes.main."""
        return f"{self.function.__module__.rpartition('.')[2]}.{self.function.__name__}"

    @property
    def done(self) -> Path | None:
        """The file that the step writes last, if it has succeeded."""
        return next(self.folder.glob(self.last), None)


def note_start(work: Path) -> None:
    """Records in a new work folder which commands made the shipped classifier."""
    if not (work / START_FILE).exists():
        write_atomic(work / START_FILE, json.dumps(_made_now(), indent=1))


def made_before(work: Path) -> list[str]:
    """The commands that made the shipped classifier when the folder was begun."""
    return json.loads((work / START_FILE).read_text(encoding="utf-8"))


def check_start(work: Path, step: Step) -> None:
    """Raises ValueError for a training that starts from the shipped classifier, if that was replaced since by one made
    in this folder or another."""
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
    """Raises FileNotFoundError if a folder of annotated photographs lacks a list."""
    missing = [] if real is None else [name for name in REAL_FILES if not (real / name).is_file()]
    if missing:
        raise FileNotFoundError(f"{real} has no {', '.join(missing)}: annotated photographs need all three")


def training_step(
    function: Callable[[Sequence[str]], None],
    options: tuple[str | Path, ...],
    runs: Path,
    start: tuple[str | Path, ...],
) -> Step:
    """A training step; a stopped phase resumes exactly. The run is calibrated at the end."""
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

    Raises ValueError if it fails, after it has printed why, or ends without its last file.
    """
    options = [str(option) for option in step.options]
    tell(f"> {step.name} {' '.join(options)}")
    process = multiprocessing.get_context("spawn").Process(target=step.function, args=(options,))
    process.start()
    try:
        process.join()
    except KeyboardInterrupt:  # the step gets it from the terminal, too, and prints how to resume
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
    """The precision for `auto`: without matrix units (AMX), bfloat16 trains more slowly than float32.

    cpu: file in which Linux lists the processor's features; other systems have none.
    """
    if asked != "auto":
        return asked
    return "bfloat16" if cpu.is_file() and "amx_bf16" in cpu.read_text() else "float32"


def only_run(folder: Path) -> Path:
    """The run of a phase. Raises ValueError if there is none, as before its step is done."""
    runs = sorted(path.parent for path in folder.glob("*/config.json"))
    if not runs:
        raise ValueError(f"no run in {folder}: the phase was not trained; run the recipe again")
    return runs[-1]


def best_weights(run: Path) -> Path:
    """The weights file of the best epoch of a run."""
    return run / "models" / json.loads((run / "best.json").read_text(encoding="utf-8"))["file"]
