"""Writes tasks that Label Studio imports, with the labelling configuration that they are made for; and what they
call their photos."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import quoteattr

from ...files import atomic_path, is_stream, write_atomic
from ...geometry import Size
from ...records import HIDDEN
from ...vocabulary import Vocabulary
from .label_writing import checked
from .labels import LabelledGarment, LabelledPhoto, LabelSet
from .photo_names import posix_name
from .tool_labels import HALF, marks_of

HIDDEN_CHOICE = ("hidden", "occluded")
"""Choices for a keypoint that say that it is hidden; the first is written."""
_LOCAL_FILES = "/data/local-files/?d="
_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://|/data/|data/local-files", re.IGNORECASE)
_LIKE_IMAGE = re.compile(r"\.(jpe?g|png|webp|bmp|gif|tiff?|heic|heif|avif)(\?|$)", re.IGNORECASE)
_MODEL = "aifashion"
_POINT_WIDTH = 0.5  # percent of the photo's width; that of the dot alone


def labelling_config(vocabulary: Vocabulary) -> str:
    """The labelling configuration of a project: XML for Settings > Labeling Interface > Code.

    `model_index` and the order of the keypoints are the same, without which Label Studio's own COCO export exchanges
    names.
    """
    garments = [f"    <Label value={quoteattr(name)}/>" for name in vocabulary.categories]
    keypoints = [
        f'    <Label value={quoteattr(name)} model_index="{i}"/>' for i, name in enumerate(vocabulary.keypoints)
    ]
    lines = [
        "<View>",
        '  <Image name="image" value="$image" zoom="true" zoomControl="true" rotateControl="false"/>',
        '  <RectangleLabels name="garment" toName="image" canRotate="false">',
        *garments,
        "  </RectangleLabels>",
        '  <KeyPointLabels name="keypoint" toName="image">',
        *keypoints,
        "  </KeyPointLabels>",
        '  <Choices name="visibility" toName="image" choice="single" perRegion="true" visibleWhen="region-selected"',
        f"    whenLabelValue={quoteattr(','.join(vocabulary.keypoints))}>",
        f'    <Choice value="{HIDDEN_CHOICE[0]}"/>',
        "  </Choices>",
        "</View>",
    ]
    return "\n".join(lines) + "\n"


def write_label_studio(labels: LabelSet, out: Path, vocabulary: Vocabulary) -> None:
    """Writes a JSON file of tasks, and beside it `NAME_config.xml`, the labelling configuration of their project.

    Photos are local files of Label Studio, below its document root. Where garments have scores they become predictions,
    to start labelling from: each region with its score, that of a garment the lowest of its keypoints, that of a photo
    the mean of its garments; else they become annotations. A garment without a box gets that about its keypoints, since
    its rectangle names its category. Raises ValueError as `checked`, and for a point or side beyond 100 percent, which
    Label Studio refuses.
    """
    out = Path(out)
    with atomic_path(out) as beside, beside.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(label_studio_pieces(labels, vocabulary))
    if not is_stream(out):
        write_atomic(out.with_name(f"{out.stem}_config.xml"), labelling_config(vocabulary))


def label_studio_pieces(labels: LabelSet, vocabulary: Vocabulary) -> Iterator[str]:
    """The text of the tasks that `write_label_studio` writes, one after the other. Raises ValueError as it does."""
    predicted = any(garment.scores is not None for photo in labels.photos for garment in photo.garments)
    separator = "[\n"
    for photo in checked(labels, vocabulary):
        yield separator + json.dumps(_task(photo, predicted), ensure_ascii=False)
        separator = ",\n"
    yield "\n]\n" if labels.photos else "[]\n"


def photo_of(data: Mapping[str, Any]) -> str:
    """The name of a task's photo: below the document root of local files, or in a bucket; of an upload its own name.

    Raises ValueError where the data of the task name none.
    """
    texts = {key: value for key, value in data.items() if isinstance(value, str)}
    likely = [value for value in texts.values() if _LIKE_IMAGE.search(value)]
    value = texts.get("image") or (likely[0] if len(likely) == 1 else None)
    if value is None:
        raise ValueError(f"data has no image, and {len(likely)} other texts that look like one; expected data.image")
    if value.startswith("data:"):
        raise ValueError("data.image is the photo itself, not its name; store the photos as files")
    # A plain name can have any character; only what is surely an address is taken apart.
    if _ADDRESS.match(value):
        parts = urlsplit(value)
        path = unquote(parts.path)
        local = parse_qs(parts.query).get("d") if path.rstrip("/").endswith("data/local-files") else None
        value = local[0] if local else path
        if "/data/upload/" in f"/{value}":
            value = _UPLOADED.sub("", value.rpartition("/")[2], count=1)
    return posix_name(value.lstrip("/"))


def _task(photo: LabelledPhoto, predicted: bool) -> dict[str, Any]:
    assert photo.size is not None  # as `checked` has it
    results = [
        result
        for number, garment in enumerate(photo.garments, start=1)
        for result in _results(photo, garment, photo.size, f"garment{number}")
    ]
    task: dict[str, Any] = {"data": {"image": _LOCAL_FILES + quote(photo.file_name, safe="/")}}
    if not predicted:
        return task | {"annotations": [{"result": results}]}
    scores = [score for garment in photo.garments if (score := _score(garment)) is not None]
    prediction: dict[str, Any] = {"model_version": _MODEL, "result": results}
    if scores:
        prediction["score"] = sum(scores) / len(scores)
    return task | {"predictions": [prediction]}


def _results(photo: LabelledPhoto, garment: LabelledGarment, size: Size, region: str) -> Iterator[dict[str, Any]]:
    width, height = size
    shared = {"to_name": "image", "original_width": width, "original_height": height, "image_rotation": 0}
    assert garment.outline is not None  # as `checked` has it
    left, top, right, bottom = garment.outline
    place = {
        "x": left * 100 / width,
        "y": top * 100 / height,
        "width": (right - left) * 100 / width,
        "height": (bottom - top) * 100 / height,
    }
    _check(place, photo, garment, "the box")
    rectangle = {"id": region, "from_name": "garment", "type": "rectanglelabels", **shared}
    rectangle["value"] = {**place, "rotation": 0, "rectanglelabels": [garment.category]}
    score = _score(garment)
    yield rectangle if score is None else rectangle | {"score": score}
    for mark in marks_of(garment):
        place = {"x": (mark.x + HALF) * 100 / width, "y": (mark.y + HALF) * 100 / height, "width": _POINT_WIDTH}
        _check(place, photo, garment, mark.name)
        name = f"{region}-{mark.name}"
        point = {"id": name, "from_name": "keypoint", "type": "keypointlabels", "parentID": region, **shared}
        point["value"] = {**place, "keypointlabels": [mark.name]}
        yield point if mark.score is None else point | {"score": mark.score}
        if mark.state == HIDDEN:
            choice = {"id": name, "from_name": "visibility", "type": "choices", **shared}
            yield choice | {"value": {**place, "choices": [HIDDEN_CHOICE[0]]}}


def _score(garment: LabelledGarment) -> float | None:
    return min((mark.score for mark in marks_of(garment) if mark.score is not None), default=None)


def _check(place: dict[str, float], photo: LabelledPhoto, garment: LabelledGarment, what: str) -> None:
    if max(place.values()) > 100:
        raise ValueError(
            f"photo {photo.file_name}, garment {garment.id}: {what} lies beyond the photo of {photo.size} px, which "
            "Label Studio refuses"
        )
