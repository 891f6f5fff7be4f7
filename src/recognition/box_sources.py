"""Resolves where the boxes of garments come from: a file, or a trained detector."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..data_gen.formats.box_files import read_boxes
from ..eval.detection import BoxSource, Garments
from ..files import read_regular
from ..paths import readable_name
from ..vocabulary import Vocabulary
from .detection_model import load_detection_model
from .network_digest import network_digest

NONE = "none"
"""Value instead of a detector: use none, not even the shipped one."""


def read_garments(text: str) -> Garments:
    """`all`, `largest` or a number, from the text of an option. Raises ValueError for another text."""
    if text == "all" or text == "largest":
        return text
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise ValueError(f"--garments {text}: expected all, largest or a number from 1")
    return number


def check_source(boxes: Path | None, detector: Path | None, garments: str | None) -> None:
    """Raises ValueError for options that contradict each other or have no effect; no file is read."""
    if garments is not None:
        read_garments(garments)
    without = detector is not None and str(detector) == NONE
    if boxes is not None and detector is not None and not without:
        raise ValueError(f"--boxes {boxes} and --detector {detector}: the boxes come from one of them; give one")
    if garments is not None and boxes is None and without:
        raise ValueError(
            f"--garments {garments} needs boxes: leave --detector none out, or give them in a file with --boxes"
        )


@dataclass(frozen=True, slots=True)
class NamedSource:
    """Boxes for the photos of a command. origin: the file or network, with a digest that distinguishes it from a later
    one in its place."""

    source: BoxSource
    origin: str


def named_source(
    photos: Sequence[str],
    vocabulary: Vocabulary,
    boxes: Path | None,
    detector: Path | None,
    garments: str | None,
    batch_size: int,
    listed: Path | None = None,
) -> NamedSource | None:
    """The source for the options of a command; None if they ask for no garments: then each photo has one garment.

    If they ask only for garments, the shipped detector finds them. photos: their names, by which the source knows them.
    listed: the COCO data set that they are from; COCO results use its numbers. Raises ValueError as `check_source`,
    FormatError for a file without boxes of these photos.
    """
    check_source(boxes, detector, garments)
    wanted = "all" if garments is None else read_garments(garments)
    if boxes is not None:
        digest = hashlib.sha256(read_regular(boxes)).hexdigest()[:12]
        given = read_boxes(boxes, vocabulary.categories, listed).of(list(dict.fromkeys(photos)))
        return NamedSource(BoxSource(given, wanted), f"{readable_name(str(boxes))} ({digest})")
    if (garments is not None or detector is not None) and str(detector) != NONE:
        model = load_detection_model(detector)
        found = model.detector(max(1, min(batch_size, len(photos))))
        return NamedSource(BoxSource(found, wanted), f"{model.run} ({network_digest(model.run)})")
    return None
