"""What commands that recognise photos have in common: networks, boxes, and the scale of lengths.

Keyword-only, so that each command can have options that must be given.
"""

from dataclasses import dataclass
from pathlib import Path

from aifashion.recognition.measuring import ScaleOptions


@dataclass(frozen=True, kw_only=True)
class KeypointArguments:
    model: Path | None = None
    """the keypoint network: shipped (the one that comes with the package; the default), a run folder, a folder of runs
    (its latest finished run is used, never a --debug run), or an artifact"""
    category: str = "auto"
    """the category of all photos; with auto, the network chooses it for each photo"""
    garments: str | None = None
    """which garments of a photo are recognised: all, largest (the one with the largest box) or a number (so many, the
    likeliest first). By default all, if there is --boxes or --detector"""
    boxes: Path | None = None
    """a file with the boxes of the garments, such as a CSV with photo,left,top,right,bottom (docs/data.md). Without
    --garments, --boxes and --detector, every photo is taken as that of one garment"""
    detector: Path | None = None
    """the network that finds the boxes: shipped (the one that comes with the package; the default if there is
    --garments without --boxes), a run folder, a folder of runs, or an artifact; none: no detector"""
    augment: bool = False
    """test-time augmentation of the keypoints: average ten passes, as aifashion test does"""
    scales: tuple[float, ...] = ()
    """average the photo enlarged (above 1) or reduced by these scales as well, each also mirrored, such as 0.8 1.25"""
    gpu_id: str | None = None
    """number of the GPU to use, such as 0; -1 for none; by default the first. Artifacts always run on the processor"""


@dataclass(frozen=True, kw_only=True)
class RecognitionArguments(KeypointArguments):
    attributes: Path | None = None
    """the classifier, given in the same way; by default shipped if the keypoint network is shipped, else none: then
    there are no attributes"""
    measurements: Path | None = None
    """a file with lengths to measure, which adds to those of the network's vocabulary or replaces some: .toml
    (docs/measuring.md), or the .json instructions of GarmentIQ"""
    px_per_cm: float | None = None
    """the scale of all photos: how many px are one cm. With a scale, lengths are given in cm as well"""
    known: str | None = None
    """the scale by a length of the garment that you measured, in cm, such as waist=42"""
    sheet: str | None = None
    """the scale by a sheet of white paper beside the garment, in its plane: a4 or letter"""
    marker: str | None = None
    """the scale by an ArUco marker beside the garment, in its plane: aruco:DICTIONARY:NUMBER:CM, such as
    aruco:4X4_50:7:15"""
    camera: Path | None = None
    """a file with the calibration of the camera (OpenCV's .yml or .json), to undo the distortion of its lens"""

    @property
    def scale_options(self) -> ScaleOptions:
        return ScaleOptions(self.px_per_cm, self.known, self.sheet, self.marker, self.camera)
