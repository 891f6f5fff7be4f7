"""Lengths and widths of garments as data: what is measured between which keypoints, and how an error of one moves it.

A measurement is one of three forms, written in a vocabulary's file as

    chest = { between = ["armpit_left", "armpit_right"] }
    side = { path = ["armpit_left", "waistline_left", "hemline_left"] }
    body_length = { from = ["neckline_left", "neckline_right"], onto = ["top_hem_left", "top_hem_right"] }

the distance of two points, the length of a path, and the distance of a point to a line: at a right angle, or with
`along`, two points, in their direction. A point is the name of a keypoint, or a list of names for the middle of these.
"""

from collections import Counter
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

    @property
    def key(self) -> str:
        """What is measured, whatever it is called: `between armpit_left armpit_right`."""
        parts = [self.form, *("+".join(point) for point in self.points)]
        for word, points in (("onto", self.onto), ("along", self.along)):
            parts += [word, *("+".join(point) for point in points)] if points else []
        return " ".join(parts)

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
            if _weighed(a) == _weighed(b):  # whatever their order
                raise VocabularyError(f"{what} leads from {' and '.join(a)} to the same point")
    except VocabularyError as error:
        raise VocabularyError(str(error), section, name) from None
    return made


def _weighed(point: Point) -> dict[str, float]:
    """Of each keypoint its weight in the middle."""
    return {name: count / len(point) for name, count in Counter(point).items()}


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
        self.keys = tuple(measurement.key for measurement in self.measurements)
        used = [[name in m.keypoints for name in keypoints] for m in self.measurements]
        self.uses = np.array(used, bool).reshape(len(used), len(keypoints))
        """(M, K) bool: which points each one depends on."""
        self.used = np.flatnonzero(self.uses.any(axis=0))
        """The indices of the points that any of them depends on."""
        weights = _Weights(keypoints)
        steps, owners = [], []
        for number, measurement in enumerate(self.measurements):
            if measurement.form != "from":
                steps += [weights.between(a, b) for a, b in pairwise(measurement.points)]
                owners += [number] * (len(measurement.points) - 1)
        self._steps = np.array(steps).reshape(-1, len(keypoints))
        self._owners = np.zeros((len(self.measurements), len(steps)))
        self._owners[owners, np.arange(len(steps))] = 1
        drops = [(number, m) for number, m in enumerate(self.measurements) if m.form == "from"]
        self._drops = [
            _Drops(weights, [(number, m) for number, m in drops if bool(m.along) == slanted])
            for slanted in (False, True)
            if any(bool(m.along) == slanted for _, m in drops)
        ]

    def measure(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points (K, 2) -> lengths (M,) in their unit, and their derivatives (M, K, 2).

        A length is NaN where the line that it is measured to has no direction, or one that never meets it.
        """
        # As complex numbers, half as many operations do for lists as short as these.
        at = np.ascontiguousarray(points, np.float64).view(np.complex128)[:, 0]
        steps = self._steps @ at
        sizes = np.abs(steps)
        units = steps / np.maximum(sizes, 1e-300)
        lengths = self._owners @ sizes
        slopes = self._owners @ (self._steps * units[:, None])
        for drops in self._drops:
            lengths[drops.owners], slopes[drops.owners] = drops.measure(at)
        return lengths, slopes.view(np.float64).reshape(len(lengths), len(points), 2)


class _Weights:
    """Of which keypoints a point is made. keypoints: their names in order."""

    def __init__(self, keypoints: Sequence[str]) -> None:
        self._index = {name: k for k, name in enumerate(keypoints)}

    def of(self, point: Point) -> np.ndarray:
        weights = np.zeros(len(self._index))
        for name in point:
            weights[self._index[name]] += 1 / len(point)
        return weights

    def between(self, a: Point, b: Point) -> np.ndarray:
        return self.of(b) - self.of(a)


class _Drops:
    """Distances of points to lines, all of them at a right angle, or all along directions of their own."""

    def __init__(self, weights: _Weights, measurements: Sequence[tuple[int, Measurement]]) -> None:
        self.owners = [number for number, _ in measurements]
        of = [m for _, m in measurements]
        vectors = [
            [weights.between(m.onto[0], m.points[0]) for m in of],
            [weights.between(*m.onto) for m in of],
            [weights.between(*m.along) for m in of if m.along],
        ]
        self._vectors = np.array([part for part in vectors if part])

    def measure(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of a point at u from a line of direction d: |u x d| / |d|, and measured along a: |u x d| |a| / |a x d|."""
        vectors = self._vectors @ at
        u, d = vectors[:2]
        # |u x d| grows fastest along d turned by a right angle, and by d along u turned the other way.
        height = (u.conj() * d).imag
        side = np.sign(height)  # 0 on the line: the point has no side to which its distance grows
        with np.errstate(divide="ignore", invalid="ignore"):
            if len(vectors) == 2:
                size = np.abs(d)
                lengths = np.abs(height) / size
                slopes = [side * d / (1j * size), side * u * 1j / size - lengths * d / size**2]
            else:
                a = vectors[2]
                reach, stride = (a.conj() * d).imag, np.abs(a)
                factor = side * stride / np.abs(reach)
                lengths = factor * height
                slopes = [
                    factor * d / 1j,
                    factor * u * 1j - lengths / reach * a * 1j,
                    lengths * a / stride**2 - lengths / reach * d / 1j,
                ]
        known = np.isfinite(lengths)
        by_vector = np.where(known, slopes, 0)
        return np.where(known, lengths, np.nan), np.einsum("vn,vnk->nk", by_vector, self._vectors)
