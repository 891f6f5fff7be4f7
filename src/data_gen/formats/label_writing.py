"""What writers of labelled photos share: a folder that appears whole or not at all, photos beside the labels, and the
checks of what is written."""

import errno
import logging
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ...files import link_or_copy, replace_folder
from ...records import ABSENT
from ...vocabulary import Vocabulary
from ..images import resolve_image
from .labels import LabelledPhoto, LabelSet
from .photo_names import posix_name

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


def checked(
    labels: LabelSet, vocabulary: Vocabulary, sized: bool = True, outlined: bool = True
) -> Iterator[LabelledPhoto]:
    """The photos of a set, checked one by one while they are written. sized: whether each needs its size. outlined:
    whether each garment needs a box or a keypoint.

    Raises ValueError, with the photo and the id of the garment, where one of them is missing, or a category or keypoint
    is not one of the vocabulary; and for a photo that comes twice.
    """
    keypoints: Mapping[str, frozenset[str]] = {c.name: frozenset(c.keypoints) for c in vocabulary.definitions}
    seen = set()
    for photo in labels.photos:
        if posix_name(photo.file_name) in seen:
            raise ValueError(f"photo {photo.file_name} comes twice; join its garments")
        seen.add(posix_name(photo.file_name))
        if sized and photo.size is None:
            raise ValueError(f"photo {photo.file_name}: its size is not known, and coordinates cannot be written")
        for garment in photo.garments:
            where = f"photo {photo.file_name}, garment {garment.id}"
            known = keypoints.get(garment.category)
            if known is None:
                raise ValueError(f"{where}: category {garment.category!r} is not in the vocabulary {vocabulary.name}")
            present = garment.keypoints.state != ABSENT
            other = {name for name, there in zip(garment.names, present, strict=True) if there} - known
            if other:
                raise ValueError(f"{where}: a {garment.category} has no keypoint {', '.join(sorted(other))}")
            if outlined and garment.outline is None:
                raise ValueError(f"{where}: neither a box nor a keypoint; there is nothing to write")
        yield photo
