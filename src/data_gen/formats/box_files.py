"""Boxes of garments that any other detector found, or a person drew, for the photos that are asked for.

Four kinds of files are read, which their content tells apart: a CSV, a list of COCO results, a COCO data set, and the
JSON table that `aifashion predict` writes for several garments in a photo.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...boxes import UNKNOWN, Detections, clipped, no_detections
from ...geometry import Size
from .box_rows import BoxRow, BoxRows, CocoNames, check_pixels, probability
from .coco_boxes import read_coco_names, scan_data_set, scan_results
from .entries import FAULTS, edges, entry_problem, from_extent, number_of, numbers_of, text_of
from .photo_names import photos_of_names, posix_name
from .problems import FormatError, Problem, leave_out, read_csv_rows, read_json

log = logging.getLogger(__name__)

MOST = 300
"""Garments of one photo that are used, those with the highest score."""
EDGES, EXTENT = ("left", "top", "right", "bottom"), ("x", "y", "width", "height")
"""The columns of a CSV that say where the box is: either these or those."""
OPTIONAL = ("category", "score")
_COLUMNS = f"photo,{','.join(EDGES)} or photo,{','.join(EXTENT)}, each with or without {','.join(OPTIONAL)}"
_KINDS = (
    "expected a list of COCO results (image_id, category_id, bbox, score), a COCO data set (images, annotations, "
    "categories), or the table of garments that aifashion predict writes"
)
_NAMED = 3  # photos in a warning


@dataclass(frozen=True, slots=True, eq=False)
class BoxFile:
    """The boxes of a file. garments: name of a photo as it is written there, with forward slashes -> its boxes, in the
    order of the file."""

    path: Path
    garments: Mapping[str, Detections]

    def of(self, photos: Sequence[str]) -> dict[str, Detections]:
        """The boxes of each photo, none for those that the file does not name.

        Names of other photos are counted in a warning, and so are those that could mean several. Raises FormatError
        where no name of the file means one of the photos.
        """
        meant, unclear = photos_of_names(self.garments, photos)
        problems = [Problem(self.path, None, f"photo {name}: {reason}") for name, reason in unclear.items()]
        others = [name for name in self.garments if name not in meant and name not in unclear]
        if not meant and not problems:
            named = f"{len(others):,} photos, the first {others[0]}" if others else "none"
            asked = f"{len(photos):,} photos, the first {photos[0]}" if photos else "none"
            raise FormatError([Problem(self.path, None, f"boxes of other photos: of {named}; asked for are {asked}")])
        leave_out(self.path, problems, len(meant), "photos")
        if others:
            more = ", ..." if len(others) > _NAMED else ""
            log.warning(
                f"{self.path}: {len(others):,} photos are not asked for, and their boxes are left out: "
                f"{', '.join(others[:_NAMED])}{more}"
            )
        found = dict.fromkeys(photos, no_detections())
        return found | {photo: self.garments[name] for name, photo in meant.items()}


def read_boxes(path: Path, categories: Sequence[str], dataset: Path | None = None) -> BoxFile:
    """Reads the boxes of garments of these categories; `Detections.category` is their index here.

    dataset: the COCO data set whose photos are asked for; a list of COCO results has its numbers for photos and
    categories, or its names in their place. Other files have names of their own.
    Left out and counted in a warning are boxes without area, with numbers that are not finite or a score outside 0 to
    1, of photos without a name, of other categories, repeated ones, crowds, and all but the MOST likeliest of a photo.
    Raises FormatError, with file and line or entry, where no box is left, for a file of another kind, and where all
    numbers look like fractions of the photo.
    """
    path = Path(path)
    found = scan_boxes(path, None if dataset is None else read_coco_names(dataset))
    if found.numbered:
        log.warning(
            f"{path}: some categories are numbers, which only the COCO data set of that file explains; the network "
            "chooses the category of these garments. Write names in their place to give it"
        )
    kept, problems, left_out = _known(found, categories)
    kept, repeated = _distinct(path, kept)
    problems = [*problems, *repeated, *found.problems]
    left_out += len(repeated) + len(found.problems)
    by_photo: dict[str, list[BoxRow]] = defaultdict(list)
    for row in kept:
        by_photo[row.photo].append(row)
    for photo, rows in by_photo.items():
        if len(rows) > MOST:
            reason = f"photo {photo} has {len(rows):,} boxes; the {MOST} with the highest score are used"
            problems.insert(0, Problem(path, None, reason))
            left_out += len(rows) - MOST
            likeliest = sorted(range(len(rows)), key=lambda i: -rows[i].score)[:MOST]
            by_photo[photo] = [rows[i] for i in sorted(likeliest)]
    used = sum(map(len, by_photo.values()))
    if not used and not problems:
        problems = [Problem(path, None, "the file has no boxes")]
    leave_out(path, problems, used, "boxes", left_out)
    index = {name: i for i, name in enumerate(categories)}
    return BoxFile(path, {photo: detections(rows, index) for photo, rows in by_photo.items()})


def detections(rows: Sequence[BoxRow], index: Mapping[str, int]) -> Detections:
    """The boxes of one photo. index: of the categories; others become UNKNOWN."""
    if not rows:
        return no_detections()
    category = np.array([UNKNOWN if row.category is None else index.get(row.category, UNKNOWN) for row in rows])
    return Detections(np.array([row.box for row in rows]), category, np.array([row.score for row in rows]))


def fitted(found: Detections, size: Size) -> tuple[Detections, list[str]]:
    """What of the boxes lies in a photo of (width, height), and the reasons for those of which nothing does."""
    inside = clipped(found.boxes, size)
    kept = (inside[:, 2:] > inside[:, :2]).all(axis=1)
    boxes = (", ".join(f"{value:g}" for value in box) for box in found.boxes[~kept])
    reasons = [f"the box {box} lies outside the photo of {size[0]} x {size[1]} px" for box in boxes]
    return Detections(inside[kept], found.category[kept], found.score[kept]), reasons


def scan_boxes(path: Path, names: CocoNames | None = None) -> BoxRows:
    """All rows of a file as they are, and what is wrong with others: `.json`, or a CSV with any other ending.

    names: of the data set that a list of results answers; other files have names of their own. Raises FormatError for a
    file of another kind, and for one whose numbers all look like fractions of the photo.
    """
    path = Path(path)
    if path.suffix.lower() != ".json":
        return check_pixels(_scan_csv(path))
    content = read_json(path)
    if isinstance(content, dict):
        return check_pixels(scan_data_set(path, content))
    if content == []:  # as a detector writes that found nothing
        return BoxRows(path, "results", (), (), True)
    first = content[0] if isinstance(content, list) else None
    if isinstance(first, dict) and "photo" in first:
        return check_pixels(_scan_table(path, content))
    if isinstance(first, dict) and "image_id" in first:
        return check_pixels(scan_results(path, content, names))
    raise FormatError([Problem(path, None, f"not a file of boxes; {_KINDS}")])


def _known(found: BoxRows, categories: Sequence[str]) -> tuple[list[BoxRow], list[Problem], int]:
    """The rows that say one garment of these categories, or of none, problems, and how many rows are left out."""
    kept, crowds = [], 0
    others: Counter[str] = Counter()
    first: dict[str, BoxRow] = {}
    for row in found.rows:
        if row.category is not None and row.category not in categories:
            others[row.category] += 1
            first.setdefault(row.category, row)
        elif row.crowd:
            crowds += 1
        else:
            kept.append(row)
    problems = [
        first[name].problem(
            found.path,
            f"category {name!r:.80}, of {count:,} boxes, is unknown; expected one of {', '.join(categories)}",
        )
        for name, count in others.most_common()
    ]
    if crowds:
        problems.append(Problem(found.path, None, f"{crowds:,} boxes are of crowds, not of one garment"))
    return kept, problems, others.total() + crowds


def _distinct(path: Path, rows: Sequence[BoxRow]) -> tuple[list[BoxRow], list[Problem]]:
    """Of rows with the same photo, category and box the one with the highest score, and problems of the others."""
    best: dict[tuple[Any, ...], int] = {}
    problems = []
    for i, row in enumerate(rows):
        j = best.setdefault((row.photo, row.category, row.box), i)
        if j != i:
            better, worse = (i, j) if row.score > rows[j].score else (j, i)
            best[row.photo, row.category, row.box] = better
            where = rows[better].label or f"line {rows[better].line}"
            problems.append(rows[worse].problem(path, f"the box of {row.photo} is that of {where} as well"))
    return [rows[i] for i in sorted(best.values())], problems


def _scan_csv(path: Path) -> BoxRows:
    lines = read_csv_rows(path, ",;\t")
    if not lines:
        raise FormatError([Problem(path, None, f"the file is empty; expected the columns {_COLUMNS}")])
    columns = [cell.strip().lower() for cell in lines[0][1]]
    layout = EDGES if set(EDGES) <= set(columns) else EXTENT
    needed = {"photo", *layout}
    if len(set(columns)) < len(columns) or not needed <= set(columns) <= needed | set(OPTIONAL):
        reason = f"the columns {','.join(columns)!r:.200}; expected {_COLUMNS}"
        raise FormatError([Problem(path, lines[0][0], reason)])
    rows, problems = [], []
    for line, cells in lines[1:]:
        try:
            if len(cells) != len(columns):
                raise ValueError(f"{len(cells)} cells; expected {len(columns)}: {','.join(columns)}")
            row = dict(zip(columns, cells, strict=True))
            numbers = [number_of(row[name], name) for name in layout]
            box = edges(numbers) if layout is EDGES else from_extent(numbers)
            score = probability(row["score"]) if "score" in row else 1.0
            rows.append(BoxRow(posix_name(row["photo"]), box, row.get("category", "").strip() or None, score, line))
        except ValueError as error:
            problems.append(Problem(path, line, str(error)))
    return BoxRows(path, "csv", tuple(rows), tuple(problems), "score" in columns)


def _scan_table(path: Path, entries: list[Any]) -> BoxRows:
    rows, problems = [], []
    for label, entry in _garments(entries):
        try:
            photo = posix_name(text_of(entry, "photo"))
            if entry["box"] is None:  # no garment was found, or the photo could not be read
                continue
            points = {}
            for name, point in (entry.get("keypoints") or {}).items():
                x, y = number_of(point["x"], f"x of {name}"), number_of(point["y"], f"y of {name}")
                points[name] = x, y, int(not point.get("hidden"))
            category = None if entry.get("category") is None else text_of(entry, "category")
            box = edges(numbers_of(entry["box"]).tolist())
            score = 1.0 if entry.get("score") is None else probability(entry["score"])
            rows.append(BoxRow(photo, box, category, score, None, label, False, points))
        except FAULTS as error:
            problems.append(entry_problem(path, label, error))
    has_scores = any(isinstance(entry, dict) and entry.get("score") is not None for _, entry in _garments(entries))
    return BoxRows(path, "table", tuple(rows), tuple(problems), has_scores)


def _garments(entries: list[Any]) -> Iterator[tuple[str, Any]]:
    """The garments of a table and what messages call them: each is an entry, or one of the `garments` of a photo."""
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict) or not isinstance(entry.get("garments"), list):
            yield f"entry {number}", entry
            continue
        for index, garment in enumerate(entry["garments"]):
            known = isinstance(garment, dict)
            yield f"entry {number}, garment {index}", {"photo": entry.get("photo")} | garment if known else garment
