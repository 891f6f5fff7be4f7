"""Masks whose pixels say what is there -> boxes of garments.

A mask has the size of its photo and its name; it is a PNG of grey values or of a palette, or a MATLAB file with one
matrix of whole numbers. A table says what the numbers mean.
"""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from ...boxes import UNKNOWN, Detections
from ...vocabulary import Vocabulary
from .mat_files import read_matrix
from .problems import FormatError, Problem, read_csv_rows

SUFFIXES = (".png", ".mat")
MAYBE = "?"
"""In place of a category: this can be a garment of some category, so that an answer there is neither right nor wrong.
"""
_PART = 0.05
"""Of the largest connected part of a garment: smaller parts of the same label are specks of another one."""
_SMALLEST = 0.001
"""Of a photo: smaller garments are left out."""


def read_label_categories(path: Path, vocabulary: Vocabulary) -> dict[int, int | None]:
    """Label -> index of the category, of a CSV with the columns label, name and category.

    UNKNOWN for MAYBE; None for a row without a category, which is no garment. Raises FormatError for other columns, a
    label that is no whole number from 0 to 65535 or is repeated, and a category that the vocabulary does not have.
    """
    return _by_photo(path, ["label", "name", "category"], vocabulary).get("", {})


def read_mask_corrections(path: Path, vocabulary: Vocabulary) -> dict[str, dict[int, int | None]]:
    """By the name of a photo without folder and ending, what single labels are in its mask, where that is something
    else than the table of labels says. Of a CSV with the columns photo, label and category.

    Categories and errors as of `read_label_categories`.
    """
    return _by_photo(path, ["photo", "label", "category"], vocabulary)


def _by_photo(path: Path, columns: list[str], vocabulary: Vocabulary) -> dict[str, dict[int, int | None]]:
    """The categories of labels by the photo that they are of; the photo is "" where there is no such column."""
    rows = read_csv_rows(Path(path))
    if not rows or rows[0][1] != columns:
        found = ",".join(rows[0][1]) if rows else "none, since the file is empty"
        raise FormatError([Problem(path, 1, f"columns {found:.200}; expected {','.join(columns)}")])
    labels: dict[str, dict[int, int | None]] = {}
    problems = []
    for line, cells in rows[1:]:
        try:
            if len(cells) != len(columns):
                raise ValueError(f"{','.join(cells):.80}; expected {', '.join(columns)}")
            row = dict(zip(columns, (cell.strip() for cell in cells), strict=True))
            label, category = _label(row["label"], cells), _category(row["category"], vocabulary)
            of_photo = labels.setdefault(PurePosixPath(row.get("photo", "")).stem, {})
            if label in of_photo:
                raise ValueError(f"the label {label}{' of ' + row['photo'] if 'photo' in row else ''} again")
            of_photo[label] = category
        except ValueError as error:
            problems.append(Problem(path, line, str(error)))
    if problems:
        raise FormatError(problems)
    return labels


def _label(text: str, cells: list[str]) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) > 0xFFFF:
        raise ValueError(f"{','.join(cells):.80}; expected a label of 0 to 65535")
    return int(text)


def _category(category: str, vocabulary: Vocabulary) -> int | None:
    if category and category not in (MAYBE, *vocabulary.categories):
        known = ", ".join(vocabulary.categories)
        raise ValueError(f"unknown category {category!r:.80}; expected none, {MAYBE} or one of {known}")
    return None if not category else UNKNOWN if category == MAYBE else vocabulary.category_index(category)


def read_mask(path: Path) -> np.ndarray:
    """(H, W) int32. Raises ValueError for what is no mask; the caller adds the name of the file."""
    values = _mat(path) if path.suffix.lower() == ".mat" else _png(path)
    if values.dtype.kind == "f" and (np.abs(values) <= 0xFFFF).all() and (values == np.rint(values)).all():
        values = values.astype(np.int32)  # MATLAB's numbers are of double precision, those of labels too
    if values.ndim != 2 or not values.size or not np.issubdtype(values.dtype, np.integer):
        raise ValueError(f"expected one matrix of whole numbers; got {values.dtype} of shape {values.shape}")
    if values.min() < 0 or values.max() > 0xFFFF:
        raise ValueError(f"labels must be 0 to 65535; got {values.min()} to {values.max()}")
    return values.astype(np.int32)


def garments_of_mask(mask: np.ndarray, labels: Mapping[int, int | None]) -> Detections:
    """The box of each label (H, W) that is a garment: of its largest connected part and all that are not specks of it.

    labels: label -> index of the category, or UNKNOWN, which the garment then has; None for what is no garment. Two
    people in one photo have one box for a label that both wear.
    """
    boxes, categories = [], []
    for label in np.unique(mask).tolist():
        category = labels.get(label)
        if category is None:
            continue
        _, _parts, stats, _ = cv2.connectedComponentsWithStats((mask == label).astype(np.uint8), connectivity=8)
        sizes = stats[1:, cv2.CC_STAT_AREA]
        if sizes.sum() < _SMALLEST * mask.size:
            continue
        kept = stats[1:][sizes >= _PART * sizes.max()]
        left, top = kept[:, cv2.CC_STAT_LEFT], kept[:, cv2.CC_STAT_TOP]
        right, bottom = left + kept[:, cv2.CC_STAT_WIDTH], top + kept[:, cv2.CC_STAT_HEIGHT]
        boxes.append([left.min(), top.min(), right.max(), bottom.max()])
        categories.append(category)
    return Detections(np.array(boxes, np.float64).reshape(-1, 4), np.array(categories, np.int64), np.ones(len(boxes)))


def _mat(path: Path) -> np.ndarray:
    try:
        return read_matrix(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot be read as a MATLAB file: {error}") from None


def _png(path: Path) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(path, formats=("PNG",)) as image:
            if image.mode not in ("1", "L", "P", "I;16", "I"):
                raise ValueError(f"it has colours ({image.mode}); expected grey values or a palette")
            return np.array(image, np.uint8 if image.mode == "1" else None)
    except (OSError, ValueError, SyntaxError) as error:
        raise ValueError(f"cannot be read as a mask: {error}") from None
