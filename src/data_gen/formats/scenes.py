"""Photos with all their garments, as a detector learns from them: from COCO files of boxes, and to them.

Format: cocodataset.org/#format-data. A box is `bbox`; where an annotation has none, that of its keypoints, visible and
covered. Crowds (`iscrowd`) and categories that the vocabulary does not have are no garments to learn: where a crowd is,
an answer is neither right nor wrong.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...boxes import Detections
from ...geometry import Size
from ...vocabulary import Vocabulary
from ..images import ImageError, image_size, resolve_image
from .box_files import detections, fitted
from .box_rows import BoxRow, check_pixels
from .coco_boxes import scan_data_set
from .coco_entries import CocoImage
from .photo_names import posix_name
from .problems import FormatError, Problem, leave_out, read_json

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A photo and all garments in it that are known.

    image_id: its name in files. garments: boxes in px of the photo, inside it; score 1. ignored: (M, 4), boxes in which
    there can be more garments. size: (width, height).
    """

    image_id: str
    path: Path
    garments: Detections
    ignored: np.ndarray
    size: Size


def read_scenes(path: Path, vocabulary: Vocabulary) -> list[Scene]:
    """The photos of a COCO file, in its order, with the garments of the vocabulary's categories.

    File names are relative to the folder of the file. What is malformed is left out and counted in a warning. A bad box
    (outside the photo, without an area, or not of numbers) costs that box alone; a photo is left out whose size is not
    the one in the file, since the boxes are of another photo then. A photo that is listed twice is read once, with the
    boxes of both entries. Where the file has no size, the photo has it. Raises FormatError for a file of another kind,
    or without a sound photo.
    """
    path = Path(path)
    found = check_pixels(scan_data_set(path, read_json(path)))
    by_photo: dict[str, list[BoxRow]] = defaultdict(list)
    unknown: Counter[str] = Counter()
    for row in found.rows:
        if row.crowd or row.category in vocabulary.categories:
            by_photo[row.photo].append(row)
        else:
            unknown[str(row.category)] += 1
    index = {name: vocabulary.category_index(name) for name in vocabulary.categories}
    scenes, problems, listed = [], list(found.problems), set()
    for image in found.names.images.values() if found.names else ():
        try:
            name = posix_name(image.file_name)
            if name in listed:
                raise ValueError(f"the photo {name} is listed before; its boxes are taken together")
            listed.add(name)
            file, size = _photo(path.parent, image)
        except ValueError as error:  # ImageError is one
            problems.append(Problem(path, None, f"images, id {image.id}: {error}"))
            continue
        rows = by_photo.get(name, [])
        parts = [detections([row for row in rows if row.crowd is crowd], index) for crowd in (False, True)]
        (garments, outside), (crowds, beyond) = (fitted(part, size) for part in parts)
        problems += [Problem(path, None, f"photo {image.file_name}: {reason}") for reason in [*outside, *beyond]]
        garments = replace(garments, score=np.ones(len(garments)))
        scenes.append(Scene(image.file_name, file, garments, crowds.boxes, size))
    if not scenes:
        raise FormatError(problems or [Problem(path, None, "no images; nothing to read")])
    leave_out(path, problems, len(scenes) + sum(len(scene.garments) for scene in scenes), "entries")
    if unknown:
        counts = ", ".join(f"{number} {name}" for name, number in unknown.items())
        log.warning(f"{path}: left out garments of categories that the vocabulary does not have: {counts}")
    return scenes


def _photo(folder: Path, image: CocoImage) -> tuple[Path, Size]:
    """Raises ValueError where the photo has another size than the file says, or neither says one."""
    file = resolve_image(folder, image.file_name)
    if image.size is None:
        return file, image_size(file)
    try:
        size = image_size(file)
    except ImageError:  # training tells which photos it cannot read
        return file, image.size
    if size != image.size:
        said, found = (f"{width} x {height}" for width, height in (image.size, size))
        raise ValueError(f"the file says {said} px, but the photo {file} has {found}")
    return file, size


def coco_of_scenes(scenes: Sequence[Scene], vocabulary: Vocabulary) -> dict[str, Any]:
    """The COCO content of photos with boxes, ready for `json.dumps`; boxes to ignore become crowds (`iscrowd`), of the
    first category, since COCO wants one."""
    annotations: list[dict[str, Any]] = []
    for number, scene in enumerate(scenes, start=1):
        boxes = [(box, int(c), 0) for box, c in zip(scene.garments.boxes, scene.garments.category, strict=True)]
        for box, category, crowd in [*boxes, *((box, 0, 1) for box in scene.ignored)]:
            left, top, right, bottom = box.tolist()
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": category + 1,
                    "bbox": [left, top, right - left, bottom - top],
                    "area": (right - left) * (bottom - top),
                    "iscrowd": crowd,
                }
            )
    return {
        "images": [
            {"id": i, "file_name": s.image_id, "width": s.size[0], "height": s.size[1]}
            for i, s in enumerate(scenes, start=1)
        ],
        "annotations": annotations,
        "categories": [
            {"id": i, "name": name, "supercategory": "garment"} for i, name in enumerate(vocabulary.categories, start=1)
        ],
    }
