"""Reads and writes the tasks of Label Studio: its export named JSON, and what it imports (labelstud.io/guide/tasks).

A garment is a rectangle (`rectanglelabels`) with its category as label; its keypoints (`keypointlabels`) lie below it
in the list of regions, which makes the rectangle their `parentID`. Points that lie below none belong to the only
rectangle, or to the only one that they are in. A photo of one garment can have no rectangle and its category as the
choice for the whole photo. A keypoint is hidden where the choice for its region (`choices` with `perRegion`) is
`hidden`: see `label_studio_config`. Coordinates are percents of the photo's edges, as it is seen upright.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ...geometry import Size
from ...records import HIDDEN, VISIBLE
from .coco_entries import FAULTS, entry_problem, number_of, text_of
from .json_entries import read_entries
from .label_studio_tasks import HIDDEN_CHOICE, photo_of
from .label_studio_tasks import write_label_studio as write_label_studio
from .labels import Edges, LabelledGarment, LabelledPhoto, LabelSet
from .problems import FormatError, Problem
from .tool_labels import HALF, Collected, Mark, coordinate, edges_of, garment_of, head_of, reason_of, turned

_EXPORT_JSON = "export the project again in the format JSON"
_TASK_KEYS = ("annotations", "predictions", "completions")
_NO_REGION = ("relation", "textarea", "rating", "number", "datetime", "taxonomy", "pairwise")


class _Point(NamedTuple):
    region: str
    parent: str | None
    mark: Mark


class _Regions:
    """The regions of one annotation by their kinds; `wrong` has the reasons against rectangles or points, by the id of
    the rectangle."""

    def __init__(self) -> None:
        self.size: Size | None = None
        self.boxes: dict[str, tuple[str, Edges]] = {}
        self.points: list[_Point] = []
        self.choices: dict[str, list[str]] = {}
        self.wrong: dict[str, str] = {}
        self.others: Counter[str] = Counter()


def is_label_studio(path: Path) -> bool:
    """Whether a file begins as a list of tasks."""
    head = head_of(Path(path)).removeprefix(b"\xef\xbb\xbf").lstrip()
    keys = (b'"data"', b'"annotations"', b'"predictions"', b'"completions"', b'"annotation_id"', b'"keypointlabels"')
    return head.startswith(b"[") and b"{" in head[:20] and any(key in head for key in keys)


def label_studio_coco_reason(content: Any) -> str | None:
    """Why a COCO file is not to be read: Label Studio's COCO export loses which garment a keypoint is of, and exchanges
    the names of keypoints where the configuration lists them in another order than their `model_index`. None for other
    files, and for such exports without keypoints, which are sound."""
    if not isinstance(content, dict) or not isinstance(content.get("categories"), list):
        return None
    info = content.get("info")
    ours = isinstance(info, dict) and info.get("contributor") == "Label Studio"
    for category in content["categories"]:
        if not isinstance(category, dict) or not category.get("keypoints"):
            continue
        merged = category.get("name") == category.get("supercategory") == "default" and category.get("skeleton") == []
        if ours or merged:
            return (
                "this COCO file was exported by Label Studio, which makes one garment of all keypoints of a photo, "
                f"marks all as visible and can exchange their names; {_EXPORT_JSON}, which is read directly"
            )
    return None


def read_label_studio(path: Path) -> LabelSet:
    """Reads the tasks of an export in the format JSON, or tasks with predictions.

    Of several annotations of a task the one that is the ground truth counts, or else the latest; without one, the
    prediction with the highest score, and then garments have scores. Skipped tasks, and others without an annotation,
    are counted in `left_out`. A faulty region costs its garment, or the whole annotation where its garment is not
    known. Raises FormatError for a file of another kind, such as the export JSON-MIN, and where no task is sound.
    """
    path = Path(path)
    found = Collected(path, path.parent)
    for number, task in enumerate(read_entries(path, f"the tasks of Label Studio; {_EXPORT_JSON}"), start=1):
        label = f"task {number}"
        try:
            if not any(key in task for key in _TASK_KEYS):
                raise FormatError([Problem(path, None, _other_kind(task))])
            label = f"task {task.get('id', number)!s:.80}"
            _read_task(task, label, found)
        except FormatError:
            raise
        except FAULTS as error:
            found.problems.append(entry_problem(path, label, error))
    return found.finished()


def _other_kind(task: Any) -> str:
    if isinstance(task, dict) and ("annotation_id" in task or "annotator" in task):
        return (
            "this is Label Studio's export JSON-MIN, which does not say whose the keypoints are and which of them are "
            f"hidden; {_EXPORT_JSON}"
        )
    return f"not the tasks of Label Studio: an entry has no {', '.join(_TASK_KEYS[:2])}; {_EXPORT_JSON}"


def _read_task(task: dict[str, Any], label: str, found: Collected) -> None:
    annotations = [*task.get("annotations", []), *task.get("completions", [])]
    predictions = task.get("predictions") or []
    chosen = [a for a in annotations if not (a.get("was_cancelled") or a.get("skipped"))]
    found.left_out["skipped annotations"] += len(annotations) - len(chosen)
    predicted = not chosen and not annotations
    if predicted:
        chosen = [p for p in predictions if isinstance(p, dict)]  # of several exports also the mere ids
        best = max(chosen, key=lambda p: p.get("score") or 0.0, default=None)
    else:
        best = max(chosen, key=lambda a: (bool(a.get("ground_truth")), _time(a)), default=None)
        found.left_out["predictions of tasks that have annotations"] += len(predictions)
    found.left_out["further annotations of a task"] += max(0, len(chosen) - 1)
    found.left_out["tasks without an annotation"] += best is None and not annotations
    found.left_out += Counter()  # drops kinds of which there are none
    if best is None:
        return
    kind = "prediction" if predicted else "annotation"
    label = f"{kind} {best['id']!s:.80}" if "id" in best else f"{kind} of {label}"
    name = photo_of(task["data"])
    try:
        regions = _regions(best["result"], predicted)
        garments, wrong = _garments(regions, label)
        without = len(regions.boxes.keys() - wrong.keys()) - sum(garment.box is not None for garment in garments)
        found.add(LabelledPhoto(name, regions.size, tuple(garments)), not (without or wrong))
    except FAULTS as error:
        found.problems.append(entry_problem(found.path, f"{label}, photo {name}", error))
        return
    for region, reason in wrong.items():
        found.wrong(f"{label}, photo {name}, region {region}", reason)
    found.left_out.update(regions.others)
    if without:
        found.left_out["boxes without keypoints"] += without


def _time(annotation: Mapping[str, Any]) -> str:
    return str(annotation.get("updated_at") or annotation.get("created_at") or "")


def _regions(results: list[Any], scored: bool) -> _Regions:
    """scored: the points keep their scores. Raises one of FAULTS for a faulty region that belongs to no rectangle."""
    regions = _Regions()
    for result in results:
        kind, region = result["type"], str(result.get("id", ""))
        if kind not in ("keypointlabels", "rectanglelabels", "choices"):
            if kind not in _NO_REGION:
                regions.others[f"regions of type {kind}"] += 1
            continue
        value = result["value"]
        if kind == "choices":
            regions.choices.setdefault(region, []).extend(value["choices"])
            continue
        parent = result.get("parentID")
        owner = region if kind == "rectanglelabels" else parent
        try:
            label = _label(value, kind)
            width, height = _size(result, regions)
            x, y = coordinate(value["x"], "x") * width / 100, coordinate(value["y"], "y") * height / 100
            if kind == "rectanglelabels":
                if region in regions.boxes:
                    raise ValueError("the id is repeated")
                right = x + coordinate(value["width"], "width") * width / 100
                bottom = y + coordinate(value["height"], "height") * height / 100
                box = edges_of([(x, y), (right, bottom)])
                degrees = number_of(value.get("rotation") or 0, "rotation")
                regions.boxes[region] = label, turned(box, degrees, (x, y)) if degrees else box
            else:
                score = number_of(result["score"], "score") if scored and result.get("score") is not None else None
                regions.points.append(_Point(region, parent, Mark(label, x - HALF, y - HALF, VISIBLE, score)))
        except FAULTS as error:
            if owner is None:
                raise
            regions.wrong[owner] = f"{kind} {region}: {reason_of(error)}"
    return regions


def _label(value: Mapping[str, Any], kind: str) -> str:
    labels = value[kind]
    if not isinstance(labels, list) or len(labels) != 1 or not isinstance(labels[0], str):
        raise ValueError(f"the labels {labels!r:.80}; expected one")
    return labels[0]


def _size(result: Mapping[str, Any], regions: _Regions) -> Size:
    if result.get("image_rotation"):
        raise ValueError(f"the photo was turned by {result['image_rotation']!r:.20} degrees; turn it back and correct")
    size = result["original_width"], result["original_height"]
    if regions.size is None:
        numbers = [number_of(value, "original_width and original_height") for value in size]
        if min(numbers) < 1 or any(number != int(number) for number in numbers):
            raise ValueError(f"original_width and original_height are {size}; expected whole numbers from 1")
        regions.size = int(numbers[0]), int(numbers[1])
    if size != regions.size:
        raise ValueError(f"the size {size} is not that of another region of the photo, {regions.size}")
    return regions.size


def _garments(regions: _Regions, label: str) -> tuple[list[LabelledGarment], dict[str, str]]:
    """The garments with keypoints, and the reasons against others by the id of their rectangle."""
    marks: dict[str, list[Mark]] = {region: [] for region in regions.boxes}
    wrong = dict(regions.wrong)
    alone = _category_of_photo(regions) if regions.points and not regions.boxes and not wrong else None
    if alone is not None:
        marks[""] = []
    for point in regions.points:
        owner = "" if alone is not None else _owner(point, regions)
        if owner in wrong:
            continue
        words = regions.choices.get(point.region)
        hidden = words and any(isinstance(word, str) and word.lower() in HIDDEN_CHOICE for word in words)
        marks[owner].append(point.mark._replace(state=HIDDEN) if hidden else point.mark)
    garments = []
    for region, found in marks.items():
        if region in wrong or not found:
            continue
        category, box = regions.boxes[region] if alone is None else (alone, None)
        try:
            garments.append(garment_of(f"{label}, region {region}" if region else label, category, found, box))
        except ValueError as error:
            wrong[region] = str(error)
    return garments, wrong


def _category_of_photo(regions: _Regions) -> str:
    points = {point.region for point in regions.points}
    choices = [choice for region, found in regions.choices.items() if region not in points for choice in found]
    if len(choices) != 1:
        raise ValueError(
            f"keypoints without a rectangle, and {len(choices)} choices for the photo; the category is not known"
        )
    return text_of({"choices": choices[0]}, "choices")


def _owner(point: _Point, regions: _Regions) -> str:
    if point.parent is not None and (point.parent in regions.boxes or point.parent in regions.wrong):
        return point.parent
    if len(regions.boxes) == 1 and not regions.wrong:
        return next(iter(regions.boxes))
    x, y = point.mark.x + HALF, point.mark.y + HALF
    inside = [
        region
        for region, (_, (left, top, right, bottom)) in regions.boxes.items()
        if left <= x <= right and top <= y <= bottom
    ]
    if len(inside) != 1:
        raise ValueError(
            f"the keypoint {point.mark.name} (region {point.region}) lies in the rectangles of {len(inside)} garments; "
            "drag it onto its garment in the list of regions"
        )
    return inside[0]
