"""Duplicate photos: equal bytes, or the same picture saved at another size or quality.

A 64-bit perceptual hash (the signs of the low DCT frequencies; Zauner, "Implementation and Benchmarking of Perceptual
Image Hash Functions", 2010) finds candidate pairs. The structural similarity (SSIM; Wang et al., 2004) of small grey
versions decides, because different garments on one shop's background have similar hashes.
"""

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track

from .images import ImageError, decode_image, read_bytes

MAX_DISTANCE = 5  # differing bits of 64; re-encoding and resizing change up to 4
MIN_SIMILARITY = 0.9
_THUMBNAIL = 48
_MAX_ASPECT_CHANGE = 1.03


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """The features of a photo by which duplicates are found.

    digest: of the file's bytes. hash: 64 bits. aspect: width / height. thumbnail: (48, 48) uint8 grey.
    """

    digest: bytes
    hash: int
    aspect: float
    thumbnail: np.ndarray


def fingerprint(data: bytes, image: np.ndarray) -> Fingerprint:
    """The fingerprint of a file's bytes and the (H, W, 3) RGB image decoded from them."""
    height, width = image.shape[:2]
    small = cv2.resize(image, (_THUMBNAIL, _THUMBNAIL), interpolation=cv2.INTER_AREA)
    thumbnail = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    low = cv2.dct(thumbnail.astype(np.float32))[:8, :8].ravel()
    bits = low > np.median(low)
    hashed = int.from_bytes(np.packbits(bits).tobytes(), "big")
    return Fingerprint(hashlib.blake2b(data, digest_size=16).digest(), hashed, width / height, thumbnail)


def read_fingerprint(path: Path) -> Fingerprint | None:
    """The fingerprint of a photo; None if it cannot be read."""
    try:
        data = read_bytes(path)
        return fingerprint(data, decode_image(data, str(path)))
    except ImageError:
        return None


def duplicate_groups(paths: Sequence[Path], workers: int = 2) -> np.ndarray:
    """(N,) int: photos with equal group numbers show the same picture. An unreadable file has a group of its own.

    Decodes every photo once, in `workers` threads, with a progress bar.
    """
    with ThreadPoolExecutor(workers) as pool:
        reading = pool.map(read_fingerprint, paths)
        prints = list(track(reading, "Reading photos", total=len(paths), console=Console(stderr=True)))
    return group_fingerprints(prints)


def group_fingerprints(prints: Sequence[Fingerprint | None]) -> np.ndarray:
    """(N,) int: equal group numbers for fingerprints of the same picture; numbered in the order of first appearance."""
    readable = [i for i, p in enumerate(prints) if p is not None]
    pairs = [(readable[a], readable[b]) for a, b in _pairs_of([p for p in prints if p is not None])]
    first, second = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    from scipy.sparse import coo_array  # of the extra for training, which those who only predict need not have
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(first), np.int8), (first, second)), shape=(len(prints), len(prints)))
    return connected_components(graph, directed=False)[1] if prints else np.zeros(0, np.int64)


def close_pairs(hashes: np.ndarray, distance: int = MAX_DISTANCE) -> np.ndarray:
    """(N,) uint64 -> (P, 2) int: all index pairs i < j whose hashes differ in at most `distance` bits, sorted.

    Two such hashes are equal in at least one of `distance + 1` bands of bits (pigeonhole principle), so only hashes
    that share a band are compared.
    """
    hashes = np.asarray(hashes, np.uint64)
    edges = np.linspace(0, 64, distance + 2).astype(int)
    found = [np.zeros((0, 2), np.int64)]
    for low, high in pairwise(edges):
        keys = (hashes >> np.uint64(low)) & np.uint64((1 << int(high - low)) - 1)
        order = np.argsort(keys, kind="stable")
        keys, ordered = keys[order], hashes[order]
        at, step = np.arange(len(keys)), 1
        while at.size:  # compare each hash with the one `step` positions later, as long as the band is the same
            at = at[at + step < len(keys)]
            at = at[keys[at] == keys[at + step]]
            near = at[np.bitwise_count(ordered[at] ^ ordered[at + step]) <= distance]
            found.append(np.stack([order[near], order[near + step]], axis=1))
            step += 1
    return np.unique(np.sort(np.concatenate(found), axis=1), axis=0)


def _pairs_of(prints: Sequence[Fingerprint]) -> Iterable[tuple[int, int]]:
    """Index pairs of duplicates: each photo with the earlier photos that show the same picture."""
    first: dict[bytes, int] = {}
    for i, p in enumerate(prints):
        if first.setdefault(p.digest, i) != i:
            yield first[p.digest], i
    distinct = np.fromiter(first.values(), np.int64, len(first))
    hashes = np.array([prints[i].hash for i in distinct], dtype=np.uint64)
    for a, b in distinct[close_pairs(hashes)].tolist():
        if same_picture(prints[a], prints[b]):
            yield a, b


def same_picture(a: Fingerprint, b: Fingerprint) -> bool:
    """Whether two photos with similar hashes show the same picture: nearly equal aspect ratio and similar structure."""
    if max(a.aspect, b.aspect) > _MAX_ASPECT_CHANGE * min(a.aspect, b.aspect):
        return False
    from skimage.metrics import structural_similarity

    similarity = np.asarray(structural_similarity(a.thumbnail, b.thumbnail, data_range=255))
    return bool(similarity >= MIN_SIMILARITY)
