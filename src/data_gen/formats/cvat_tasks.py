"""Writes XML that CVAT imports as CVAT for images 1.1, with the labels that its task has to have before."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO
from xml.sax.saxutils import escape, quoteattr

from ...files import atomic_path, is_stream, write_atomic
from ...records import HIDDEN
from ...vocabulary import Category, Vocabulary
from .labels import LabelledGarment, LabelledPhoto, LabelSet
from .tool_labels import HALF, checked, marks_of

BOX_SUFFIX = " box"
"""The label of a garment's rectangle is its category with this: one label in CVAT cannot be a skeleton as well."""


def cvat_labels(vocabulary: Vocabulary) -> list[dict[str, Any]]:
    """The labels of a task or project, for the tab Raw of CVAT's label constructor."""
    labels: list[dict[str, Any]] = []
    for category in vocabulary.definitions:
        points = [{"name": name, "type": "points", "attributes": []} for name in category.keypoints]
        svg = _template(category, vocabulary)
        labels.append({"name": category.name, "type": "skeleton", "attributes": [], "sublabels": points, "svg": svg})
        labels.append({"name": category.name + BOX_SUFFIX, "type": "rectangle", "attributes": []})
    return labels


def write_cvat(labels: LabelSet, out: Path, vocabulary: Vocabulary) -> None:
    """Writes an XML file, and beside it `NAME_labels.json`, the labels that the task needs before CVAT imports it.

    Every skeleton has all points of its category, absent ones as `outside`; its box is a rectangle in the same group.
    Scores cannot be written: shapes with scores get the source `auto` instead of `manual`. Raises ValueError as
    `checked`.
    """
    out = Path(out)
    with atomic_path(out) as beside, beside.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n')
        stream.writelines(_meta(labels, vocabulary))
        categories = {category.name: category for category in vocabulary.definitions}
        group = 0
        for number, photo in enumerate(checked(labels, vocabulary)):
            group = _write_photo(stream, number, photo, categories, group)
        stream.write("</annotations>\n")
    if not is_stream(out):
        text = json.dumps(cvat_labels(vocabulary), indent=1, ensure_ascii=False)
        write_atomic(out.with_name(f"{out.stem}_labels.json"), text + "\n")


def _meta(labels: LabelSet, vocabulary: Vocabulary) -> Iterator[str]:
    yield f"  <meta>\n    <task>\n      <name>{escape(vocabulary.name)}</name>\n"
    yield f"      <size>{len(labels.photos)}</size>\n      <mode>annotation</mode>\n      <labels>\n"
    for label in cvat_labels(vocabulary):
        yield _meta_label(label["name"], label["type"], label.get("svg"), None)
        for point in label.get("sublabels", ()):
            yield _meta_label(point["name"], point["type"], None, label["name"])
    yield "      </labels>\n    </task>\n  </meta>\n"


def _meta_label(name: str, kind: str, svg: str | None, parent: str | None) -> str:
    parts = [f"<name>{escape(name)}</name>", f"<type>{kind}</type>", "<attributes></attributes>"]
    parts += [f"<svg>{escape(svg)}</svg>"] if svg is not None else []
    parts += [f"<parent>{escape(parent)}</parent>"] if parent is not None else []
    return f"        <label>{''.join(parts)}</label>\n"


def _write_photo(stream: TextIO, number: int, photo: LabelledPhoto, categories: dict[str, Category], group: int) -> int:
    """group: the number of the last group before; the same after this photo is returned."""
    assert photo.size is not None  # as `checked` has it
    width, height = photo.size
    stream.write(f'  <image id="{number}" name={quoteattr(photo.file_name)} width="{width}" height="{height}">\n')
    for garment in photo.garments:
        group += garment.box is not None
        stream.writelines(_shapes(garment, categories[garment.category], group))
    stream.write("  </image>\n")
    return group


def _shapes(garment: LabelledGarment, category: Category, group: int) -> Iterator[str]:
    source = "manual" if garment.scores is None else "auto"
    shared = f'source="{source}" occluded="0" z_order="0"'
    if garment.box is not None:
        shared += f' group_id="{group}"'
        edges = " ".join(f'{n}="{v!r}"' for n, v in zip(("xtl", "ytl", "xbr", "ybr"), garment.box, strict=True))
        yield f"    <box label={quoteattr(category.name + BOX_SUFFIX)} {shared} {edges}>\n    </box>\n"
    marks = {mark.name: mark for mark in marks_of(garment)}
    xs, ys = [mark.x for mark in marks.values()], [mark.y for mark in marks.values()]
    if marks:  # where an absent point appears if somebody makes it present
        middle = sum(xs) / len(xs), sum(ys) / len(ys)
    else:
        assert garment.box is not None
        middle = (garment.box[0] + garment.box[2]) / 2, (garment.box[1] + garment.box[3]) / 2
    yield f"    <skeleton label={quoteattr(category.name)} {shared}>\n"
    for name in category.keypoints:
        mark = marks.get(name)
        x, y = middle if mark is None else (mark.x, mark.y)
        hidden = mark is not None and mark.state == HIDDEN
        yield (
            f'      <points label={quoteattr(name)} source="{source}" outside="{int(mark is None)}" '
            f'occluded="{int(hidden)}" points="{x + HALF!r},{y + HALF!r}">\n      </points>\n'
        )
    yield "    </skeleton>\n"


def _template(category: Category, vocabulary: Vocabulary) -> str:
    """The drawing of a skeleton in a square of 100: its points on a circle, in their order, and the outline's edges."""
    count = len(category.keypoints)
    places = {}
    for i, name in enumerate(category.keypoints):
        angle = 2 * math.pi * (i + 0.5) / count
        places[name] = i + 1, f"{50 - 45 * math.sin(angle):.2f}", f"{50 - 45 * math.cos(angle):.2f}"
    lines = []
    for first, second in vocabulary.edge_pairs:
        if first in places and second in places:
            (a, x1, y1), (b, x2, y2) = places[first], places[second]
            lines.append(
                f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="black" data-type="edge" '
                f'data-node-from="{a}" stroke-width="0.5" data-node-to="{b}"></line>'
            )
    circles = [
        f'<circle r="1.5" stroke="black" fill="#b3b3b3" cx="{x}" cy="{y}" stroke-width="0.1" '
        f'data-type="element node" data-element-id="{i}" data-node-id="{i}" data-label-name={quoteattr(name)}></circle>'
        for name, (i, x, y) in places.items()
    ]
    return "".join([*lines, *circles])
