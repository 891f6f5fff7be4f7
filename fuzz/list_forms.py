"""Kinds of lists: how to make a valid one, how the package reads it, and an independent reader for comparison."""

import csv
import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from aifashion.data_gen.formats.aliproducts import read_product_labels
from aifashion.data_gen.formats.challenges import ATTRIBUTE_TASKS, CATEGORIES, CATEGORY_KEYPOINTS, KEYPOINTS, STYLES
from aifashion.data_gen.formats.coco import read_coco
from aifashion.data_gen.formats.fashionai import read_keypoint_csv
from aifashion.data_gen.formats.fashionai_attributes import read_labels
from aifashion.data_gen.formats.jingdong import read_style_list
from aifashion.recognition.photo_lists import read_photo_list

Answer = list[tuple]
"""The rows of a list, as plain values."""


@dataclass(frozen=True)
class Form:
    """A kind of list: functions that make a valid one, read it by the package, and read it plainly (None: no judge)."""

    name: str
    file: str
    make: Callable[[random.Random, Path], bytes]
    read: Callable[[Path], Answer]
    plain: Callable[[bytes, Path], Answer | None]


# ---------------------------------------------------------------------------------------------------- lists of photos

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t"}


def photo_table(rng: random.Random, folder: Path) -> bytes:
    return in_form(photo_rows(folder), rng.choice([",", ";", "\t"]), rng.choice(["\n", "\r\n"]), "utf-8")


def photo_rows(folder: Path) -> list[list[str]]:
    names = sorted(path.name for path in (folder / "ph").iterdir())
    return [["sku", "photo", "label"], *([str(n), f"ph/{name}", "dress"] for n, name in enumerate(names))]


def in_form(rows: list[list[str]], separator: str, end: str, encoding: str) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator, lineterminator=end).writerows(rows)
    return text.getvalue().encode(encoding)


def read_photos(path: Path) -> Answer:
    return [alike(str(Path(name).relative_to(path.parent))) for name in read_photo_list(path)]


def alike(name: str) -> tuple[str]:
    """Replaces the separators of Windows by /, since readers accept both."""
    return (PurePosixPath(name.replace("\\", "/")).as_posix(),)


def plain_photos(data: bytes, folder: Path) -> Answer | None:
    """Cells of the column photo, if the bytes are UTF-8 and exactly one separator gives rows of equal length."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    if any(not (character.isprintable() or character in "\r\n\t") for character in text):
        return None
    for separator in SEPARATORS.values():
        try:
            rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True) if row]
        except csv.Error:
            return None
        if rows and "photo" in rows[0] and len(rows[0]) == 3 and all(len(row) == 3 for row in rows):
            column = rows[0].index("photo")
            cells = [row[column].strip() for row in rows[1:]]
            return [alike(cell) for cell in cells if cell]
    return None


# ---------------------------------------------------------------------------------------------------- lists of labels


def keypoint_csv(rng: random.Random, folder: Path) -> bytes:
    rows = [["image_id", "image_category", *KEYPOINTS]]
    for number in range(6):
        category = rng.choice(CATEGORIES)
        has = CATEGORY_KEYPOINTS[category]
        cells = [f"{rng.randrange(200)}_{rng.randrange(200)}_{rng.randrange(2)}" for _ in KEYPOINTS]
        cells = [cell if name in has else "-1_-1_-1" for name, cell in zip(KEYPOINTS, cells, strict=True)]
        rows.append([f"Images/{category}/{number}.jpg", category, *cells])
    return in_form(rows, ",", "\n", "utf-8")


def read_keypoints(path: Path) -> Answer:
    found = []
    for sample in read_keypoint_csv(path):
        assert sample.keypoints is not None
        points = zip(sample.keypoints.xy.tolist(), sample.keypoints.state.tolist(), strict=True)
        found.append((sample.image_id, sample.category, *((x, y, float(state)) for (x, y), state in points)))
    return found


def plain_keypoints(data: bytes, folder: Path) -> Answer | None:
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))
    order = {name.strip(): index for index, name in enumerate(rows[0])}
    found = []
    for row in rows[1:]:
        if not row:
            continue
        points = [tuple(map(float, row[order[name]].split("_"))) for name in KEYPOINTS]
        points = [(-1.0, -1.0, -1.0) if point[2] == -1 else point for point in points]
        found.append((row[order["image_id"]], row[order["image_category"]], *points))
    return found


def attribute_csv(rng: random.Random, folder: Path) -> bytes:
    lines = []
    for number in range(8):
        task = rng.choice(list(ATTRIBUTE_TASKS))
        marks = ["n"] * len(ATTRIBUTE_TASKS[task])
        marks[rng.randrange(len(marks))] = "y"
        lines.append(f"Images/{task}_labels/{number}.jpg,{task}_labels,{''.join(marks)}\n")
    return "".join(lines).encode()


def read_attributes(path: Path) -> Answer:
    return [(row.path, f"{row.task}_labels", row.value) for row in read_labels(path)]


def plain_rows(data: bytes, folder: Path) -> Answer | None:
    text = io.StringIO(data.decode("utf-8-sig"), newline="")
    return [tuple(row) for row in csv.reader(text, strict=True) if row]


def coco_json(rng: random.Random, folder: Path) -> bytes:
    names = ["waistband_left", "waistband_right", "hemline_left", "hemline_right"]
    images = [{"id": n, "file_name": f"images/{n}.png", "width": 400, "height": 300 + n} for n in range(1, 5)]
    annotations = []
    for image in images:
        points = [
            number for _ in names for number in (rng.randrange(1, 400), rng.randrange(1, 300), rng.choice((1, 2)))
        ]
        facts = {"id": 10 + image["id"], "image_id": image["id"], "category_id": 1, "keypoints": points}
        annotations.append(facts | {"num_keypoints": len(names), "bbox": [1, 1, 90, 90], "area": 8100, "iscrowd": 0})
    categories = [{"id": 1, "name": "skirt", "keypoints": names, "skeleton": [[1, 2]]}]
    return json.dumps({"images": images, "categories": categories, "annotations": annotations}, indent=0).encode()


def read_coco_rows(path: Path) -> Answer:
    return [
        (a.id, a.image.file_name, a.image.size, a.category.name, a.keypoints.xy.tolist(), a.keypoints.state.tolist())
        for a in read_coco(path).annotations
    ]


def plain_coco(data: bytes, folder: Path) -> Answer | None:
    content = json.loads(data)
    images = {image["id"]: image for image in content["images"]}
    categories = {category["id"]: category for category in content["categories"]}
    found = []
    for entry in content["annotations"]:
        if not entry.get("keypoints") or entry.get("iscrowd"):
            return None  # left out, with a message
        image, category = images[entry["image_id"]], categories[entry["category_id"]]
        points = np.array(entry["keypoints"], float).reshape(-1, 3)
        state = np.select([points[:, 2] == 2, points[:, 2] == 1], [1, 0], -1)
        xy = np.where(state[:, None] == -1, -1, points[:, :2])
        size = float(image["width"]), float(image["height"])  # texts of numbers are numbers
        found.append((entry["id"], image["file_name"], size, category["name"], xy.tolist(), state.tolist()))
    return found


def style_txt(rng: random.Random, folder: Path) -> bytes:
    rows = (f"{n:04d},http://127.0.0.1/{n}.jpg,{','.join(str(rng.randrange(2)) for _ in STYLES)}\n" for n in range(8))
    return "".join(rows).encode()


def read_styles(path: Path) -> Answer:
    listed = read_style_list(path)
    urls = listed.urls or [""] * len(listed)
    labels = [()] * len(listed) if listed.labels is None else listed.labels.tolist()
    return [(n, url, *map(str, cells)) for n, url, cells in zip(listed.ids, urls, labels, strict=True)]


def plain_styles(data: bytes, folder: Path) -> Answer | None:
    rows = [tuple(cell.strip() for cell in row) for row in plain_rows(data, folder) or ()]
    if rows and rows[0][0].lower() in ("id", "image_id", "item_id"):
        rows = rows[1:]
    return rows if all(len(row) == 2 + len(STYLES) for row in rows) else None


def product_txt(rng: random.Random, folder: Path) -> bytes:
    return "".join(f"train/{n:05d}/{n}.jpg {rng.randrange(50)}\n" for n in range(10)).encode()


def read_products(path: Path) -> Answer:
    names, labels, *_ = read_product_labels(path)
    return list(zip(names, map(str, labels.tolist()), strict=True))


def plain_products(data: bytes, folder: Path) -> Answer | None:
    lines = [line.rstrip(" \t\r\n\v\f") for line in data.decode("utf-8-sig").split("\n")]
    rows = [tuple(line.rsplit(" ", 1)) for line in lines if line]
    return [(name, str(int(label))) for name, label in rows]


PHOTOS = (
    Form("photos", "list.csv", photo_table, read_photos, plain_photos),
    Form("photos", "list.txt", photo_table, read_photos, plain_photos),
)
LABELS = (
    Form("keypoints", "train.csv", keypoint_csv, read_keypoints, plain_keypoints),
    Form("attributes", "label.csv", attribute_csv, read_attributes, plain_rows),
    Form("coco", "train.json", coco_json, read_coco_rows, plain_coco),
    Form("styles", "train.txt", style_txt, read_styles, plain_styles),
    Form("products", "train.txt", product_txt, read_products, plain_products),
)
FORMS = ("separator", "line ends", "UTF-8 mark", "UTF-16", "quotes")


def reformed(rng: random.Random, folder: Path) -> tuple[str, bytes]:
    """The same list of photos in another form, which must be read equally."""
    form, rows = rng.choice(FORMS), photo_rows(folder)
    separator = rng.choice([",", ";", "\t"]) if form == "separator" else ","
    end = rng.choice(["\r\n", "\r"]) if form == "line ends" else "\n"
    encoding = {"UTF-8 mark": "utf-8-sig", "UTF-16": "utf-16"}.get(form, "utf-8")
    if form == "quotes":
        return form, "".join(",".join(f'"{cell}"' for cell in row) + "\n" for row in rows).encode()
    return form, in_form(rows, separator, end, encoding)
