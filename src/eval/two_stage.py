"""Both stages together: photos -> keypoints, crop, and the attributes that apply to the garment."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..data_gen.memory import Budget
from ..geometry import Size
from ..heatmaps import HeatmapCodec
from ..paths import readable_name
from ..records import ABSENT, HIDDEN, Box, CropRule, HeadSpec, Sample
from ..vocabulary import Vocabulary
from .activation import ActivationNet, frame_by_activation
from .attribute_inference import AttributePredict
from .crops import Framed, classifier_input, cut, frame_garment
from .heads import head_probabilities
from .inference import PhotoResult
from .reading import full_batch, is_large, made_ahead, new_budget, work_behind

OF_PHOTO = ("photo", "error", "width", "height")
PLACE = ("garment_id", "box", "score")
"""Names of a garment's place in its photo, if garments were searched for."""
FACTS = ("garment", "category", "category_probability", "region")
"""Other names in the result of `describe`, beside the photo's, the place's, keypoints and attributes."""


@dataclass(frozen=True, slots=True)
class Classifier:
    """Stage 2. size: side of its input in px. crop: the region of a photo it was trained on; for `cam` the region comes
    from its `activation` maps of the whole photo. vocabulary: which attributes apply to which category."""

    heads: tuple[HeadSpec, ...]
    size: int
    crop: CropRule
    predict: AttributePredict
    vocabulary: Vocabulary
    temperatures: dict[str, Any] = field(default_factory=dict)
    activation: ActivationNet | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Recognition:
    """The results of both stages for one garment.

    framed: the crop. attributes: by head that applies to the category, the probabilities (C,). If the photo could not
    be read, `result.error` says why and the rest is empty.
    """

    result: PhotoResult
    framed: Framed | None = None
    attributes: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def garment_id(self) -> int:
        """0, 1, ... within the photo: the highest score first, for equal scores the larger box first."""
        return self.result.place.number if self.result.place else 0

    @property
    def box(self) -> tuple[float, float, float, float] | None:
        """left, top, right, bottom in px of the photo, edges of pixels; None if the garment is the whole photo's."""
        place = self.result.place
        if place is None or place.box is None:
            return None
        left, top, right, bottom = place.box.tolist()
        return left, top, right, bottom

    @property
    def score(self) -> float | None:
        """The probability of the box, 0..1; None without one."""
        return self.result.place.score if self.result.place else None


def recognise(
    keypoints: Callable[[Iterable[Sample]], Iterator[PhotoResult]],
    classifier: Classifier | None,
    samples: Iterable[Sample],
    vocabulary: Vocabulary,
    codec: HeatmapCodec,
    batch_size: int = 16,
    budget: Budget | None = None,
) -> Iterator[Recognition]:
    """The results in the order of the samples and of the garments of each.

    keypoints: stage 1, which keeps the photos. Without a classifier there are no attributes. budget: limits the bytes
    of photos; stage 1 counts those that it keeps, and here they are given back.
    """
    photos = budget or new_budget()
    # Stage 1 runs in a separate thread, so that neither network waits for the work between the two.
    results = made_ahead(keypoints(samples), batch_size, budget)

    def looked_at() -> Iterator[Looked]:
        for group in _groups(results, batch_size, photos):
            if classifier is not None and classifier.crop.kind == "cam":
                yield group, _look_where_it_looks(classifier, group, batch_size)
            else:
                yield group, None

    def prepare(looked: Looked) -> Prepared:
        group, framed = looked
        if framed is None:
            rule = classifier.crop if classifier else CropRule("heatmap")
            framed = [None if r.error else frame_garment(r, vocabulary, codec, rule) for r in group]
        return group, framed, _inputs(classifier, group, framed) if classifier else {}

    for group, framed, inputs in work_behind(looked_at(), prepare):
        answers = _attributes(classifier, group, inputs, batch_size) if classifier and inputs else [{}] * len(group)
        for result, box, found in zip(group, framed, answers, strict=True):
            if budget is not None:
                budget.add(-result.freed)
            yield Recognition(result, box, found)


def _groups(results: Iterable[PhotoResult], batch_size: int, budget: Budget) -> Iterator[list[PhotoResult]]:
    group: list[PhotoResult] = []
    for result in results:
        group.append(result)
        if len(group) == batch_size or is_large(sum(r.freed for r in group), budget):
            yield group
            group = []
    if group:
        yield group


Looked = tuple[list[PhotoResult], list[Framed | None] | None]
"""Stage 1's results of one batch, and their boxes if the classifier's activation maps gave them."""

Prepared = tuple[list[PhotoResult], list[Framed | None], dict[int, np.ndarray]]
"""Stage 1's results of one batch, their boxes, and the inputs of stage 2 by index in the batch."""


def _look_where_it_looks(classifier: Classifier, group: Sequence[PhotoResult], batch_size: int) -> list[Framed | None]:
    net = classifier.activation
    if net is None:
        raise ValueError("a classifier of crops by its activation maps needs its activation network")
    framed: list[Framed | None] = [None] * len(group)
    seen = [(index, r.photo, r.prediction) for index, r in enumerate(group)]
    readable = [(index, photo, found) for index, photo, found in seen if photo is not None and found is not None]
    if readable:
        known = classifier.vocabulary
        names = [[h.name for h in net.heads if known.applies(h.name, found.category)] for _, _, found in readable]
        squares = [place.square if (place := group[index].place) else None for index, _, _ in readable]
        photos = [cut(photo, box) if box else photo for (_, photo, _), box in zip(readable, squares, strict=True)]
        boxes = frame_by_activation(net, photos, names, batch_size, classifier.crop)
        for (index, _, _), box, square in zip(readable, boxes, squares, strict=True):
            framed[index] = box if square is None else Framed(_shifted(box.box, square), box.fell_back)
    return framed


def _shifted(box: Box, square: Box) -> Box:
    """A box within the square, in px of the square's photo."""
    return Box(box.left + square.left, box.top + square.top, box.right + square.left, box.bottom + square.top)


def _inputs(
    classifier: Classifier, group: Sequence[PhotoResult], framed: Sequence[Framed | None]
) -> dict[int, np.ndarray]:
    return {
        index: classifier_input(result.photo, where.box, classifier.size, result.reduced)
        for index, (result, where) in enumerate(zip(group, framed, strict=True))
        if where is not None and result.photo is not None
    }


def _attributes(
    classifier: Classifier, group: Sequence[PhotoResult], inputs: dict[int, np.ndarray], batch_size: int
) -> list[dict[str, np.ndarray]]:
    answers: list[dict[str, np.ndarray]] = [{} for _ in group]
    logits = classifier.predict(full_batch(list(inputs.values()), batch_size))
    for head in classifier.heads:
        temperature = classifier.temperatures.get(head.name, 1.0)
        probabilities = head_probabilities(head, logits[head.name][: len(inputs)], temperature)
        for index, values in zip(inputs, probabilities, strict=True):
            prediction = group[index].prediction
            if prediction is not None and classifier.vocabulary.applies(head.name, prediction.category):
                answers[index][head.name] = values
    return answers


def describe(recognition: Recognition, vocabulary: Vocabulary, heads: Sequence[HeadSpec]) -> dict[str, Any]:
    """Plain data for JSON, always with the same names: photo, error, width, height, garment (whether there is one),
    category, category_probability, region (the part of it within the photo), keypoints, attributes and measurements,
    which `measuring.describe_measured` fills. If garments were searched for, there are also garment_id, box and score.

    A keypoint has its score, its probability of being visible, and whether it is hidden. An attribute has a class;
    independent labels are those with a probability above 0.5. Unknown values are None: garment, visible and
    hidden without a calibration of the keypoints; for an unreadable photo all but its name and the error.
    """
    result, framed = recognition.result, recognition.framed
    facts: dict[str, Any] = dict.fromkeys((*OF_PHOTO, *(PLACE if result.place else ()), *FACTS))
    if result.place is not None:
        box = None if recognition.box is None else [_rounded(value, 2) for value in recognition.box]
        score = None if recognition.score is None else _rounded(recognition.score, 4)
        facts |= {"garment_id": recognition.garment_id, "box": box, "score": score}
    facts |= {"photo": readable_name(str(result.sample.path)), "keypoints": {}, "attributes": {}, "measurements": {}}
    if result.error is not None or result.prediction is None or result.size is None or framed is None:
        return facts | {"error": readable_name(result.error or "there is no answer")}
    prediction = result.prediction
    xy, scores, states = prediction.xy.tolist(), prediction.score.tolist(), prediction.state.tolist()
    seen = None if prediction.visible is None else prediction.visible.tolist()
    by_name = {head.name: head for head in heads}
    return facts | {
        "width": result.size[0],
        "height": result.size[1],
        "garment": prediction.found,
        "category": prediction.category,
        "category_probability": _finite(prediction.category_probability),
        "region": None if framed.fell_back else _inside(framed.box, result.size),
        "keypoints": {
            name: {
                "x": _rounded(xy[k][0], 2),
                "y": _rounded(xy[k][1], 2),
                "score": _rounded(scores[k], 4),
                "visible": None if seen is None else _rounded(seen[k], 4),
                "hidden": None if seen is None else states[k] == HIDDEN,
            }
            for k, name in enumerate(vocabulary.keypoints)
            if states[k] != ABSENT
        },
        "attributes": {
            task: _describe_attribute(by_name[task], values) for task, values in recognition.attributes.items()
        },
        "measurements": {},
    }


def describe_photo(garments: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One object with the results of `describe` for the garments of one photo: photo, error, width, height, and
    `garments`, a list of all else; it is empty if the photo could not be read."""
    photo = {name: garments[0][name] for name in OF_PHOTO}
    known = [] if photo["error"] else garments
    return photo | {"garments": [{k: v for k, v in facts.items() if k not in OF_PHOTO} for facts in known]}


def _finite(value: float | None) -> float | None:
    """None instead of NaN, which JSON does not have."""
    return value if value is not None and math.isfinite(value) else None


def _rounded(value: float, decimals: int) -> float | None:
    return round(value, decimals) if math.isfinite(value) else None


def _inside(box: Box, size: Size) -> list[int] | None:
    """The part of the box within a photo of (width, height): left, top, right, bottom; None if it is empty."""
    left, top, right, bottom = max(box.left, 0), max(box.top, 0), min(box.right, size[0]), min(box.bottom, size[1])
    return [left, top, right, bottom] if left < right and top < bottom else None


def _describe_attribute(head: HeadSpec, values: np.ndarray) -> dict[str, Any]:
    exact = dict(zip(head.classes, values.tolist(), strict=True))
    probabilities = {name: _rounded(value, 4) for name, value in exact.items()}
    if head.kind == "independent":
        return {"labels": likely_labels(exact), "probabilities": probabilities}
    likeliest = max(exact, key=exact.__getitem__)
    return {"class": likeliest, "probability": probabilities[likeliest], "probabilities": probabilities}


def likely_labels(probabilities: Mapping[str, float]) -> list[str]:
    """Names of the independent labels with a probability above 0.5."""
    return [name for name, value in probabilities.items() if value > 0.5]
