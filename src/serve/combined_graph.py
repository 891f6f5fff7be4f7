"""One ONNX graph from a photo to the keypoints of its garments: both networks, and what stands before, between and
after them.

Every step is the one of the package, number for number where ONNX allows it: `letterboxed` and `boxed` of
data_gen/preprocess.py, `BoxCodec.decode`, `detected`, `located` and `chosen` of eval/detection.py, `suppressed` and
`squared` of boxes.py. Geometry is computed in float64, as there. The pixels of an input are the same but for one grey
level where two roundings differ.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import onnx
from onnx import helper

from ..box_maps import BoxCodec
from ..boxes import MARGIN, OTHER, SAME
from ..data_gen.preprocess import PADDING
from ..eval.calibration import FLOOR
from ..eval.detection import LOWEST, PEAKS
from ..eval.detection_calibration import BoxCalibration
from ..heatmaps import HeatmapCodec
from .artifact import ArtifactError
from .onnx_graph import (
    Graph,
    Value,
    apply,
    counted,
    described,
    for_each,
    least,
    most,
    ordered,
    until_it_stays,
    vector,
    where,
)

DETECTOR, KEYPOINTS = "detector_", "keypoints_"
"""Before the names of everything that a network brings."""


@dataclass(frozen=True, eq=False)
class CombinedPlan:
    """What is combined, and how.

    detector, keypoints: the single networks, as `aifashion export` writes them. categories: (C,) int64, which category
    of the keypoint network each of the detector's is. masks: (categories, K) bool, which keypoints they have. limit: at
    most so many garments, those with the highest score.
    """

    detector: onnx.ModelProto
    keypoints: onnx.ModelProto
    box_codec: BoxCodec
    point_codec: HeatmapCodec
    calibration: BoxCalibration
    categories: np.ndarray
    masks: np.ndarray
    limit: int


class Photo(NamedTuple):
    """pixels: (H, W, 3) uint8. height, width: int64 scalars."""

    pixels: Value
    height: Value
    width: Value


class Part(NamedTuple):
    """What of a photo is touched: rows top <= y < bottom, columns left <= x < right, int64 scalars."""

    left: Value
    top: Value
    right: Value
    bottom: Value


class Frame(NamedTuple):
    """Photo px -> input px, float64: x of the input = scale * x + dx."""

    scale: Value
    dx: Value
    dy: Value


class Found(NamedTuple):
    """Garments: boxes (N, 4) float64 px of the photo; category (N,) int64; score (N,) float32."""

    boxes: Value
    category: Value
    score: Value

    def selected(self, which: Value) -> "Found":
        return Found(*(part.selected(which) for part in self))

    def take(self, index: Value) -> "Found":
        return Found(*(part.take(index) for part in self))


def combined_model(plan: CombinedPlan) -> onnx.ModelProto:
    """Input image (H, W, 3) uint8. Outputs boxes (N, 4), category (N,), score (N,) and keypoints (N, K, 3).

    Raises ArtifactError where the two networks are of different versions of ONNX.
    """
    opset = _common_opset(plan.detector, plan.keypoints)
    graph, count = Graph(), plan.masks.shape[1]
    image = graph.named("image", np.uint8)
    photo = Photo(image, image.side(0), image.side(1))

    whole, frame = letterbox(photo, plan.box_codec.size)
    seen = sampled(photo, whole, frame, plan.box_codec.size)
    heat, distances = graph.with_network(plan.detector, DETECTOR, {"image": seen.expanded(0)}, ("heat", "distances"))
    found = _garments(plan, heat, distances, frame, photo)

    number = found.score.side(0)
    squares = _squares(found.boxes)
    # A photo without a garment gives the keypoint network a square of one pixel to see: not every runtime takes none.
    missing = most(1 - number, 0).expanded(0)
    squares = _joined(squares, np.array([[0, 0, 1]], np.int64), missing)
    category = _joined(found.category, np.zeros(1, np.int64), missing)
    side = plan.point_codec.size[0]
    crops = for_each(squares.side(0), lambda n: crop(photo, squares.take(n), side), (side, side, 3))
    masks = graph.constant(plan.masks.astype(np.float32)).take(category)
    (points,) = graph.with_network(plan.keypoints, KEYPOINTS, {"image": crops, "mask": masks}, ("keypoints",))
    keypoints = _in_photo(_first(points, number), _first(squares, number), _first(masks, number), side, photo)

    made = {
        "boxes": (found.boxes.cast(np.float32), ("N", 4)),
        "category": (found.category, ("N",)),
        "score": (found.score, ("N",)),
        "keypoints": (keypoints, ("N", count, 3)),
    }
    for name, (value, _) in made.items():
        graph.nodes.append(helper.make_node("Identity", [value.name], [name]))
    whole_graph = helper.make_graph(
        graph.nodes,
        "photo_to_keypoints",
        [described("image", np.uint8, ("H", "W", 3))],
        [described(name, value.dtype, shape) for name, (value, shape) in made.items()],
        [*graph.constants.values(), *graph.weights],
    )
    ir_version = max(plan.detector.ir_version, plan.keypoints.ir_version)
    model = helper.make_model(whole_graph, opset_imports=opset, ir_version=ir_version, producer_name="aifashion")
    onnx.checker.check_model(model)
    return model


def letterbox(photo: Photo, size: tuple[int, int]) -> tuple[Part, Frame]:
    """The whole photo in the middle of an input of (width, height), as `geometry.letterbox`."""
    width, height = photo.width.cast(np.float64), photo.height.cast(np.float64)
    scale = least(size[0] / width, size[1] / height)
    none = photo.width - photo.width
    return Part(none, none, photo.width, photo.height), Frame(
        scale,
        *((scale - 1) / 2 + (side - length * scale) / 2 for side, length in zip(size, (width, height), strict=True)),
    )


def crop(photo: Photo, square: Value, side: int) -> Value:
    """A square (3,), left, top and side in px of the photo -> (side, side, 3) uint8, as `preprocess.boxed`."""
    frame = _square_frame(square, side)
    around = 2 / frame.scale + 2
    ends = []
    for offset, length in ((frame.dx, photo.width), (frame.dy, photo.height)):
        low, high = ((end - offset) * (1 / frame.scale) for end in (-0.5, side - 0.5))
        start = most(apply("Floor", low - around).cast(np.int64), 0)
        ends.append((start, least(apply("Ceil", high + around + 1).cast(np.int64), length)))
    (left, right), (top, bottom) = ends
    return sampled(photo, Part(left, top, right, bottom), frame, (side, side))


def _square_frame(squares: Value, side: int) -> Frame:
    """From px of the photo to those of an input of `side` px that shows a square, left, top and side in px of the photo
    (3,); for (N, 3) the numbers are (N,)."""
    left, top, length = (squares.take(n, axis=-1).cast(np.float64) for n in range(3))
    scale = side / length
    middle = (scale - 1) / 2 + (side - length * scale) / 2
    return Frame(scale, middle - scale * left, middle - scale * top)


def sampled(photo: Photo, part: Part, frame: Frame, size: tuple[int, int]) -> Value:
    """(size[1], size[0], 3) uint8 of the photo, by `frame`, as `preprocess.sample_image`: reduced by whole blocks of
    pixels where it shrinks to less than half, then interpolated; what lies beyond the photo is padding."""
    by = where(frame.scale < 0.5, (1 / frame.scale).cast(np.int64), 1)
    exact = by.cast(np.float64)
    pixels, sides, axes = photo.pixels, [], []
    for axis, (start, end) in enumerate(((part.top, part.bottom), (part.left, part.right))):
        length = end - start
        blocks = most((length * 2 + by) / (by * 2), 1)
        # An incomplete last block is filled up with the last pixel.
        pixels = pixels.take(least(counted(blocks * by), length - 1) + start, axis)
        sides += [blocks, by]
        offset = frame.dy if axis == 0 else frame.dx
        moved = frame.scale * (exact - 1) / 2 + (frame.scale * start.cast(np.float64) + offset)
        places = photo.pixels.graph.constant(np.arange(size[1 - axis], dtype=np.float64))
        axes.append(((places - moved) / (frame.scale * exact), blocks))
    summed = apply("ReduceSum", pixels.cast(np.float32).reshape(*sides, 3), np.array([1, 3], np.int64), keepdims=0)
    mean = summed / (by * by).cast(np.float32)
    # OpenCV rounds halves up in blocks of 2 x 2, and to the even number in others.
    mean = where(_same(by, 2), apply("Floor", mean + 0.5), apply("Round", mean))
    padding = np.array(PADDING, np.float32)
    shown = apply("Pad", mean - padding, np.array([1, 1, 0, 1, 1, 0], np.int64))
    for axis, (place, blocks) in enumerate(axes):
        low = apply("Floor", place)
        weight = (place - low).cast(np.float32).reshape(*([-1, 1, 1] if axis == 0 else [1, -1, 1]))
        first = low.cast(np.int64)
        before, after = (shown.take(_held(index, blocks) + 1, axis) for index in (first, first + 1))
        shown = before * (1 - weight) + after * weight
    return apply("Round", shown + padding).cast(np.uint8)


def _held(index: Value, length: Value) -> Value:
    """From -1 to the length: the pixel before the first one and that after the last one are padding."""
    return least(most(index, -1), length)


def _same(first: Value, second: float) -> Value:
    return apply("Equal", first, second, dtype=bool)


def _garments(plan: CombinedPlan, heat: Value, distances: Value, frame: Frame, photo: Photo) -> Found:
    """The garments of a photo in their order, from heat (1, h, w, C) and distances (1, h, w, C, 4)."""
    stride = plan.box_codec.stride
    planes = apply("Transpose", heat, perm=[0, 3, 1, 2])
    highest = apply("MaxPool", planes, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1])
    peaks = apply("Transpose", (planes >= highest) & (planes >= LOWEST), perm=[0, 2, 3, 1])
    cells = apply("Transpose", apply("NonZero", peaks, dtype=np.int64), perm=[1, 0])
    score = apply("GatherND", heat, cells)
    first = ordered(score, least(score.side(0), PEAKS))
    cells, score = cells.take(first), score.take(first)

    middle = (cells.take([2, 1], axis=1).cast(np.float64) + 0.5) * stride
    edges = apply("GatherND", distances, cells).cast(np.float64)
    boxes = apply("Concat", middle - edges.take([0, 1], axis=1), middle + edges.take([2, 3], axis=1), axis=1)
    boxes = _clipped(boxes, heat.graph.constant(np.array(plan.box_codec.size * 2, np.float64)))
    there = _has_area(boxes)
    # Of edges, not of pixel centres.
    offsets = vector([frame.dx, frame.dy, frame.dx, frame.dy])
    boxes = (boxes - 0.5) * (1 / frame.scale) - (1 / frame.scale) * offsets + 0.5
    boxes = _clipped(boxes, vector([photo.width, photo.height, photo.width, photo.height]).cast(np.float64))
    probability = _calibrated(plan.calibration, score)
    sure = probability >= float(np.float32(plan.calibration.threshold))
    category = heat.graph.constant(np.asarray(plan.categories, np.int64)).take(cells.take(3, axis=1))
    found = Found(boxes, category, probability).selected(there & _has_area(boxes) & sure)
    found = suppressed(found)
    found = found.take(ordered(_areas(found.boxes)))
    return found.take(ordered(found.score, least(found.score.side(0), plan.limit)))


def _calibrated(calibration: BoxCalibration, score: Value) -> Value:
    """`BoxCalibration.probability`."""
    inside = most(least(score.cast(np.float64), 1 - FLOOR), FLOOR)
    logit = apply("Log", inside / (1 - inside))
    return apply("Sigmoid", logit * calibration.slope + calibration.offset).cast(np.float32)


def suppressed(found: Found) -> Found:
    """`boxes.suppressed`, of all categories together.

    Which garments stay depends on those that are likelier alone, so that looking again and again, until nothing
    changes, ends where a walk from the likeliest to the least likely one does.
    """
    found = found.take(ordered(found.score))
    count = found.score.side(0)
    low, high = found.boxes.take([0, 1], axis=1), found.boxes.take([2, 3], axis=1)
    near = most(low.expanded(1), low.expanded(0)), least(high.expanded(1), high.expanded(0))
    shared = _product(most(near[1] - near[0], 0))
    area = _areas(found.boxes)
    overlap = shared / (area.expanded(1) + area.expanded(0) - shared)
    same = apply("Equal", found.category.expanded(1), found.category.expanded(0), dtype=bool)
    limit = where(same, found.boxes.graph.constant(np.array(SAME)), OTHER)
    index = counted(count)
    clash = ((overlap > limit) & (index.expanded(1) < index.expanded(0))).cast(np.float32)

    def kept(before: Value) -> Value:
        hits = apply("MatMul", before.expanded(0), clash).reshape(-1)
        return (hits < 0.5).cast(np.float32)

    everything = found.score * 0 + 1
    return found.selected(until_it_stays(everything, kept, count) > 0.5)


def _squares(boxes: Value) -> Value:
    """(N, 4) -> (N, 3) int64: left, top and side of the square of each, as `boxes.squared`."""
    left, top, right, bottom = (boxes.take(n, axis=1) for n in range(4))
    side = most(apply("Round", most(right - left, bottom - top) * (1 + 2 * MARGIN)), 1)
    corner = (apply("Round", (low + high - side) / 2) for low, high in ((left, right), (top, bottom)))
    return apply("Concat", *(part.expanded(1) for part in (*corner, side)), axis=1).cast(np.int64)


def _in_photo(points: Value, squares: Value, masks: Value, side: int, photo: Photo) -> Value:
    """(N, K, 3) in px of the inputs -> in px of the photo; -1, -1, 0 for what the category does not have."""
    frame = _square_frame(squares, side)
    kept, placed = masks > 0.5, []
    for axis, (offset, length) in enumerate(((frame.dx, photo.width), (frame.dy, photo.height))):
        moved = (points.take(axis, axis=2).cast(np.float64) - offset.expanded(1)) * (1 / frame.scale).expanded(1)
        inside = most(least(moved, length.cast(np.float64) - 1), 0).cast(np.float32)
        placed.append(where(kept, inside, -1))
    peak = most(least(points.take(2, axis=2), 1), 0) * masks
    return apply("Concat", *(part.expanded(2) for part in (*placed, peak)), axis=2)


def _joined(rows: Value, row: np.ndarray, count: Value) -> Value:
    """With a row more where the count, (1,), is 1."""
    return apply("Concat", rows, _first(rows.graph.constant(row), count), axis=0)


def _first(rows: Value, count: Value) -> Value:
    """So many rows, a scalar or (1,)."""
    return apply("Slice", rows, np.zeros(1, np.int64), count.reshape(1), np.zeros(1, np.int64))


def _clipped(boxes: Value, ends: Value) -> Value:
    return most(least(boxes, ends), 0)


def _has_area(boxes: Value) -> Value:
    sides = _sides(boxes)
    return (sides.take(0, axis=1) > 0) & (sides.take(1, axis=1) > 0)


def _areas(boxes: Value) -> Value:
    return _product(_sides(boxes))


def _sides(boxes: Value) -> Value:
    """(N, 4) -> (N, 2)."""
    return boxes.take([2, 3], axis=1) - boxes.take([0, 1], axis=1)


def _product(sides: Value) -> Value:
    """(..., 2) -> (...)."""
    return sides.take(0, axis=-1) * sides.take(1, axis=-1)


def _common_opset(*models: onnx.ModelProto) -> list[onnx.OperatorSetIdProto]:
    """Raises ArtifactError where two networks have different ones."""
    versions: dict[str, set[int]] = {}
    for model in models:
        for entry in model.opset_import:
            versions.setdefault("" if entry.domain == "ai.onnx" else entry.domain, set()).add(entry.version)
    for domain, found in versions.items():
        if len(found) > 1:
            raise ArtifactError(
                f"the two networks are of different versions of ONNX's operators {domain}({sorted(found)}): export "
                "both with the same versions of the packages"
            )
    return [helper.make_opsetid(domain, *found) for domain, found in versions.items()]
