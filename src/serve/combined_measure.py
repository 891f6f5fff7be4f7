"""How far the combined file is from the package's own way with the same networks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..boxes import Detections
from ..eval.detection import BoxSource, Detector
from ..eval.detection_metrics import pairs
from ..eval.garments import predict_garments
from ..eval.inference import KeypointNet, PhotoResult, PixelSample
from ..files import read_regular
from ..records import ABSENT
from ..vocabulary import Vocabulary
from .artifact import ArtifactError
from .combined_parts import Parts
from .runtime import detection_predict, keypoint_predict, load_network

ALIKE = 0.9
"""From which overlap on a garment that both ways find, of one category, is found alike."""
UNLIKE = 0.02
"""The share of garments that may be found by one way alone. One may always be: where its probability is that of the
threshold, the last bit decides."""
MEDIAN, HIGH = 0.1, 1.0
"""How far the points may differ, in % of the longer side of their box: the median, and the 95th percentile. One percent
is about half a cell of the heatmaps."""
_BATCH = 4


class Answer(NamedTuple):
    """Garments of a photo, and their keypoints (N, K, 3) in px of the photo, with the peak."""

    garments: Detections
    keypoints: np.ndarray


@dataclass(frozen=True)
class CombinedNet:
    """run: (H, W, 3) uint8 -> boxes (N, 4), category (N,), score (N,) and keypoints (N, K, 3)."""

    run: Callable[[np.ndarray], tuple[np.ndarray, ...]]

    @classmethod
    def load(cls, path: Path) -> "CombinedNet":
        """In ONNX Runtime. Raises ArtifactError where it cannot."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(read_regular(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its errors have no common base but Exception
            raise ArtifactError(f"{path} cannot be loaded by ONNX Runtime: {error}") from error
        names = ["boxes", "category", "score", "keypoints"]

        def run(photo: np.ndarray) -> tuple[np.ndarray, ...]:
            return tuple(np.asarray(array) for array in session.run(names, {"image": photo}))

        return cls(run)

    def answer(self, photo: np.ndarray) -> Answer:
        boxes, category, score, keypoints = self.run(photo)
        return Answer(Detections(boxes, category, score), keypoints)


@dataclass(frozen=True)
class Measured:
    """How far the combined file is from the package's own way.

    photos, garments: how many were compared; of garments all that one way or both find. alike: the share of them that
    both find. points: (P, 2) float64, how far every keypoint of those is from the other way's, in px of the photo and
    in % of the longer side of its box.
    """

    photos: int
    garments: int
    alike: float
    points: np.ndarray

    @property
    def excess(self) -> float:
        """Above 0 where it is too far."""
        unlike = self.garments * (1 - self.alike) - max(1.0, UNLIKE * self.garments)
        _, (median, high) = self._percentiles
        return float(np.max([unlike, median - MEDIAN, high - HIGH]))

    @property
    def _percentiles(self) -> np.ndarray:
        """(2, 2): of px and of %, the median and the 95th percentile; not a number where there are no points."""
        points = self.points if len(self.points) else np.full((1, 2), np.nan)
        return np.percentile(points, [50, 95], axis=0).T

    def to_json(self) -> dict[str, float]:
        (median, high), (median_part, high_part) = self._percentiles.tolist()
        return {
            "photos": self.photos,
            "garments": self.garments,
            "alike": self.alike,
            "points_px_median": median,
            "points_px_95": high,
            "points_percent_of_box_median": median_part,
            "points_percent_of_box_95": high_part,
        }


def measured(net: CombinedNet, parts: Parts, photos: Sequence[np.ndarray]) -> Measured:
    """The answers for (H, W, 3) uint8 photos compared. Raises ArtifactError where they differ too much, or where there
    is no garment to compare."""
    count, both, points = 0, 0, [np.zeros((0, 2))]
    for photo, own in zip(photos, own_answers(parts, photos), strict=True):
        combined = net.answer(photo)
        partner = pairs(combined.garments, own.garments, ALIKE)
        found = partner >= 0
        both += int(found.sum())
        count += len(own.garments) + len(partner) - int(found.sum())
        points.append(
            _apart(combined.keypoints[found], own.keypoints[partner[found]], own.garments.boxes[partner[found]])
        )
    if not count:
        raise ArtifactError(
            f"no garment is found in the {len(photos)} photos, so that nothing can be compared: name photos that show "
            "some with --data"
        )
    result = Measured(len(photos), count, both / count, np.concatenate(points))
    if not result.excess <= 0:  # written so that a value that is not a number is too far
        numbers = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in result.to_json().items())
        raise ArtifactError(
            f"the combined file differs too much from the package's own way with the same networks ({numbers}): at "
            f"most one garment or {UNLIKE:.0%} may be found by one of them alone, and the points may differ by "
            f"{MEDIAN:g}% of the box (median) and {HIGH:g}% (95th percentile). A network that has learned little "
            "answers by the last bit: train it longer"
        )
    return result


def own_answers(parts: Parts, photos: Sequence[np.ndarray]) -> Iterator[Answer]:
    """The package's own way, `predict_garments`, with the same networks."""
    detection, keypoints = parts.detector.detection_config, parts.keypoints.keypoint_config
    detect = detection_predict(load_network(parts.detector.path.parent))
    detector = Detector(detect, detection.codec, detection.vocabulary.categories, parts.calibration, _BATCH)
    maps = keypoint_predict(load_network(parts.keypoints.path.parent, ("heatmaps", "category")))
    net = KeypointNet(maps, keypoints.vocabulary, keypoints.codec, keypoints.decoder)
    samples = [PixelSample(str(n), Path(f"photo {n}"), None, pixels=photo) for n, photo in enumerate(photos)]
    results: list[list[PhotoResult]] = [[] for _ in photos]
    for result in predict_garments(net, samples, BoxSource(detector, parts.limit), _BATCH):
        results[int(result.sample.image_id)].append(result)
    for found in results:
        yield _answer(found, keypoints.vocabulary)


def _answer(results: Sequence[PhotoResult], vocabulary: Vocabulary) -> Answer:
    count = len(vocabulary.keypoints)
    boxes, category, score, points = [], [], [], [np.zeros((0, count, 3))]
    for result in results:
        place, prediction = result.place, result.prediction
        if place is None or place.box is None or prediction is None:
            continue  # the whole photo, which shows no garment
        boxes.append(place.box)
        category.append(vocabulary.category_index(prediction.category))
        score.append(place.score)
        here = (prediction.state != ABSENT)[:, None]
        told = np.concatenate([prediction.xy, prediction.score[:, None]], axis=1)
        points.append(np.where(here, told, [-1, -1, 0])[None])
    return Answer(
        Detections(np.array(boxes).reshape(-1, 4), np.array(category), np.array(score)), np.concatenate(points)
    )


def _apart(first: np.ndarray, second: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(N, K, 3) twice and boxes (N, 4) -> (P, 2): px, and % of the box, of the keypoints that there are."""
    px = np.linalg.norm(first[..., :2] - second[..., :2], axis=-1)
    sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0)
    there = (second[..., :2] >= 0).all(axis=-1)
    return np.stack([px, 100 * px / sides[:, None]], axis=-1)[there]
