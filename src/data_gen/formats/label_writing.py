"""What writers of labelled photos share: a folder that appears whole or not at all, photos beside the labels, and boxes
of garments that have none of their own."""

import errno
import logging
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ...boxes import around
from ...files import link_or_copy, replace_folder
from ...records import ABSENT
from ...vocabulary import Vocabulary
from ..images import resolve_image
from .labels import Edges, LabelledGarment, LabelSet

log = logging.getLogger(__name__)


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Yields a folder to write into, which becomes `out` at the end; where the block raises, there is no `out`.

    Raises FileExistsError where `out` is there and is not an empty folder: data sets are not mixed.
    """
    out = Path(out)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise FileExistsError(errno.EEXIST, "it is there already; give a new or an empty folder", str(out))
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_name(f".{secrets.token_hex(4)}-{out.name}")
    beside.mkdir()
    try:
        yield beside
        replace_folder(out, beside)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def place_photo(labels: LabelSet, file_name: str, target: Path) -> bool:
    """Links or copies a photo of the labels to `target`; False where there is none. Raises ValueError for a name that
    leads out of the folder of the photos, OSError."""
    source = resolve_image(labels.root, file_name)
    if not source.is_file():
        return False
    link_or_copy(source, target)
    return True


def tell_missing_photos(labels: LabelSet, missing: int, first: str, folder: Path) -> None:
    """A warning, where photos of the labels were not found. folder: where they belong."""
    if missing:
        log.warning(
            f"{missing:,} of {len(labels.photos):,} photos are not in {labels.root}, the first {first}: only their "
            f"labels are written; put the photos into {folder}"
        )


def box_to_write(garment: LabelledGarment) -> Edges | None:
    """The box of the garment, or else that of its keypoints; None where it has neither."""
    if garment.box is not None:
        return garment.box
    points = garment.keypoints.xy[garment.keypoints.state != ABSENT]
    if not len(points):
        return None
    left, top, right, bottom = around(points).tolist()
    return left, top, right, bottom


def keypoint_indices(names: tuple[str, ...], vocabulary: Vocabulary) -> np.ndarray:
    """(K of the garment,) int: where its keypoints stand in the vocabulary. Raises ValueError for another name."""
    unknown = [name for name in names if name not in vocabulary.indices]
    if unknown:
        raise ValueError(f"no keypoint {', '.join(unknown[:5])} in the vocabulary {vocabulary.name}")
    return np.array([vocabulary.indices[name] for name in names], int)
