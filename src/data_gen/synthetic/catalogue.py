"""Synthetic sets of the two other challenges: photos labelled with 13 styles, and photos of many products.

    styles     Images/<id>.jpg, train.txt (id,url,13 cells), test.txt (id,url), answer.txt (id,url,13 cells)
    products   train/, val/, test/ with <product>/<n>.jpg, train.txt and val.txt (path label), test.txt, test_answer.txt

A style is a rule about visible properties: the fabric and the category of the garment. A product is a category of
garment in one fabric, in several photos.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...files import sweep, write_atomic
from ..formats.challenges import CATEGORIES, STYLES
from .cloth import PATTERNS, Cloth
from .drawing import checked_test_count, drawn
from .scene import render
from .writer import claimed, packed_jpeg

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
"""Style -> rule: (category of the garment, name of its fabric) -> whether the photo has the style."""


@dataclass(frozen=True, slots=True)
class _Job:
    """One photo to draw to `path`. design: seed of category and fabric; number: seed of everything else."""

    path: Path
    design: tuple[int, ...]
    number: tuple[int, ...]
    size: int


def write_style_set(
    out: Path, count: int, seed: int, size: int = 256, test_count: int | None = None, url: str = "", workers: int = 1
) -> None:
    """Writes `count` training and `test_count` (by default a tenth, at least 5) test photos, and lists with their URLs.

    url: the prefix of the URLs in the lists. With the photos served there, `aifashion data fetch-styles` fetches them.
    Errors as in `write_dataset`.
    """
    out = Path(out)
    test_count = checked_test_count(count, test_count, workers)
    facts = {"kind": "styles", "count": count, "seed": seed, "size": size, "test_count": test_count}
    names = [f"{number:06d}" for number in range(count + test_count)]
    jobs = [
        _Job(out / "Images" / f"{name}.jpg", (seed, 0, number), (seed, 1, number), size)
        for number, name in enumerate(names)
    ]
    with claimed(out, facts):
        sweep(out / "Images")
        labels = list(drawn(_draw, jobs, workers))
        _write_style_lists(out, names, labels, count, url)


def _write_style_lists(out: Path, names: list[str], labels: list[str], count: int, url: str) -> None:
    base = url.rstrip("/")
    full = [f"{name},{base}/Images/{name}.jpg,{cells}" for name, cells in zip(names, labels, strict=True)]
    bare = [f"{name},{base}/Images/{name}.jpg" for name in names]
    for file, lines in ((STYLE_LIST, full[:count]), (STYLE_TEST, bare[count:]), (STYLE_ANSWER, full[count:])):
        write_atomic(out / file, "".join(f"{line}\n" for line in lines))


def write_product_set(
    out: Path, count: int, classes: int, seed: int, size: int = 256, test_count: int | None = None, workers: int = 1
) -> None:
    """Writes `count` training and validation photos of `classes` products, and `test_count` test photos with answers.

    test_count: by default a tenth, at least 5. As in a shop's catalogue, some products have many photos and most have
    few. One in ten photos of a product, at least one, is for validation. Errors as in `write_dataset`, and ValueError
    for less than 2 classes or fewer than 3 photos per class.
    """
    out = Path(out)
    if classes < 2 or count < 3 * classes:
        raise ValueError(f"need at least 2 classes and 3 photos for each; got {classes} classes and {count} photos")
    test_count = checked_test_count(count, test_count, workers)
    arguments = {"kind": "products", "count": count, "classes": classes, "seed": seed, "size": size}
    arguments |= {"test_count": test_count}
    rng = np.random.default_rng([seed, 2])
    # Three photos of each product, and the rest by Zipf's law.
    probabilities = 1 / np.arange(1, classes + 1)
    label = np.concatenate(
        [
            np.tile(np.arange(classes), 3),
            rng.choice(classes, count - 3 * classes, p=probabilities / probabilities.sum()),
        ]
    )
    counts = np.zeros(classes, int)  # photos so far, by product
    rows: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    jobs = []
    for number, product in enumerate([*label.tolist(), *rng.integers(0, classes, test_count).tolist()]):
        split = "test" if number >= count else "val" if counts[product] % 10 == 2 else "train"
        name = f"{split}/{product:05d}/{number:06d}.jpg"
        jobs.append(_Job(out / name, (seed, 0, product), (seed, 1, number), size))
        rows[split].append(f"{name} {product}")
        counts[product] += 1
    answers = rows["test"]
    lists = {"train.txt": rows["train"], "val.txt": rows["val"], PRODUCT_ANSWER: answers}
    lists["test.txt"] = [row.partition(" ")[0] for row in answers]
    with claimed(out, arguments):
        for folder in {job.path.parent for job in jobs}:
            sweep(folder)
        for _ in drawn(_draw, jobs, workers):
            pass
        for file, lines in lists.items():
            write_atomic(out / file, "".join(f"{line}\n" for line in lines))


def _draw(job: _Job) -> str:
    design = np.random.default_rng(job.design)
    category = CATEGORIES[int(design.integers(len(CATEGORIES)))]
    pattern = str(design.choice(list(PATTERNS)))
    cloth: Cloth = PATTERNS[pattern](design)
    photo = render(np.random.default_rng(job.number), job.size, category, cloth)
    job.path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(job.path, packed_jpeg(photo.image, 88), flush=False)
    return ",".join("1" if _RULES[style](category, pattern) else "0" for style in STYLES)
