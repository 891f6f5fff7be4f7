"""What the names of categories and keypoints in a file mean in a vocabulary, once for all formats.

A name means the one of the vocabulary that is the same, or the same but for upper and lower case, `-`, `_` and spaces:
the log says which. Other names need a map, or leave to be dropped; without either they are an error, since a misspelt
name would cost its point in every garment. Only labelled keypoints ask for a name: what is absent everywhere says
nothing.
"""

import logging
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...records import ABSENT, Keypoints
from ...vocabulary import Vocabulary
from .labels import LabelledGarment, LabelSet
from .name_maps import ALL, NO_NAMES, Known, Names, looked_up, matches, plain
from .problems import FormatError, Problem

log = logging.getLogger(__name__)

_NAMED = 8  # names in one line of the log


def named(labels: LabelSet, vocabulary: Vocabulary, names: Names = NO_NAMES) -> LabelSet:
    """The same with the categories of the vocabulary, each garment with all keypoints of its category, in their order.

    Left out, and counted in the log, are: what `names` drops, and garments of a category of which the vocabulary has
    neither the name nor one of a keypoint, nor one like them, such as the `person` of a set of poses. A garment is a
    problem where it has a keypoint that its category has not in the vocabulary. A photo whose garments are all left out
    is left out. Raises FormatError, with the nearest names and where they stand, for every other name that the
    vocabulary does not have, and where nothing is left.
    """
    reader = _Reader(vocabulary, names)
    photos, problems, read = [], list(labels.problems), 0
    for photo in labels.photos:
        garments = []
        for garment in photo.garments:
            read += 1
            try:
                found = reader.garment(garment, photo.file_name)
            except ValueError as error:
                problems.append(Problem(labels.path, None, f"{where(garment.id)}: {error}"))
                continue
            garments += [] if found is None else [found]
        if garments or not photo.garments:
            kept = len(garments) == len(photo.garments) and all(
                a is b for a, b in zip(garments, photo.garments, strict=True)
            )
            photos.append(photo if kept else replace(photo, garments=tuple(garments)))
    faults = reader.faults()
    if not faults and read and not any(photo.garments for photo in photos):
        faults = reader.strangers() or faults
    if faults:
        faults[0] += (
            f". Choose the vocabulary of this file with --vocabulary (now {vocabulary.name}), correct the names, or "
            "convert the file with aifashion data convert: --names says what names mean, --ignore drops one"
        )
        raise FormatError([Problem(labels.path, None, fault) for fault in faults])
    reader.tell(labels.path)
    return replace(labels, photos=tuple(photos), problems=tuple(problems), left_out=labels.left_out + reader.left_out)


def of_category(labels: LabelSet, category: str) -> LabelSet:
    """The same with the garments of one category alone, and the photos that show one or none at all."""
    known, photos = Known((category,)), []
    for photo in labels.photos:
        garments = tuple(garment for garment in photo.garments if known.meaning(garment.category))
        if garments or not photo.garments:
            photos.append(replace(photo, garments=garments))
    return replace(labels, photos=tuple(photos))


def without_categories(labels: LabelSet, names: Container[str]) -> LabelSet:
    """The same without the garments of some categories, and the photos that show no others."""
    photos = []
    for photo in labels.photos:
        garments = tuple(garment for garment in photo.garments if garment.category not in names)
        if garments or not photo.garments:
            photos.append(replace(photo, garments=garments))
    return replace(labels, photos=tuple(photos))


def unlike_categories(labels: LabelSet, vocabulary: Vocabulary) -> set[str]:
    """The categories of garments whose names are none of the vocabulary's, nor near one."""
    known = Known(vocabulary.categories)
    used = {garment.category for photo in labels.photos for garment in photo.garments}
    return {name for name in used if known.meaning(name) is None and known.nearest(name) is None}


def check_names(labels: LabelSet, vocabulary: Vocabulary) -> None:
    """For formats whose files list all keypoints of a category: raises ValueError, with the differences, where the
    categories and keypoints of the garments are not those of the vocabulary."""
    known = Known(vocabulary.categories), Known(vocabulary.keypoints)
    used = {(g.category, g.names) for photo in labels.photos for g in photo.garments}
    listed: dict[str, set[str]] = {}
    for category, names in sorted(used):
        listed.setdefault(known[0].meaning(category) or category, set()).update(
            known[1].meaning(name) or name for name in names
        )
    unknown = [name for name in listed if name not in vocabulary.categories]
    parts = [f"categories {', '.join(unknown)} are not in the vocabulary"] if unknown else []
    for category in vocabulary.definitions:
        missing = [name for name in category.keypoints if name not in listed.get(category.name, category.keypoints)]
        parts += [f"category {category.name} has no keypoint {', '.join(missing)} in the file"] if missing else []
    if parts:
        raise ValueError(
            f"{labels.path} and the vocabulary {vocabulary.name} differ: {'; '.join(parts)}. Choose the vocabulary of "
            "this file with --vocabulary"
        )


def where(garment: str) -> str:
    """What messages call a garment: by the id of its annotation, or by what its format has in its place."""
    return garment if " " in garment else f"annotations, id {garment}"


@dataclass(slots=True)
class _Plan:
    """What becomes of the garments of one category with one list of names. source, target: (N,) int, indices of the
    names, and of the keypoints of the category here. others: index of a name that means a keypoint which the category
    does not have -> that keypoint. unknown, dropped: indices of names."""

    category: str | None
    keypoints: tuple[str, ...]
    source: np.ndarray
    target: np.ndarray
    same: bool  # whether a garment is as it is to be, its category apart
    others: Mapping[int, str]
    unknown: np.ndarray
    dropped: np.ndarray
    stranger: bool = False


class _Reader:
    """What garments mean, and what is to be told of it."""

    def __init__(self, vocabulary: Vocabulary, names: Names) -> None:
        self.vocabulary, self.names = vocabulary, names
        self.categories, self.keypoints = Known(vocabulary.categories), Known(vocabulary.keypoints)
        self.plans: dict[tuple[str, tuple[str, ...]], _Plan] = {}
        self.left_out: Counter[str] = Counter()
        self.dropped_points: Counter[str] = Counter()
        self.variants: Counter[tuple[str, str]] = Counter()
        self.unknown: Counter[tuple[str, str]] = Counter()  # of a category, and a keypoint or ""
        self.first: dict[tuple[str, str], str] = {}
        self.foreign: Counter[str] = Counter()

    def garment(self, garment: LabelledGarment, photo: str) -> LabelledGarment | None:
        """None where it is left out. Raises ValueError for one with a keypoint that its category does not have."""
        key = garment.category, garment.names
        plan = self.plans.get(key)
        if plan is None:
            plan = self.plans[key] = self._plan(*key)
        if plan.stranger:
            self.foreign[garment.category] += 1
            self._stands(garment.category, "", garment, photo)
            return None
        state = garment.keypoints.state
        for index in plan.unknown:
            if state[index] != ABSENT:
                self._miss(garment.category, garment.names[index], garment, photo)
        if plan.category is None:
            if self._drops(garment.category):
                self.left_out[f"garments of the category {garment.category}, as asked"] += 1
            else:
                self._miss(garment.category, "", garment, photo)
            return None
        for index in plan.dropped:
            if state[index] != ABSENT:
                self.dropped_points[garment.names[index]] += 1
        foreign = [name for index, name in plan.others.items() if state[index] != ABSENT]
        if foreign:
            raise ValueError(f"a {plan.category} has no {', '.join(foreign)}")
        if plan.category != garment.category:
            self._taken(garment.category, plan.category)
        if plan.same:
            return garment if plan.category == garment.category else replace(garment, category=plan.category)
        count = len(plan.keypoints)
        xy, states = np.full((count, 2), -1.0), np.full(count, ABSENT, np.int8)
        present = state[plan.source] != ABSENT
        source, target = plan.source[present], plan.target[present]
        if len(set(target.tolist())) < len(target):
            twice = [plan.keypoints[k] for k, n in Counter(target.tolist()).items() if n > 1]
            raise ValueError(f"two of its points mean {', '.join(twice)}")
        for index, k in zip(source.tolist(), target.tolist(), strict=True):
            if garment.names[index] != plan.keypoints[k]:
                self._taken(garment.names[index], plan.keypoints[k])
        xy[target], states[target] = garment.keypoints.xy[source], state[source]
        scores = None
        if garment.scores is not None:
            values = np.zeros(count)
            values[target] = np.asarray(garment.scores)[source]
            scores = tuple(values.tolist())
        return LabelledGarment(garment.id, plan.category, plan.keypoints, Keypoints(xy, states), garment.box, scores)

    def faults(self) -> list[str]:
        return [self._fault(*key, f"{count:,} labels") for key, count in self.unknown.items()]

    def strangers(self) -> list[str]:
        """Where nothing else is in the file, what is left out as foreign is a mistake."""
        return [self._fault(name, "", f"{count:,} garments") for name, count in self.foreign.items()]

    def tell(self, path: Path) -> None:
        if self.variants:
            pairs = [f"{name!r} for {meant} ({count:,})" for (name, meant), count in self.variants.items()]
            log.info(f"{path}: names were taken for those of the vocabulary: {_some(pairs)}")
        if self.dropped_points:
            pairs = [f"{name} ({count:,})" for name, count in self.dropped_points.items()]
            log.warning(f"{path}: left out keypoints, as asked: {_some(pairs)}")
        for name, count in self.foreign.items():
            kind = f"garments of the category {name}, of which the vocabulary {self.vocabulary.name} has no name"
            self.left_out[kind] += count

    def _fault(self, category: str, keypoint: str, count: str) -> str:
        if keypoint:
            own = looked_up(self.names.categories, category) or self.categories.meaning(category)
            known = self.vocabulary.definitions[self.vocabulary.category_index(own)].keypoints if own else ()
            near = Known(known).nearest(keypoint) or self.keypoints.nearest(keypoint)
            what = f"keypoint {keypoint!r} of the category {category}"
        else:
            near, what = self.categories.nearest(category), f"category {category!r}"
        nearest = f"; the nearest is {near}" if near else ""
        return f"{self.first[category, keypoint]}: {what} is not in the vocabulary{nearest} ({count})"

    def _miss(self, category: str, keypoint: str, garment: LabelledGarment, photo: str) -> None:
        self.unknown[category, keypoint] += 1
        self._stands(category, keypoint, garment, photo)

    def _stands(self, category: str, keypoint: str, garment: LabelledGarment, photo: str) -> None:
        self.first.setdefault((category, keypoint), f"{where(garment.id)}, photo {photo}")

    def _taken(self, name: str, meant: str) -> None:
        if plain(name) == plain(meant):
            self.variants[name, meant] += 1

    def _drops(self, name: str) -> bool:
        return matches(name, (*self.names.asked, *self.names.dropped))

    def _plan(self, category: str, names: tuple[str, ...]) -> _Plan:
        meant = self._category(category)
        points = [self._keypoint(category, name) for name in names]
        dropped = [index for index, point in enumerate(points) if point is None and self._drops(names[index])]
        unknown = [index for index, point in enumerate(points) if point is None and index not in dropped]
        nothing = np.zeros(0, np.intp)
        if meant is None:
            stranger = not self._drops(category) and len(unknown) == len(names) and not self._is_like(category, names)
            # Of a category that is unknown itself, and may be dropped, keypoints are no mistakes.
            return _Plan(None, (), nothing, nothing, False, {}, nothing, nothing, stranger)
        own = self.vocabulary.definitions[self.vocabulary.category_index(meant)].keypoints
        place = {name: index for index, name in enumerate(own)}
        pairs = [(index, place[point]) for index, point in enumerate(points) if point in place]
        others = {index: point for index, point in enumerate(points) if point is not None and point not in place}
        source, target = np.array(pairs, np.intp).reshape(-1, 2).T
        missed, left = (np.array(part, np.intp) for part in (unknown, dropped))
        same = names == own and pairs == [(index, index) for index in range(len(own))]
        return _Plan(meant, own, source, target, same, others, missed, left)

    def _category(self, name: str) -> str | None:
        if matches(name, self.names.asked):
            return None
        return looked_up(self.names.categories, name) or (
            None if matches(name, self.names.dropped) else self.categories.meaning(name)
        )

    def _keypoint(self, category: str, name: str) -> str | None:
        if matches(name, self.names.asked):
            return None
        for table in (looked_up(self.names.keypoints, category), self.names.keypoints.get(ALL)):
            if found := looked_up(table or {}, name):
                return found
        return None if matches(name, self.names.dropped) else self.keypoints.meaning(name)

    def _is_like(self, category: str, names: Iterable[str]) -> bool:
        near = self.categories.nearest(category)
        return near is not None or any(self.keypoints.nearest(name) for name in names)


def _some(texts: Sequence[str]) -> str:
    more = len(texts) - _NAMED
    return ", ".join(texts[:_NAMED]) + (f" and {more} more" if more > 0 else "")
