"""Installs networks: artifact, compact Keras weights and card of each stage in one folder.

The networks there can be in use, as those of the package are. So all folders are first made beside the others and then
renamed. If this is stopped in between, run it again.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from aifashion.files import atomic_path, replace_folder, write_atomic
from aifashion.serve.artifact import Manifest, Stage, check_replaceable
from aifashion.serve.shipped import CARD, STAGES, WEIGHTS


@dataclass(frozen=True)
class Part:
    """What the folder of a stage consists of.

    artifact: folder that was exported from `run`. weights: the Keras weights file of its best epoch. made_by: the
    commands that made it. card: function from a folder with artifact and weights to the text of MODEL_CARD.md.
    """

    stage: Stage
    artifact: Path
    run: Path
    weights: Path
    made_by: Sequence[str]
    card: Callable[[Path], str]


def check_out(out: Path) -> None:
    """Raises FileExistsError if `out` is not a folder, or contains anything except artifacts of the stages."""
    if out.exists() and not out.is_dir():
        raise FileExistsError(f"{out} is a file; expected a folder of {', '.join(STAGES)}: choose another --out")
    # Hidden folders are left over from a call that was stopped.
    others = sorted(path.name for path in out.glob("[!.]*") if path.name not in STAGES)
    if others:
        raise FileExistsError(f"{out} holds other things ({', '.join(others[:5])}); choose another --out")
    for stage in STAGES:
        check_replaceable(out / stage)


def check_source(artifact: Path, run: Path) -> None:
    """Raises ValueError if the artifact was exported from another run, such as a later training."""
    source = Manifest.read(artifact).source.get("run")
    if source != run.name:
        raise ValueError(
            f"{artifact} was exported from the run {source}, but the last phase's run is {run}: delete "
            f"{artifact.parent}, which holds what was made with the other, and run the recipe again"
        )


def install(out: Path, parts: Sequence[Part]) -> None:
    """Puts each part as a folder into `out`, replacing an earlier one; no folder there is ever a mix of both.

    Raises ValueError for an artifact of another run and FileExistsError if `out` contains other things; then `out`
    stays unchanged.
    """
    check_out(out)
    for part in parts:
        check_source(part.artifact, part.run)
    ready = {part.stage: _made_beside(out, part) for part in parts}
    for stage, beside in ready.items():
        replace_folder(out / stage, beside)
        for left in out.glob(f".*-{stage}.old"):
            shutil.rmtree(left, ignore_errors=True)


def write_weights(weights: Path, folder: Path) -> None:
    """Writes the compact form of a weights file, Keras's or compact, beside the artifact in `folder`."""
    from aifashion.unet.compact_weights import whole_weights, write_compact

    with whole_weights(weights) as whole, atomic_path(folder / WEIGHTS) as beside:
        write_compact(whole, folder, beside)


def _made_beside(out: Path, part: Part) -> Path:
    beside = out / f".{part.stage}"
    shutil.rmtree(beside, ignore_errors=True)
    shutil.copytree(part.artifact, beside)
    write_weights(part.weights, beside)
    manifest = Manifest.read(beside)
    manifest.source["made_by"] = list(part.made_by)
    manifest.write(beside)  # the card describes these files
    write_atomic(beside / CARD, part.card(beside))
    manifest.write(beside)
    return beside
