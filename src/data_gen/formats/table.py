"""The formats of labelled photos, by name. A new one gets a module and an entry here."""

from collections.abc import Iterable
from pathlib import Path

from ...files import regular
from .coco import is_coco, read_coco_labels
from .coco_writing import write_coco
from .cvat import is_cvat, read_cvat
from .cvat_tasks import write_cvat
from .deepfashion import is_deepfashion, read_deepfashion
from .deepfashion2 import is_deepfashion2, read_deepfashion2, write_deepfashion2
from .fashionai_labels import is_fashionai, read_fashionai, write_fashionai
from .label_studio import is_label_studio, read_label_studio
from .label_studio_tasks import write_label_studio
from .labelme import is_labelme, read_labelme
from .labelme_files import write_labelme
from .labels import LabelFormat
from .point_table import is_point_table, read_point_table, write_point_table
from .problems import FormatError, Problem
from .yolo_pose import is_yolo_pose, read_yolo_pose, write_yolo_pose

_TABLE = (
    LabelFormat(
        "fashionai",
        "lists of the FashionAI challenge",
        "CSV file, or a folder in the challenge's layout",
        "CSV file",
        is_fashionai,
        read_fashionai,
        write_fashionai,
        needs_size=False,
        one_garment=True,
    ),
    LabelFormat(
        "coco",
        "COCO keypoints, also as CVAT exports them",
        "JSON file",
        "JSON file",
        is_coco,
        read_coco_labels,
        write_coco,
    ),
    LabelFormat(
        "label-studio",
        "Label Studio 1.23, label-studio-sdk 2.1.2",
        "JSON file",
        "JSON file",
        is_label_studio,
        read_label_studio,
        write_label_studio,
    ),
    LabelFormat(
        "cvat",
        "CVAT for images 1.1, datumaro 1.13.12",
        "XML file, or the folder of an export",
        "XML file",
        is_cvat,
        read_cvat,
        write_cvat,
    ),
    LabelFormat(
        "labelme",
        "labelme 6.3.1",
        "JSON file, or a folder of them",
        "folder",
        is_labelme,
        read_labelme,
        write_labelme,
    ),
    LabelFormat(
        "yolo-pose",
        "pose data sets of ultralytics 8.4.190",
        "data.yaml, or its folder",
        "folder",
        is_yolo_pose,
        read_yolo_pose,
        write_yolo_pose,
    ),
    LabelFormat(
        "deepfashion2",
        "DeepFashion2",
        "folder with annos",
        "folder",
        is_deepfashion2,
        read_deepfashion2,
        write_deepfashion2,
        needs_size=False,
    ),
    LabelFormat(
        "deepfashion",
        "landmarks of DeepFashion",
        "list_landmarks*.txt",
        "",
        is_deepfashion,
        read_deepfashion,
        None,
    ),
    LabelFormat(
        "table",
        "a row for each keypoint, as pandas 3.1, polars 2.1 and spreadsheets have it",
        "CSV or Parquet file",
        "CSV or Parquet file",
        is_point_table,
        read_point_table,
        write_point_table,
        needs_size=False,
    ),
)

FORMATS = {entry.name: entry for entry in _TABLE}


def formats_of(path: Path) -> list[LabelFormat]:
    """The formats that a file or folder looks like. Raises OSError where there is none, or a pipe or a device."""
    path = Path(path)
    if not path.is_dir():
        regular(path)
        path.stat()
    return [entry for entry in FORMATS.values() if entry.recognises(path)]


def format_of(path: Path, name: str | None = None) -> LabelFormat:
    """The format called `name`, or the one that the path looks like, which can be read.

    Raises FormatError, with the formats that there are, where none or several are possible; ValueError for another
    name; OSError as `formats_of`.
    """
    readable = [entry for entry in FORMATS.values() if entry.read is not None]
    if name is not None:
        found = next((entry for entry in readable if entry.name == name), None)
        if found is None:
            raise ValueError(f"--from {name}: expected one of {_names(readable)}")
        return found
    likely = [entry for entry in formats_of(path) if entry.read is not None]
    if len(likely) == 1:
        return likely[0]
    said = f"it can be {' or '.join(entry.name for entry in likely)}" if likely else "not a format that is known"
    kinds = "; ".join(f"{entry.name} ({entry.reads})" for entry in likely or readable)
    raise FormatError([Problem(Path(path), None, f"{said}; name it with --from, one of: {kinds}")])


def _names(formats: Iterable[LabelFormat]) -> str:
    return ", ".join(entry.name for entry in formats)
