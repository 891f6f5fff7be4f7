"""Landmark lists of DeepFashion: `list_landmarks.txt`, and `list_bbox.txt` beside it.

The lists of its benchmarks (landmark detection, category and attribute prediction, in-shop and consumer-to-shop
retrieval) have one form: a row with the number of photos, one with the names of the columns, then a row a photo. The
clothes type is 1 upper, 2 lower or 3 full, with 6, 4 and 8 landmarks; v is 0 visible, 1 occluded, 2 cut off by the edge
of the photo, which is absent here. Landmarks are pixel indices, and boxes pixel edges. The first of a pair, `left`, has
the smaller x in a front view. `list_joints.txt`, which is about the body, is not read.
"""

from pathlib import Path

import numpy as np

from ...files import open_regular
from ...records import ABSENT, HIDDEN, VISIBLE, Keypoints
from ..images import image_id_problem
from .box_rows import edges
from .labels import Edges, LabelledGarment, LabelledPhoto, LabelSet
from .problems import FormatError, Problem, read_text

_COLLARS, _SLEEVES = ("left collar", "right collar"), ("left sleeve", "right sleeve")
_WAIST, _HEM = ("left waistline", "right waistline"), ("left hem", "right hem")
TYPES = {
    "1": ("upper", (*_COLLARS, *_SLEEVES, *_HEM)),
    "2": ("lower", (*_WAIST, *_HEM)),
    "3": ("full", (*_COLLARS, *_SLEEVES, *_WAIST, *_HEM)),
}
"""Clothes type -> its name, which is the category, and the names of its landmarks in their order."""
MOST_LANDMARKS = 8
_STATES = {"0": VISIBLE, "1": HIDDEN, "2": ABSENT}
_PREFIX, _BOXES = "list_landmarks", "list_bbox"
_COLUMNS = ("image_name", "clothes_type")


def is_deepfashion(path: Path) -> bool:
    """Whether it is a list_landmarks*.txt."""
    path = Path(path)
    try:
        if not path.name.startswith(_PREFIX) or path.suffix != ".txt" or not path.is_file():
            return False
        with open_regular(path) as stream:
            return b"landmark_visibility_1" in stream.read(1 << 12)
    except (OSError, ValueError):
        return False


def read_deepfashion(path: Path) -> LabelSet:
    """path: of a list_landmarks*.txt. The boxes of list_bbox*.txt beside it are read if it is there.

    Names of photos are relative to `Img` beside the folder `Anno`, or to the folder above that. The lists have no
    sizes. A row without a box is a garment without one. Raises FormatError where nothing is sound, OSError.
    """
    path = Path(path)
    header, rows = _rows(path)
    columns = {name: index for index, name in enumerate(header)}
    absent = [name for name in (*_COLUMNS, "landmark_visibility_1") if name not in columns]
    if absent:
        raise FormatError([Problem(path, 2, f"no column {', '.join(absent)}; expected a list of landmarks")])
    first = columns["landmark_visibility_1"]
    problems: list[Problem] = []
    boxes = _boxes(path.with_name(path.name.replace(_PREFIX, _BOXES)), problems)
    garments: dict[str, list[LabelledGarment]] = {}
    for number, line in rows:
        cells = line.split()
        try:
            name = cells[columns["image_name"]]
            if wrong := image_id_problem(name):
                raise ValueError(f"photo {name!r:.80}: {wrong}")
            garment = _garment(cells[columns["clothes_type"]], cells[first:], f"line {number}", boxes.get(name))
            garments.setdefault(name, []).append(garment)
        except IndexError:
            problems.append(Problem(path, number, f"{len(cells)} cells; expected {len(header)}"))
        except ValueError as error:
            problems.append(Problem(path, number, str(error)))
    if not garments:
        raise FormatError(problems or [Problem(path, None, "no rows after the names of the columns")])
    photos = tuple(LabelledPhoto(name, None, tuple(found)) for name, found in garments.items())
    return LabelSet(path, _root(path), photos, tuple(problems))


def _root(path: Path) -> Path:
    folder = path.absolute().parent
    base = folder.parent if folder.name.startswith("Anno") else folder
    return base / "Img" if (base / "Img").is_dir() else base


def _rows(path: Path) -> tuple[list[str], list[tuple[int, str]]]:
    """(names of the columns, (line number, line) of each row). Raises FormatError for another file."""
    lines = read_text(path).splitlines()
    if len(lines) < 2 or not lines[0].strip().isdecimal():
        raise FormatError([Problem(path, 1, "expected the number of photos, as the lists of DeepFashion begin")])
    return lines[1].split(), [(n, line) for n, line in enumerate(lines[2:], start=3) if line.strip()]


def _garment(clothes_type: str, cells: list[str], label: str, box: Edges | None) -> LabelledGarment:
    """cells: v, x, y of each landmark; some lists fill the rest up to 8 landmarks."""
    if clothes_type not in TYPES:
        raise ValueError(f"clothes type {clothes_type!r:.20}; expected 1, 2 or 3")
    category, names = TYPES[clothes_type]
    count = 3 * len(names)
    if len(cells) not in (count, 3 * MOST_LANDMARKS):
        raise ValueError(f"{len(cells)} numbers of landmarks; expected v, x, y for the {len(names)} of type {category}")
    states = cells[:count:3]
    if not set(states) <= _STATES.keys():
        raise ValueError(f"visibilities {', '.join(states)[:80]}; expected 0, 1 or 2")
    state = np.array([_STATES[value] for value in states], np.int8)
    xy = np.array([cells[1:count:3], cells[2:count:3]], np.float64).T
    xy = np.where(state[:, None] == ABSENT, -1.0, xy)
    return LabelledGarment(label, category, names, Keypoints(xy, state), box)


def _boxes(path: Path, problems: list[Problem]) -> dict[str, Edges]:
    """Photo -> its box. A wrong row, or file, is a problem: the landmarks are read all the same."""
    if not path.is_file():
        return {}
    try:
        header, rows = _rows(path)
        columns = [header.index(name) for name in ("image_name", "x_1", "y_1", "x_2", "y_2")]
    except FormatError as error:
        problems += error.problems
        return {}
    except ValueError as error:
        problems.append(Problem(path, 2, f"{error}: expected image_name, x_1, y_1, x_2, y_2"))
        return {}
    boxes = {}
    for number, line in rows:
        cells = line.split()
        try:
            name, *numbers = (cells[column] for column in columns)
            boxes[name] = edges([float(value) for value in numbers])
        except IndexError:
            problems.append(Problem(path, number, f"{len(cells)} cells; expected {len(header)}"))
        except ValueError as error:
            problems.append(Problem(path, number, str(error)))
    return boxes
