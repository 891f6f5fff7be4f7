"""Puts the pair of networks in its place: of each stage artifact, Keras weights and card as one folder.

What lies there may be in use, as the pair of the package is. So both folders are made beside their places first, and
take them by renaming; whoever is stopped in between calls again.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from aifashion.files import replace_folder, write_atomic
from aifashion.serve.artifact import Manifest, Stage, check_replaceable
from aifashion.serve.shipped import CARD, STAGES, WEIGHTS


@dataclass(frozen=True)
class Part:
    """What a stage of the pair is made of.

    artifact: folder that was exported from `run`. weights: the Keras weights file of its best epoch. made_by: the
    commands that made it. card: what MODEL_CARD.md says of a folder with artifact and weights.
    """

    stage: Stage
    artifact: Path
    run: Path
    weights: Path
    made_by: Sequence[str]
    card: Callable[[Path], str]


def check_place(out: Path) -> None:
    """Raises FileExistsError where `out` is no folder, or holds anything that is not a stage's artifact."""
    if out.exists() and not out.is_dir():
        raise FileExistsError(f"{out} is a file; the pair is a folder of {' and '.join(STAGES)}: choose another --out")
    # Hidden folders are left by a call that was cut short.
    strange = sorted(path.name for path in out.glob("[!.]*") if path.name not in STAGES)
    if strange:
        raise FileExistsError(f"{out} holds other things ({', '.join(strange[:5])}); choose another --out")
    for stage in STAGES:
        check_replaceable(out / stage)


def check_source(artifact: Path, run: Path) -> None:
    """Raises ValueError where the artifact was exported from another run, such as one trained again since."""
    source = Manifest.read(artifact).source.get("run")
    if source != run.name:
        raise ValueError(
            f"{artifact} was exported from the run {source}, but the last phase's run is {run}: delete "
            f"{artifact.parent}, which holds what was made with the other, and call weights make again"
        )


def put(out: Path, parts: Sequence[Part]) -> None:
    """Each part as one folder in `out`, in place of an earlier one; no folder there is at any time half of both.

    Raises ValueError for an artifact of another run and FileExistsError for a place that holds other things; then
    `out` is as it was.
    """
    check_place(out)
    for part in parts:
        check_source(part.artifact, part.run)
    ready = {part.stage: _made_beside(out, part) for part in parts}
    for stage, beside in ready.items():
        replace_folder(out / stage, beside)
        for left in out.glob(f".*-{stage}.old"):
            shutil.rmtree(left, ignore_errors=True)


def _made_beside(out: Path, part: Part) -> Path:
    beside = out / f".{part.stage}"
    shutil.rmtree(beside, ignore_errors=True)
    shutil.copytree(part.artifact, beside)
    shutil.copyfile(part.weights, beside / WEIGHTS)
    manifest = Manifest.read(beside)
    manifest.source["made_by"] = list(part.made_by)
    manifest.write(beside)  # the card tells of these files
    write_atomic(beside / CARD, part.card(beside))
    manifest.write(beside)
    return beside
