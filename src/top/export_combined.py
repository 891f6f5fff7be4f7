"""`aifashion export-combined`: one ONNX file from a photo to the keypoints of all its garments."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from aifashion.data_gen.images import ImageError
from aifashion.data_gen.synthetic.compose import render_scene
from aifashion.files import CHECKOUT
from aifashion.recognition.keypoint_model import check_folder
from aifashion.run_files import find_trained_run
from aifashion.serve.artifact import Manifest, Stage, check_replaceable, is_artifact
from aifashion.serve.shipped import WORD, is_shipped, shipped
from aifashion.tasks.detection import DetectionTask
from aifashion.tasks.kinds import task_kind
from aifashion.top import export
from aifashion.top.arguments import run_command, tell, warn
from aifashion.vocabulary import Vocabulary

MEASURED, DRAWN = 32, 16
"""How many photos the file is compared on: of the data, or drawn ones."""
_DRAWN_SIDE = 512
Precision = Literal["float32", "int8"]


@dataclass(frozen=True)
class Arguments:
    """Export a detector and a keypoint network as one ONNX file: a photo goes in, the keypoints of all its garments
    come out. By default, both are those that come with the package.

    The file needs only ONNX Runtime, in any language. Before it is written, its results are compared with those of this
    package; if they differ too much, it is not written.
    """

    out: Path
    """folder to write: combined.onnx and manifest.json"""
    detector: Path = Path(WORD)
    """a run of a detector, a folder of runs (its latest finished run is used), its artifact for onnx, or shipped"""
    model: Path = Path(WORD)
    """the keypoint network, given in the same way. It must have all categories that the detector finds"""
    limit: int = 20
    """the most garments of a photo in the output; those with the highest probabilities are kept"""
    precision: Precision | None = None
    """number format of a run that is exported here, float32 or int8; by default float32. An artifact keeps its own"""
    data: Path = CHECKOUT / "data"
    """photos with boxes, as for train-detection. The comparison uses its validation photos, or drawn photos if the
    folder has none. For int8 the photos must have keypoints as well: the value ranges of detector and keypoint network
    are taken from them"""
    photos: int = 300
    """for int8: how many training photos are used to find the value ranges"""


def main(arguments: Sequence[str] | None = None) -> None:
    run_command("aifashion export-combined", Arguments, arguments, export_combined)


def export_combined(args: Arguments) -> None:
    from aifashion.serve.combined import MODEL, write_combined
    from aifashion.serve.combined_parts import Parts, check_fit, check_limit

    check_limit(args.limit)
    check_replaceable(args.out)
    check_fit(_vocabulary(args.detector, "detection"), _vocabulary(args.model, "keypoints"))
    with tempfile.TemporaryDirectory() as scratch:
        detector = _artifact(args, args.detector, "detection", Path(scratch))
        keypoints = _artifact(args, args.model, "keypoints", Path(scratch))
        parts = Parts.read(detector, keypoints, args.limit)
        found = write_combined(args.out, parts, _photos(args, parts.detector))
    size = (args.out / MODEL).stat().st_size / 1e6
    tell(f"Wrote {args.out} ({size:.1f} MB): {export.shown(found['differences'])}")


def _vocabulary(path: Path, stage: Stage) -> Vocabulary:
    """Of a run, an artifact, or the shipped network of the stage. Raises ValueError for another stage."""
    if is_shipped(str(path)):
        path = shipped(stage)
    if is_artifact(path):
        manifest = Manifest.read(path)
        if manifest.stage != stage:
            raise ValueError(f"{path} is an artifact of {manifest.stage}; expected one of {stage}")
        return manifest.vocabulary
    check_folder(path)
    run = find_trained_run(path)
    kind = task_kind(run)
    if kind.stage != stage:
        raise ValueError(f"{run} is a run of {kind.stage}; expected one of {stage}")
    return kind.config_of(run).vocabulary


def _artifact(args: Arguments, path: Path, stage: Stage, scratch: Path) -> Path:
    """The folder of an artifact for onnx, made if it is not one."""
    if is_artifact(path):
        found = Manifest.read(path).precision
        if args.precision not in (None, found):
            raise ValueError(f"{path} is in {found}, not in {args.precision}: leave --precision out, or name the run")
        return path
    out = scratch / stage
    words = export.Arguments(
        path, format="onnx", precision=args.precision or "float32", data=args.data, photos=args.photos
    )
    made = export.export_stage(words, stage, out)
    tell(f"{path}: {stage} in {made.precision}, compared with the run: {export.shown(made.differences)}")
    return out


def _photos(args: Arguments, detector: Manifest) -> list[np.ndarray]:
    """Validation photos with boxes, or drawn ones: whether two computations agree shows on any photo."""
    task = DetectionTask(detector.detection_config)
    try:
        val = task.few(task.parts(args.data)[1], MEASURED)
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        tell(f"no photos with boxes in {args.data}: compared on drawn ones ({reason})")
        return [render_scene(np.random.default_rng([7, n]), _DRAWN_SIDE).image for n in range(DRAWN)]
    photos = []
    for index in range(len(val)):
        try:
            photos.append(task.photo(val, index))
        except ImageError as error:
            warn(f"cannot be read: {error}")
    return photos
