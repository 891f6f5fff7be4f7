"""Annotations of public photographs, and the data set that they make with a checkout of the photos.

The annotations lie in `data/photographs/` and `data/street/` of the repository, the photos do not. A folder of
annotations has

    photographs.csv        every photo: path, digest of the file, sender, part, category, remark
    keypoints.csv          rows of FashionAI, with the path as image id
    attributes.csv         rows of FashionAI's attributes; not every folder has them
    boxes.csv              of photos with several garments the box of the annotated one: photo,left,top,right,bottom in
                           px, right and bottom excluded; then its surroundings are cut out of the photo
    masks.csv, labels.csv  of photos with masks what they are for, and what the labels in the masks are; only of
                           data/street

Parts are made by sender, so that no two of them share one: `learn` and `choose` are the training and the validation
photos of a training; `report` is a test set, which no training and no choice sees.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

import cv2
import numpy as np

from ..boxes import MARGIN
from ..files import claim_folder, link_or_copy, locked, write_atomic
from ..records import ABSENT, Box, Keypoints, Sample
from ..vocabulary import Vocabulary
from .detection_sets import scenes_of_masks
from .formats.challenges import KEYPOINTS as KEYPOINT_NAMES
from .formats.fashionai import read_keypoint_csv, write_keypoint_csv, write_test_csv
from .formats.fashionai_attributes import SUFFIX, AttributeRow, read_labels
from .formats.label_masks import read_label_categories, read_mask_corrections
from .formats.problems import FormatError, Problem, read_csv_rows
from .formats.scenes import Scene
from .images import image_id_problem, read_image
from .split import ATTRIBUTE_PREFIX, write_split

log = logging.getLogger(__name__)

Part = Literal["learn", "choose", "report", ""]
"""Empty for photos of which only the category is known."""

PHOTOS, KEYPOINTS, ATTRIBUTES, BOXES = "photographs.csv", "keypoints.csv", "attributes.csv", "boxes.csv"
MASKS, LABELS, CORRECTIONS = "masks.csv", "labels.csv", "mask_corrections.csv"
MASKED_PHOTOS, MASK_FILES = "photos", "annotations/pixel-level"
"""Folders of a clone of clothing-co-parsing."""
ANSWER = "fashionAI_key_points_test_a_answer_photographs.csv"
ATTRIBUTE_ANSWER = "fashionAI_attributes_answer_a_photographs.csv"
CLAIM = "photographs.json"
_JPEG_QUALITY = 95
_BOX_COLUMNS = ("photo", "left", "top", "right", "bottom")
_MASK_COLUMNS = ("photo", "part")
_COLUMNS = ("photo", "sha256", "sender", "part", "category", "remark")


@dataclass(frozen=True, slots=True)
class Photograph:
    """One row of the list. path: below the checkout. sha256: of the file. sender: who took it."""

    path: str
    sha256: str
    sender: str
    part: Part
    category: str
    remark: str


@dataclass(frozen=True, slots=True)
class Joined:
    """How many photos of each part were written, and those that were not: there is no such file in the checkout, or
    another one than was annotated."""

    written: Mapping[str, int]
    missing: Sequence[str] = field(default_factory=list)
    changed: Sequence[str] = field(default_factory=list)


def read_photographs(folder: Path) -> list[Photograph]:
    """The list of a folder of annotations. Raises FormatError for rows that are not as described above."""
    path, photos, problems = Path(folder) / PHOTOS, [], []
    (_, header), *rows = read_csv_rows(path) or [(1, [])]
    if tuple(header) != _COLUMNS:
        raise FormatError([Problem(path, 1, f"columns {header!s:.200}; expected {list(_COLUMNS)}")])
    seen: set[str] = set()
    for line, cells in rows:
        row: dict[str, str] = dict(zip(_COLUMNS, cells, strict=False))
        reason = _row_problem(row, seen) if len(cells) == len(_COLUMNS) else f"expected {len(_COLUMNS)} cells"
        if reason:
            problems.append(Problem(path, line, reason))
            continue
        seen.add(row["photo"])
        photos.append(Photograph(*(row[name] for name in _COLUMNS)))  # pyright: ignore[reportArgumentType]
    if problems:
        raise FormatError(problems)
    parts: dict[str, str] = {}
    for photo in photos:
        if photo.part and parts.setdefault(photo.sender, photo.part) != photo.part:
            raise FormatError([Problem(path, 1, f"sender {photo.sender} is in two parts, {photo.part} among them")])
    return photos


def reported(folder: Path) -> list[Photograph]:
    """Of a folder of annotations all photos, annotated or not, of the senders of the part `report`."""
    photos = read_photographs(folder)
    senders = {photo.sender for photo in photos if photo.part == "report"}
    return [photo for photo in photos if photo.sender in senders]


def _row_problem(row: Mapping[str, str], seen: set[str]) -> str | None:
    photo, digest, part = row["photo"], row["sha256"], row["part"]
    if reason := image_id_problem(photo):
        return f"photo {photo!r}: {reason}"
    if photo in seen:
        return f"photo {photo!r} again"
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        return f"sha256 {digest!r}; expected 64 hexadecimal digits"
    if part not in get_args(Part):
        return f"part {part!r}; expected learn, choose, report or nothing"
    return None


def join_photographs(annotations: Path, source: Path, out: Path, category_only: bool = False) -> Joined:
    """Writes the annotated photos of a checkout as a data set in the layout of FashionAI, with the parts as its split.

    annotations: the folder of the lists. source: the checkout, the folder of `train` and `validation`. out: a new or
    empty folder, or one written before, which is completed. Photos are linked where the file system can, else copied.
    Photos that are missing in the checkout, or are other files than were annotated, are left out. category_only: photos
    of which only the category is known, and those without a garment, are training and validation photos as well, with
    no keypoint; what their senders' other photos are for decides which, and of other senders all are for training.
    Raises FormatError for invalid lists, ValueError for a folder within the checkout, FileNotFoundError where the
    checkout has none of the photos, FileExistsError for a folder with anything else or more photos, BlockingIOError for
    one that another process is writing.
    """
    annotations, source, out = Path(annotations), Path(source), Path(out)
    photos = read_photographs(annotations)
    listed = {photo.path: photo for photo in photos if photo.part}
    if category_only:
        listed |= {photo.path: photo for photo in _with_parts(photos) if photo.part != "report"}
    points = {s.image_id: s for s in read_keypoint_csv(annotations / KEYPOINTS, annotations)}
    labels: dict[str, list[AttributeRow]] = {}
    for row in read_labels(annotations / ATTRIBUTES) if (annotations / ATTRIBUTES).is_file() else ():
        labels.setdefault(row.path, []).append(row)
    boxes = _read_boxes(annotations / BOXES) if (annotations / BOXES).is_file() else {}
    unknown = sorted({*points, *labels, *boxes} - set(listed))
    if unknown:
        raise FormatError([Problem(annotations / PHOTOS, 1, f"lacks {unknown[0]}, which has annotations")])
    found, missing, changed = [], [], []
    for photo in listed.values():
        file = source / photo.path
        if not file.is_file():
            missing.append(photo.path)
        elif hashlib.sha256(file.read_bytes()).hexdigest() != photo.sha256:
            changed.append(photo.path)
        else:
            found.append(photo)
    if not found:
        reason = f"none of the {len(listed)} annotated photos, such as {next(iter(listed), '')}"
        raise FileNotFoundError(f"{source} has {reason}; give the folder that has train/ and validation/")
    if out.resolve().is_relative_to(source.resolve()):
        raise ValueError(f"{out} lies in {source}, from which photos are taken; give a folder elsewhere")
    before = _count(out)
    if before > len(found):
        raise FileExistsError(
            f"{out} has {before} photos, but {source} has only {len(found)} of the annotated ones: give the whole copy "
            "of the photos, or a new folder"
        )
    facts = {"photographs": hashlib.sha256((annotations / PHOTOS).read_bytes()).hexdigest()}
    claim_folder(out, CLAIM, facts | ({"category_only": True} if category_only else {}))
    with locked(out):
        rows = [(photo, points[photo.path].keypoints if photo.path in points else None) for photo in found]
        place = _Placer(source, boxes)
        _write_keypoints(out, place, rows)
        if labels:
            _write_attributes(out, place, [(photo, labels[photo.path]) for photo in found if photo.path in labels])
    return Joined(Counter(photo.part for photo in found), missing, changed)


def masked_scenes(annotations: Path, source: Path, vocabulary: Vocabulary) -> dict[str, list[Scene]]:
    """By part (learn, choose, report) the photos of a checkout that have masks, with a box of each garment.

    annotations: the folder of the lists. source: the clone of clothing-co-parsing. Photos without a part are left out;
    listed ones that the checkout does not have, or not with a sound mask, are counted in a warning. Raises FormatError
    for invalid lists or where no mask is left, OSError for folders that are not there.
    """
    path = Path(annotations) / MASKS
    (_, header), *rows = read_csv_rows(path) or [(1, [])]
    if tuple(header) != _MASK_COLUMNS:
        raise FormatError([Problem(path, 1, f"columns {header}; expected {list(_MASK_COLUMNS)}")])
    strange = [(line, row) for line, row in rows if len(row) != 2 or row[1] not in get_args(Part)]
    if strange:
        wanted = "a photo, and learn, choose, report or nothing"
        raise FormatError([Problem(path, line, f"{row}; expected {wanted}") for line, row in strange])
    parts = {photo: part for _, (photo, part) in rows if part}
    labels = read_label_categories(Path(annotations) / LABELS, vocabulary)
    found: dict[str, list[Scene]] = {"learn": [], "choose": [], "report": []}
    corrected = Path(annotations) / CORRECTIONS
    corrections = read_mask_corrections(corrected, vocabulary) if corrected.is_file() else None
    for scene in scenes_of_masks(Path(source) / MASKED_PHOTOS, Path(source) / MASK_FILES, labels, corrections):
        part = parts.pop(f"{MASKED_PHOTOS}/{scene.image_id}", "")
        if part:
            found[part].append(scene)
    if parts:
        log.warning(f"{source}: {len(parts)} photos of {path} are not there with a sound mask, such as {min(parts)}")
    return found


@dataclass(frozen=True, slots=True)
class _Placer:
    """Puts a photo of the checkout, or what is to be cut out of it, into the data set."""

    source: Path
    boxes: Mapping[str, Box]

    def __call__(self, path: str, target: Path) -> tuple[int, int]:
        """(x, y) of the new photo's first pixel in the old one."""
        if path not in self.boxes:
            link_or_copy(self.source / path, target)
            return 0, 0
        photo, box = read_image(self.source / path), self.boxes[path]
        margin = round(MARGIN * max(box.width, box.height))
        left, top = max(0, box.left - margin), max(0, box.top - margin)
        cut = photo[top : box.bottom + margin, left : box.right + margin, ::-1]
        if not cut.size:
            raise ValueError(f"{path} has {photo.shape[1]} x {photo.shape[0]} px; its box in {BOXES} lies outside")
        done, packed = cv2.imencode(".jpg", cut, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        if not done:
            raise ValueError(f"{path}: the part about its box cannot be encoded as JPEG")
        write_atomic(_made(target), packed.tobytes())
        return left, top


def _read_boxes(path: Path) -> dict[str, Box]:
    boxes: dict[str, Box] = {}
    (_, header), *rows = read_csv_rows(path) or [(1, [])]
    if tuple(header) != _BOX_COLUMNS:
        raise FormatError([Problem(path, 1, f"columns {header}; expected {list(_BOX_COLUMNS)}")])
    for line, row in rows:
        if len(row) != len(_BOX_COLUMNS):
            raise FormatError([Problem(path, line, f"{len(row)} cells; expected {len(_BOX_COLUMNS)}")])
        try:
            boxes[row[0]] = Box(*map(int, row[1:]))
        except ValueError as error:
            raise FormatError([Problem(path, line, f"no box in whole pixels: {error}")]) from None
    return boxes


def _with_parts(photos: Sequence[Photograph]) -> list[Photograph]:
    """The photos that have no part, each with that of its sender."""
    parts = {photo.sender: photo.part for photo in photos if photo.part}
    return [replace(photo, part=parts.get(photo.sender, "learn")) for photo in photos if not photo.part]


def _write_keypoints(out: Path, place: "_Placer", rows: Sequence[tuple[Photograph, Keypoints | None]]) -> None:
    absent = Keypoints(np.full((len(KEYPOINT_NAMES), 2), -1.0), np.full(len(KEYPOINT_NAMES), ABSENT))
    parts: dict[str, list[Sample]] = {"learn": [], "choose": [], "report": []}
    for photo, keypoints in rows:
        folder = out / ("test" if photo.part == "report" else "train")
        name = f"Images/{photo.category}/{_flat(photo.path)}"
        left, top = place(photo.path, folder / name)
        if keypoints is not None:
            moved = np.where(keypoints.state[:, None] == ABSENT, -1, keypoints.xy - (left, top))
            keypoints = Keypoints(moved, keypoints.state)
        parts[photo.part].append(Sample(name, folder / name, photo.category, keypoints or absent))
    write_keypoint_csv(_made(out / "train/Annotations/train.csv"), parts["learn"] + parts["choose"], decimals=1)
    write_split(out, (parts["learn"], parts["choose"]))
    if parts["report"]:
        write_test_csv(_made(out / "test/test.csv"), parts["report"])
        write_keypoint_csv(out / ANSWER, parts["report"], decimals=1)


def _write_attributes(out: Path, place: "_Placer", rows: Sequence[tuple[Photograph, list[AttributeRow]]]) -> None:
    lines: dict[str, list[str]] = {"learn": [], "choose": [], "report": []}
    questions, halves = [], {"learn": [], "choose": []}
    for photo, labels in rows:
        folder = out / "attributes" / ("rank" if photo.part == "report" else "base")
        name = f"Images/{labels[0].task}{SUFFIX}/{_flat(photo.path)}"
        place(photo.path, folder / name)
        lines[photo.part] += [f"{name},{row.task}{SUFFIX},{row.value}" for row in labels]
        if photo.part == "report":
            questions += [f"{name},{row.task}{SUFFIX},?" for row in labels]
        else:
            halves[photo.part].append(Sample(name, folder / name, labels[0].task))
    _write_lines(out / "attributes/base/Annotations/label.csv", lines["learn"] + lines["choose"])
    write_split(out, (halves["learn"], halves["choose"]), ATTRIBUTE_PREFIX)
    if questions:
        _write_lines(out / "attributes/rank/Tests/question.csv", questions)
        _write_lines(out / "attributes" / ATTRIBUTE_ANSWER, lines["report"])


def _count(out: Path) -> int:
    """How many photos are in the keypoint lists of the folder."""
    lists = (out / "train/Annotations/train.csv", out / ANSWER)
    return sum(len(path.read_text(encoding="utf-8").splitlines()) - 1 for path in lists if path.is_file())


def _flat(path: str) -> str:
    """A file name for a path: two folders of the checkout can hold files of one name."""
    return path.replace("/", "-")


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    write_atomic(_made(path), "".join(f"{line}\n" for line in lines))
