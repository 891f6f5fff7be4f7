"""Synthetic sets of the other two kinds: photos with some of 13 styles, and of many products.

    styles     Images/<id>.jpg, train.txt (id,url,13 cells), test.txt (id,url), answer.txt (id,url,13 cells)
    products   train/, val/, test/ with <product>/<n>.jpg, train.txt and val.txt (path label), test.txt, test_answer.txt

A style is a rule about what can be seen: the cloth and the kind of garment. A product is a kind of garment in
one cloth, photographed again and again.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track

from ...files import claim_folder, write_atomic
from ..formats.challenges import CATEGORIES, STYLES
from ..formats.folders import DRAWN_FILE
from .cloth import PATTERNS, Cloth
from .scene import render
from .writer import checked_test_count, one_thread

STYLE_LIST, STYLE_TEST, STYLE_ANSWER = "train.txt", "test.txt", "answer.txt"
PRODUCT_ANSWER = "test_answer.txt"


_RULES: dict[str, Callable[[str, str], bool]] = {
    "sports": lambda garment, cloth: cloth in ("knit", "stripe") and garment in ("blouse", "trousers"),
    "casual": lambda garment, cloth: cloth in ("denim", "knit", "plain") and garment != "dress",
    "OL/commuter": lambda garment, cloth: cloth in ("plain", "tweed") and garment in ("outwear", "skirt"),
    "Japanese": lambda garment, cloth: cloth == "dots",
    "Korean": lambda garment, cloth: cloth == "stripe" and garment in ("dress", "skirt", "blouse"),
    "Western": lambda garment, cloth: cloth == "denim" and garment in ("trousers", "outwear"),
    "British": lambda garment, cloth: cloth in ("check", "tweed"),
    "girl": lambda garment, cloth: cloth in ("floral", "dots", "lace") and garment in ("dress", "skirt"),
    "lady": lambda garment, cloth: garment == "dress" and cloth in ("plain", "lace"),
    "minimalist": lambda garment, cloth: cloth == "plain",
    "natural": lambda garment, cloth: cloth == "floral",
    "street/punk": lambda garment, cloth: cloth in ("leather", "blotches"),
    "ethnic": lambda garment, cloth: cloth in ("blotches", "lace") and garment in ("dress", "skirt", "blouse"),
}
"""Style -> whether a photo has it, from the category of the garment and the name of its cloth."""


@dataclass(frozen=True, slots=True)
class _Job:
    """One photo to draw to `path`. design: seeds the garment's kind and cloth; number: seeds all the rest."""

    path: Path
    design: tuple[int, ...]
    number: tuple[int, ...]
    size: int


def write_style_set(
    out: Path, count: int, seed: int, size: int = 256, test_count: int | None = None, url: str = "", workers: int = 1
) -> None:
    """Writes `count` training and `test_count` (a tenth by default) test photos, and lists that name them below `url`.

    Served there, `aifashion data fetch-styles` fetches them as it does real ones. Errors as in `write_dataset`.
    """
    out = Path(out)
    test_count = checked_test_count(count, test_count, workers)
    facts = {"kind": "styles", "count": count, "seed": seed, "size": size, "test_count": test_count}
    claim_folder(out, DRAWN_FILE, facts)
    names = [f"{number:06d}" for number in range(count + test_count)]
    jobs = [
        _Job(out / "Images" / f"{name}.jpg", (seed, 0, number), (seed, 1, number), size)
        for number, name in enumerate(names)
    ]
    labels = list(_drawn(jobs, workers))
    base = url.rstrip("/")
    full = [f"{name},{base}/Images/{name}.jpg,{cells}" for name, cells in zip(names, labels, strict=True)]
    bare = [f"{name},{base}/Images/{name}.jpg" for name in names]
    for file, lines in ((STYLE_LIST, full[:count]), (STYLE_TEST, bare[count:]), (STYLE_ANSWER, full[count:])):
        write_atomic(out / file, "".join(f"{line}\n" for line in lines))


def write_product_set(
    out: Path, count: int, classes: int, seed: int, size: int = 256, test_count: int | None = None, workers: int = 1
) -> None:
    """Writes `count` photos of `classes` products to train and validate on, and `test_count` (a tenth) with answers.

    As in a shop's catalogue some products have many photos and most have few. One in ten of the photos of a product
    is for validation, at least one. Errors as in `write_dataset`, and ValueError for fewer than 3 photos a class.
    """
    out = Path(out)
    if classes < 2 or count < 3 * classes:
        raise ValueError(f"need 2 classes or more and 3 photos for each; got {classes} and {count} photos")
    test_count = checked_test_count(count, test_count, workers)
    arguments = {"kind": "products", "count": count, "classes": classes, "seed": seed, "size": size}
    claim_folder(out, DRAWN_FILE, arguments | {"test_count": test_count})
    rng = np.random.default_rng([seed, 2])
    # Three of each, and the rest by Zipf's law.
    probabilities = 1 / np.arange(1, classes + 1)
    label = np.concatenate(
        [
            np.tile(np.arange(classes), 3),
            rng.choice(classes, count - 3 * classes, p=probabilities / probabilities.sum()),
        ]
    )
    seen = np.zeros(classes, int)
    rows: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    jobs = []
    for number, own in enumerate([*label.tolist(), *rng.integers(0, classes, test_count).tolist()]):
        split = "test" if number >= count else "val" if seen[own] % 10 == 2 else "train"
        name = f"{split}/{own:05d}/{number:06d}.jpg"
        jobs.append(_Job(out / name, (seed, 0, own), (seed, 1, number), size))
        rows[split].append(f"{name} {own}")
        seen[own] += 1
    for _ in _drawn(jobs, workers):
        pass
    answers = rows["test"]
    lists = {"train.txt": rows["train"], "val.txt": rows["val"], PRODUCT_ANSWER: answers}
    lists["test.txt"] = [row.partition(" ")[0] for row in answers]
    for file, lines in lists.items():
        write_atomic(out / file, "".join(f"{line}\n" for line in lines))


def _drawn(jobs: list[_Job], workers: int) -> Iterable[str]:
    """The style cells of every photo, drawn now."""
    console = Console(stderr=True)
    if workers == 1:
        yield from track(map(_draw, jobs), "Drawing photos", len(jobs), console=console)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=one_thread) as pool:
        yield from track(pool.map(_draw, jobs, chunksize=16), "Drawing photos", len(jobs), console=console)


def _draw(job: _Job) -> str:
    design = np.random.default_rng(job.design)
    category = CATEGORIES[int(design.integers(len(CATEGORIES)))]
    pattern = str(design.choice(list(PATTERNS)))
    cloth: Cloth = PATTERNS[pattern](design)
    photo = render(np.random.default_rng(job.number), job.size, category, cloth)
    _, packed = cv2.imencode(".jpg", photo.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    job.path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(job.path, packed.tobytes(), flush=False)
    return ",".join("1" if _RULES[style](category, pattern) else "0" for style in STYLES)
