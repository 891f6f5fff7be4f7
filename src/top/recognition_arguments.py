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
    """which garments of a photo are recognised: all, largest (the one with the largest box) or a number (at most this
    many, the highest scores first). With --boxes or --detector the default is all"""
    boxes: Path | None = None
    """a file with the boxes of the garments, such as a CSV with photo,left,top,right,bottom (docs/data.md). Without
    --garments, --boxes and --detector, every photo is treated as one garment"""
    detector: Path | None = None
    """the network that finds the boxes: shipped (the one that comes with the package; the default with --garments,
    unless --boxes is given), a run folder, a folder of runs, or an artifact; none: no detector"""
    augment: bool = False
    """test-time augmentation of the keypoints: average ten passes, as aifashion test does"""
    scales: tuple[float, ...] = ()
    """average the photo enlarged (above 1) or reduced by these scales as well, each also mirrored, such as 0.8 1.25"""
    gpu_id: str | None = None
    """number of the GPU to use, such as 0; -1 for none; by default the first. Artifacts always run on the processor"""


@dataclass(frozen=True, kw_only=True)
class RecognitionArguments(KeypointArguments):
    attributes: Path | None = None
    """the classifier, given in the same way as --model. The default is shipped if the keypoint network is shipped;
    otherwise there is no classifier, and no attributes"""
    measurements: Path | None = None
    """a file with lengths to measure, in addition to those of the network's vocabulary; those with the same name are
    replaced. A .toml file (docs/measuring.md), or .json instructions of GarmentIQ"""
    px_per_cm: float | None = None
    """the scale of all photos, in px per cm. With a scale, lengths are also given in cm"""
    known: str | None = None
    """the scale, from a length of the garment that you measured in cm, such as waist=42"""
    sheet: str | None = None
    """the scale, from a sheet of white paper beside the garment, in the same plane: a4 or letter"""
    marker: str | None = None
    """the scale, from an ArUco marker beside the garment, in the same plane: aruco:DICTIONARY:NUMBER:CM, such as
    aruco:4X4_50:7:15"""
    camera: Path | None = None
    """a file with the calibration of the camera (OpenCV's .yml or .json), to correct the distortion of its lens"""

    @property
    def scale_options(self) -> ScaleOptions:
        return ScaleOptions(self.px_per_cm, self.known, self.sheet, self.marker, self.camera)
