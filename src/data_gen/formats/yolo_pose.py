"""Pose data sets of ultralytics: a data.yaml, photos, and for each photo a label file with a row for each garment.

A row is `class cx cy w h`, then `x y v` for each keypoint, in fractions of the photo's width and height. ultralytics
multiplies by the size, and mirrors x to width - x: fractions count pixel edges, so the middle of pixel x is at
(x + 0.5) / width. v is 2 visible, 1 hidden, 0 absent.

A label file has its photo's name and lies in `labels` where the photo is in `images`. A photo without one shows no
garment.
"""

import logging
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...boxes import around
from ...files import write_atomic
from ...geometry import Size
from ...paths import is_plain, walk
from ...records import ABSENT
from ...vocabulary import Vocabulary
from ..images import ImageError, image_size
from .entries import keypoints_of_triples
from .label_writing import checked, new_folder, place_photo, tell_missing_photos
from .labels import LabelledGarment, LabelledPhoto, LabelSet
from .problems import FormatError, Problem, head_of, read_text
from .yolo_config import YoloConfig, config_text, read_config

log = logging.getLogger(__name__)

SUFFIXES = (".avif", ".bmp", ".heic", ".heif", ".jp2", ".jpeg", ".jpg", ".mpo", ".png", ".tif", ".tiff", ".webp")
"""Endings of the photos that ultralytics takes."""
CONFIG_FILE = "data.yaml"
OUTSIDE = 0.01
"""How far a point can lie outside, as a fraction of the photo. ultralytics leaves out a photo with one beyond it."""
_LABEL_LISTS = ("classes.txt", "notes.txt")  # which some tools write beside the label files


def is_yolo_pose(path: Path) -> bool:
    """Whether it is a data.yaml of poses, or a folder with one."""
    path = Path(path)
    file = path / CONFIG_FILE if path.is_dir() else path
    return file.suffix.lower() in (".yaml", ".yml") and b"kpt_shape" in head_of(file, 1 << 20)


def read_yolo_pose(path: Path) -> LabelSet:
    """All parts of a data set. path: its data.yaml, or the folder of that.

    Names of photos are relative to the root of the data set. Without `kpt_names` keypoints are called by their number,
    from "0". A garment with a point more than 1 % outside the photo is a problem: ultralytics leaves out the whole
    photo. Raises FormatError where nothing is sound, OSError.
    """
    path = Path(path)
    config = read_config(path / CONFIG_FILE if path.is_dir() else path)
    photos, problems, labels = [], list(config.problems), set()
    root = str(config.root)
    for photo in _photos(config, problems):
        label = label_path(photo)
        labels.add(label)
        name = photo[len(root) :].lstrip(os.sep).replace(os.sep, "/")
        try:
            text = read_text(Path(label)) if os.path.exists(label) else ""  # noqa: PTH110 (called for every photo)
            size = image_size(Path(photo)) if text.strip() else None
        except FormatError as error:
            problems += error.problems
            continue
        except (ImageError, OSError) as error:
            problems.append(Problem(Path(label), None, f"its photo cannot be read: {error}"))
            continue
        garments = []
        for number, line in enumerate(text.splitlines(), start=1):
            try:
                if line.strip() and size is not None:
                    garments.append(_garment(line, f"{name}, line {number}", size, config))
            except ValueError as error:
                problems.append(Problem(Path(label), number, str(error)))
        photos.append(LabelledPhoto(name, size, tuple(garments)))
    problems += _without_photo(labels)
    if not any(photo.garments for photo in photos) and problems:
        raise FormatError(problems)
    if not photos:
        raise FormatError([Problem(config.path, None, f"no photos in {', '.join(map(str, config.parts))}")])
    return LabelSet(config.path, config.root, tuple(photos), tuple(problems))


def label_path(photo: str) -> str:
    """Where ultralytics looks for the labels of a photo: the last folder `images` of its path becomes `labels`."""
    images, labels = f"{os.sep}images{os.sep}", f"{os.sep}labels{os.sep}"
    return os.path.splitext(labels.join(photo.rsplit(images, 1)))[0] + ".txt"  # noqa: PTH122


def write_yolo_pose(labels: LabelSet, out: Path, vocabulary: Vocabulary) -> None:
    """OUT/data.yaml, OUT/images/... with the photos, linked or copied, and OUT/labels/... with their garments.

    Photos keep their names. Where one is not found, only its labels are written. Every class has all keypoints of the
    vocabulary. Points more than 1 % outside the photo become absent, and boxes are cut at its edges, since ultralytics
    would leave out the photo; what has no box then is left out: both are counted in warnings. Scores are not written.

    Raises ValueError as `checked`, for a photo of a kind that ultralytics does not read, and for two photos of one name
    with different endings; FileExistsError, OSError.
    """
    counts: Counter[str] = Counter()
    first_missing = ""
    taken: dict[str, str] = {}
    made: set[Path] = set()
    with new_folder(out) as folder:
        (folder / "images").mkdir()
        for photo in checked(labels, vocabulary):
            target = folder / (
                photo.file_name if photo.file_name.startswith("images/") else f"images/{photo.file_name}"
            )
            label = Path(label_path(str(target)))
            _check_photo(photo, taken.setdefault(str(label), photo.file_name))
            if not place_photo(labels, photo.file_name, target):
                counts["missing"] += 1
                first_missing = first_missing or photo.file_name
            rows = [_row(garment, photo, vocabulary, counts) for garment in photo.garments]
            if label.parent not in made:
                label.parent.mkdir(parents=True, exist_ok=True)
                made.add(label.parent)
            label.write_text("".join(rows), encoding="utf-8")  # the whole folder takes its place at the end
        write_atomic(folder / CONFIG_FILE, config_text(vocabulary))
    tell_missing_photos(labels, counts["missing"], first_missing, Path(out) / "images")
    if counts["points"]:
        log.warning(f"{counts['points']:,} points lie more than 1 % outside their photo and are written as absent")
    if counts["garments"]:
        log.warning(f"left out {counts['garments']:,} garments whose boxes lie outside their photos")


def _photos(config: YoloConfig, problems: list[Problem]) -> Iterator[str]:
    """The paths of all photos, each once, sorted within its part."""
    seen: set[str] = set()
    for part in config.parts:
        found = _of_folder(part) if part.is_dir() else _of_list(part, config, problems)
        for photo in found:
            if photo not in seen:
                seen.add(photo)
                yield photo


def _of_folder(part: Path) -> list[str]:
    found = (os.path.join(folder, name) for folder, _, names in walk(part) for name in names)  # noqa: PTH118
    return sorted(path for path in found if path.lower().endswith(SUFFIXES))


def _of_list(part: Path, config: YoloConfig, problems: list[Problem]) -> list[str]:
    found = []
    for number, line in enumerate(read_text(part).splitlines(), start=1):
        if not (entry := line.strip()):
            continue
        folders = [part.parent] if entry.startswith("./") else [config.root, part.parent]
        paths = [Path(os.path.normpath(folder / entry)) for folder in folders if is_plain(entry)]
        path = next((path for path in paths if path.is_file()), None)
        if path is None or not path.is_relative_to(config.root) or not path.name.lower().endswith(SUFFIXES):
            problems.append(Problem(part, number, f"no photo {entry:.80} in {config.root}"))
        else:
            found.append(str(path))
    return found


def _without_photo(labels: set[str]) -> Iterator[Problem]:
    """Label files in the folders of the others that belong to no photo."""
    for folder in sorted({os.path.dirname(label) for label in labels}):  # noqa: PTH120
        here = Path(folder)
        if here.is_dir() and f"{os.sep}labels" in folder:
            names = (name for name in sorted(os.listdir(here)) if name.endswith(".txt"))  # noqa: PTH208
            for name in names:
                if name not in _LABEL_LISTS and os.path.join(folder, name) not in labels:  # noqa: PTH118
                    yield Problem(here / name, None, "there is no photo of this name, so the size is not known")


def _garment(line: str, label: str, size: Size, config: YoloConfig) -> LabelledGarment:
    """Raises ValueError for a row that is not as the format has it."""
    cells = line.split()
    expected = 5 + config.numbers * len(config.keypoints[0])
    if len(cells) != expected:
        raise ValueError(f"{len(cells)} numbers; expected {expected}: class, box, and those of kpt_shape")
    values = np.array(cells[1:], np.float64)
    if not np.isfinite(values).all():
        raise ValueError("a number is not finite")
    category = float(cells[0])
    if not category.is_integer() or not 0 <= category < len(config.classes):
        raise ValueError(f"class {cells[0]:.20}; expected 0 to {len(config.classes) - 1}")
    (x, y, width, height), points = values[:4].tolist(), values[4:].reshape(-1, config.numbers)
    if width <= 0 or height <= 0:
        raise ValueError(f"a box of {width:g} x {height:g}; width and height must be above 0")
    xy = points[:, :2] * size - 0.5
    if config.numbers == 3:
        keypoints = keypoints_of_triples(np.column_stack([xy, points[:, 2]]))
    else:  # as ultralytics takes it
        there = (points >= 0).all(axis=1)
        keypoints = keypoints_of_triples(np.column_stack([xy, np.where(there, 2, 0)]))
    at = points[:, :2][keypoints.state != ABSENT]
    if len(at) and (at.min() < -OUTSIDE or at.max() > 1 + OUTSIDE):
        raise ValueError("a point lies outside the photo; expected fractions of its width and height, from 0 to 1")
    w, h = size
    box = ((x - width / 2) * w, (y - height / 2) * h, (x + width / 2) * w, (y + height / 2) * h)
    index = int(category)
    return LabelledGarment(label, config.classes[index], config.keypoints[index], keypoints, box)


def _check_photo(photo: LabelledPhoto, taken: str) -> None:
    if not photo.file_name.lower().endswith(SUFFIXES):
        raise ValueError(f"{photo.file_name}: ultralytics reads photos that end in {', '.join(SUFFIXES)}")
    if taken != photo.file_name:
        raise ValueError(f"{taken} and {photo.file_name} would have one label file: rename one of them")


def _row(garment: LabelledGarment, photo: LabelledPhoto, vocabulary: Vocabulary, counts: Counter[str]) -> str:
    """The line of a garment, empty where it has no box in the photo. counts: of what is left out, is added to."""
    assert photo.size is not None  # as `checked` has it
    keypoints = garment.keypoints
    units = (keypoints.xy + 0.5) / photo.size
    present = keypoints.state != ABSENT
    inside = present & ((units >= -OUTSIDE) & (units <= 1 + OUTSIDE)).all(axis=1)
    counts["points"] += int((present & ~inside).sum())
    edges = garment.box or (around(keypoints.xy[inside]) if inside.any() else (0, 0, 0, 0))
    left, top, right, bottom = np.clip(np.array(edges) / [*photo.size, *photo.size], 0, 1).tolist()
    if right <= left or bottom <= top:
        counts["garments"] += 1
        return ""
    cells = ["0 0 0"] * len(vocabulary.keypoints)
    points = zip(garment.names, units.tolist(), keypoints.state.tolist(), inside.tolist(), strict=True)
    for name, (x, y), state, there in points:
        if there:
            cells[vocabulary.indices[name]] = f"{x:.7g} {y:.7g} {state + 1}"
    box = f"{(left + right) / 2:.7g} {(top + bottom) / 2:.7g} {right - left:.7g} {bottom - top:.7g}"
    return f"{vocabulary.category_index(garment.category)} {box} {' '.join(cells)}\n"
