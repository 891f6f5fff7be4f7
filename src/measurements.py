"""Lengths and widths of garments as data: what is measured between which keypoints, and how an error of one moves it.

A measurement is one of three forms, written in a vocabulary's file as

    chest = { between = ["armpit_left", "armpit_right"] }
    side = { path = ["armpit_left", "waistline_left", "hemline_left"] }
    body_length = { from = ["neckline_left", "neckline_right"], onto = ["top_hem_left", "top_hem_right"] }

the distance of two points, the length of a path, and the distance of a point to a line: at a right angle, or with
`along`, two points, in their direction. A point is the name of a keypoint, or a list of names for the middle of these.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from .vocabulary_names import TASK_NAME, VocabularyError, check_known, check_names, table

Form = Literal["between", "path", "from"]
Point = tuple[str, ...]
"""The keypoints whose middle it is."""
_KEYS = {"between", "path", "from", "onto", "along"}
MOST = 200
"""Measurements of a category."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """A named length. points: of `between` two, of `path` two or more, of `from` one. onto: the two points of the line
    that `from` is measured to. along: the two points that give the direction in which it is; none: at a right angle."""

    name: str
    form: Form
    points: tuple[Point, ...]
    onto: tuple[Point, ...] = ()
    along: tuple[Point, ...] = ()

    @property
    def keypoints(self) -> frozenset[str]:
        """The names of all keypoints that it depends on."""
        return frozenset(name for point in (*self.points, *self.onto, *self.along) for name in point)

    def to_json(self) -> dict[str, Any]:
        """Plain data in the form of the files, which `measurement_from` reads."""
        if self.form != "from":
            return {self.form: _plain(self.points)}
        facts = {"from": _plain(self.points)[0], "onto": _plain(self.onto)}
        return facts | ({"along": _plain(self.along)} if self.along else {})


def measurements_from(data: Any, section: str, known: set[str]) -> tuple[Measurement, ...]:
    """The measurements of a category, of plain data by name. known: the category's keypoints.

    section: of the file, for messages. Raises VocabularyError for what is no measurement of these keypoints.
    """
    entries = table(data, section, None, "measurements")
    check_names(list(entries), "measurement", section, TASK_NAME)
    if len(entries) > MOST:
        raise VocabularyError(f"{section}: {len(entries)} measurements; at most {MOST} are possible", section)
    return tuple(measurement_from(name, entry, section, known) for name, entry in entries.items())


def plain(measurements: Sequence[Measurement]) -> dict[str, Any]:
    """Plain data by name, which `measurements_from` reads."""
    return {measurement.name: measurement.to_json() for measurement in measurements}


def measurement_from(name: str, data: Any, section: str, known: set[str]) -> Measurement:
    """One measurement of plain data. Raises VocabularyError for what is none."""
    what = f"measurement {name!r}"
    try:
        entry = table(data, section, _KEYS, what)
        forms = [form for form in ("between", "path", "from") if form in entry]
        if len(forms) != 1 or (forms == ["from"]) != ("onto" in entry) or ("along" in entry and forms != ["from"]):
            raise VocabularyError(
                f"{what}: expected between = two points, path = two or more points, or from = a point with onto = two "
                f"points and, if wanted, along = two points; got {', '.join(entry) or 'nothing'}"
            )
        (form,) = forms
        if form == "from":
            points = (_point(entry["from"], what),)
            made = Measurement(name, "from", points, _two(entry, "onto", what), _two(entry, "along", what))
        elif form == "path":
            points = _points(entry["path"], what, "path")
            if len(points) < 2:
                raise VocabularyError(f"{what}: a path needs two points or more; got {len(points)}")
            made = Measurement(name, "path", points)
        else:
            made = Measurement(name, "between", _two(entry, "between", what))
        check_known(sorted(made.keypoints), known, f"{what}: keypoint", section)
        for a, b in _steps(made):
            if a == b:
                raise VocabularyError(f"{what} leads from {' and '.join(a)} to the same point")
    except VocabularyError as error:
        raise VocabularyError(str(error), section, name) from None
    return made


def _steps(measurement: Measurement) -> list[tuple[Point, Point]]:
    """The pairs of points that must differ for the measurement to mean something."""
    found = list(pairwise(measurement.points))
    return found + [pair for pair in (measurement.onto, measurement.along) if pair]  # pyright: ignore[reportReturnType]


def _two(entry: Mapping[str, Any], key: str, what: str) -> tuple[Point, ...]:
    if key not in entry:
        return ()
    points = _points(entry[key], what, key)
    if len(points) != 2:
        raise VocabularyError(f"{what}: {key} needs two points; got {len(points)}")
    return points


def _points(value: Any, what: str, key: str) -> tuple[Point, ...]:
    if not isinstance(value, list):
        raise VocabularyError(f"{what}: {key} must be a list of points; got {value!r:.80}")
    return tuple(_point(point, what) for point in value)


def _point(value: Any, what: str) -> Point:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise VocabularyError(
            f"{what}: a point is the name of a keypoint, or a list of names for their middle; got {value!r:.80}"
        )
    return tuple(names)


def _plain(points: Sequence[Point]) -> list[Any]:
    return [point[0] if len(point) == 1 else list(point) for point in points]


class Lengths:
    """Measurements, ready for many garments. keypoints: the names in the order of the points that are given."""

    def __init__(self, measurements: Sequence[Measurement], keypoints: Sequence[str]) -> None:
        self.measurements = tuple(measurements)
        index = {name: k for k, name in enumerate(keypoints)}
        self._count = len(keypoints)
        steps: list[np.ndarray] = []
        owners: list[int] = []
        drops: list[np.ndarray] = []
        self._dropped: list[int] = []
        for number, measurement in enumerate(self.measurements):
            weights = [self._weights(point, index) for point in measurement.points]
            if measurement.form != "from":
                steps += [b - a for a, b in pairwise(weights)]
                owners += [number] * (len(weights) - 1)
                continue
            start, end = (self._weights(point, index) for point in measurement.onto)
            along = [self._weights(point, index) for point in measurement.along]
            # Without a direction 0: what stands there is then taken from the line.
            drops.append(np.stack([weights[0] - start, end - start, along[1] - along[0] if along else 0 * start]))
            self._dropped.append(number)
        self._steps = np.array(steps).reshape(-1, self._count)
        self._owners = np.zeros((len(self.measurements), len(steps)))
        self._owners[owners, np.arange(len(steps))] = 1
        self._drops = np.array(drops).reshape(-1, 3, self._count)
        used = [[name in m.keypoints for name in keypoints] for m in self.measurements]
        self.uses = np.array(used, bool).reshape(len(used), self._count)
        """(M, K) bool: which points each one depends on."""

    def _weights(self, point: Point, index: Mapping[str, int]) -> np.ndarray:
        weights = np.zeros(self._count)
        for name in point:
            weights[index[name]] += 1 / len(point)
        return weights

    def measure(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points (K, 2) -> lengths (M,) in their unit, and their derivatives (M, K, 2).

        A length is NaN where the line that it is measured to has no direction, or one that never meets it.
        """
        points = np.asarray(points, np.float64)
        lengths = np.zeros(len(self.measurements))
        slopes = np.zeros((len(lengths), self._count, 2))
        if len(self._steps):
            steps = self._steps @ points
            sizes = np.hypot(steps[:, 0], steps[:, 1])
            units = steps / np.maximum(sizes, 1e-300)[:, None]
            lengths += self._owners @ sizes
            by_step = self._steps[:, :, None] * units[:, None, :]
            slopes += (self._owners @ by_step.reshape(len(steps), -1)).reshape(slopes.shape)
        if self._dropped:
            lengths[self._dropped], slopes[self._dropped] = self._drop(points)
        return lengths, slopes

    def _drop(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of a point at u from a line of direction d: |u x d| / |d|, and measured along a: |u x d| |a| / |a x d|."""
        vectors = self._drops @ points
        u, d, a = vectors[:, 0], vectors[:, 1], vectors[:, 2]
        upright = ~self._drops[:, 2].any(axis=1)
        height, reach = _cross(u, d), np.where(upright, 1, _cross(a, d))
        size = np.where(upright, np.hypot(d[:, 0], d[:, 1]), 1)
        stride = np.where(upright, 1, np.hypot(a[:, 0], a[:, 1]))
        with np.errstate(divide="ignore", invalid="ignore"):
            lengths = np.abs(height) * stride / (np.abs(reach) * size)
            # Of the logarithm of each factor by its vectors, times the length.
            by_u = (lengths / height)[:, None] * _turned(d)
            by_d = (lengths / height)[:, None] * -_turned(u)
            by_d -= np.where(upright, lengths / size**2, 0)[:, None] * d
            by_d += np.where(upright, 0, lengths / reach)[:, None] * _turned(a)
            by_a = (lengths / stride**2)[:, None] * a - (lengths / reach)[:, None] * _turned(d)
        by_a[upright] = 0
        # A point on the line has no height, and no side to which it grows.
        by_u[height == 0] = by_d[height == 0] = by_a[height == 0] = 0
        slopes = self._drops.transpose(0, 2, 1) @ np.stack([by_u, by_d, by_a], axis=1)
        known = np.isfinite(lengths)
        return np.where(known, lengths, np.nan), np.where(known[:, None, None], slopes, 0)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def _turned(vectors: np.ndarray) -> np.ndarray:
    """d |u x d| / du for u x d = u_x d_y - u_y d_x: (d_y, -d_x)."""
    return np.stack([vectors[:, 1], -vectors[:, 0]], axis=1)
