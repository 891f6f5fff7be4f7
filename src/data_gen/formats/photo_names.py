"""Names of photos as other tools write them, and which photos they mean.

Tools write the path that they were given, that below some folder, the name of the file alone, with or without its
ending, or of a name that is a number the number.
"""

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from ...paths import is_plain, raw_name, readable_name


def posix_name(name: str) -> str:
    """The name of a photo with forward slashes. Raises ValueError where it is empty or has a control character."""
    if not name.strip() or not is_plain(name):
        raise ValueError(f"photo {name!r:.80}: the name is empty or has a control character")
    # The backslash of a byte that is no UTF-8, as `readable_name` writes it, separates no folders.
    name = name if raw_name(name) != name else name.replace("\\", "/")
    return PurePosixPath(name.strip()).as_posix()


def photos_of_names(names: Iterable[str], photos: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Which photo each name means: name -> photo, and of names that could mean several, name -> the reason.

    names: as `posix_name` gives them; those that mean none of the photos are in neither. A name means a photo, the best
    first: by the same path; since the path of the photo ends in the name, or the other way round; by the same without
    the ending of the file; by the same number, as 17 and 000017.jpg. Of several names for one photo the best one means
    it, if there is just one as good.
    """
    paths = {photo: PurePosixPath(posix_name(readable_name(photo))).parts for photo in photos}
    same, by_file, by_stem, by_number = ({} for _ in range(4))
    for photo, parts in paths.items():
        stem = PurePosixPath(parts[-1]).stem
        for table, key in ((same, parts), (by_file, parts[-1]), (by_stem, stem), (by_number, _number(stem))):
            table.setdefault(key, []).append(photo)
    meant: dict[str, str] = {}
    unclear: dict[str, str] = {}
    by_photo: dict[str, list[tuple[int, str]]] = {}  # photo -> (how good the name is, 0 is best; name)
    for name in names:
        parts = PurePosixPath(name).parts
        ways = (
            same.get(parts, []),
            [p for p in by_file.get(parts[-1], []) if _ends_alike(paths[p], parts)],
            [p for p in by_stem.get(parts[-1], []) if _ends_alike(paths[p][:-1], parts[:-1])],
            by_number.get(_number(name), []) if len(parts) == 1 and _number(name) is not None else [],
        )
        rank, found = next(((rank, found) for rank, found in enumerate(ways) if found), (0, []))
        if len(found) > 1:
            unclear[name] = f"it can mean {found[0]} and {found[1]}: write the whole path"
        elif found:
            by_photo.setdefault(found[0], []).append((rank, name))
    for photo, several in by_photo.items():
        best = min(rank for rank, _ in several)
        as_good = [name for rank, name in several if rank == best]
        if len(as_good) == 1:
            meant[as_good[0]] = photo
        for _, name in several:
            if name not in meant:
                other = next(other for other in (*as_good, photo) if other != name)
                unclear[name] = f"{other} can mean the photo {photo} as well: write the whole path"
    return meant, unclear


def _ends_alike(first: tuple[str, ...], second: tuple[str, ...]) -> bool:
    """Whether the shorter one is the end of the other."""
    length = min(len(first), len(second))
    return first[len(first) - length :] == second[len(second) - length :]


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
