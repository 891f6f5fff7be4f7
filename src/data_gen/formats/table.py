"""The formats of labelled photos, by name. A new one gets a module and an entry here."""

from pathlib import Path

from ...files import regular
from .coco import is_coco, read_coco_labels
from .coco_writing import coco_pieces, write_coco
from .cvat import is_cvat, read_cvat
from .cvat_tasks import write_cvat
from .deepfashion import is_deepfashion, read_deepfashion
from .deepfashion2 import is_deepfashion2, read_deepfashion2, write_deepfashion2
from .fashionai_labels import fashionai_pieces, is_fashionai, read_fashionai, write_fashionai
from .label_studio import is_label_studio, read_label_studio
from .label_studio_tasks import label_studio_pieces, write_label_studio
from .labelme import is_labelme, read_labelme
from .labelme_files import write_labelme
from .labels import LabelFormat
from .point_table import is_point_table, read_point_table, write_point_table
from .problems import FormatError, Problem
from .yolo_pose import is_yolo_pose, read_yolo_pose, write_yolo_pose

_TABLE = (
    LabelFormat(
        "fashionai",
        "CSV file, or a folder in the challenge's layout",
        is_fashionai,
        read_fashionai,
        write_fashionai,
        fashionai_pieces,
        needs_size=False,
        one_garment=True,
    ),
    LabelFormat("coco", "JSON file", is_coco, read_coco_labels, write_coco, coco_pieces),
    LabelFormat(
        "label-studio", "JSON file", is_label_studio, read_label_studio, write_label_studio, label_studio_pieces
    ),
    LabelFormat("cvat", "XML file, or the folder of an export", is_cvat, read_cvat, write_cvat),
    LabelFormat("labelme", "JSON file, or a folder of them", is_labelme, read_labelme, write_labelme),
    LabelFormat("yolo-pose", "data.yaml, or its folder", is_yolo_pose, read_yolo_pose, write_yolo_pose),
    LabelFormat(
        "deepfashion2",
        "folder with annos",
        is_deepfashion2,
        read_deepfashion2,
        write_deepfashion2,
        needs_size=False,
    ),
    LabelFormat("deepfashion", "list_landmarks*.txt", is_deepfashion, read_deepfashion, None),
    LabelFormat(
        "table",
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
    """The format called `name`, or the one that the path looks like.

    Raises FormatError, with the formats that there are, where none or several are possible; ValueError for another
    name; OSError as `formats_of`.
    """
    if name is not None:
        if name not in FORMATS:
            raise ValueError(f"--from {name}: expected one of {', '.join(FORMATS)}")
        return FORMATS[name]
    likely = formats_of(path)
    if len(likely) == 1:
        return likely[0]
    said = f"it can be {' or '.join(entry.name for entry in likely)}" if likely else "not a format that is known"
    kind = "a folder" if Path(path).is_dir() else "a file"
    kinds = "; ".join(f"{entry.name} ({entry.reads})" for entry in likely or _TABLE)
    advice = "`aifashion data convert --from NAME` reads it as the one that you name"
    raise FormatError([Problem(Path(path), None, f"{said}: {kind}; expected one of: {kinds}. {advice}")])
