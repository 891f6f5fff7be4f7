from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aifashion.config import KeypointConfig
from aifashion.data_gen.formats.challenges import KEYPOINTS
from aifashion.eval.visibility import Visibility
from aifashion.records import Keypoints, Sample
from aifashion.tasks.keypoint_scores import predict_validation, validation_numbers, visibility_reliabilities
from aifashion.vocabulary import load_vocabulary

ALL = load_vocabulary()

CONFIG = KeypointConfig(network="lite", size=64, sigma=0.5, decoder="argmax")
# Centres of cells of the 64 px input; photos are of 64 px, too.
POINTS = {
    "waistband_left": (17.5, 21.5),
    "waistband_right": (45.5, 21.5),
    "hemline_left": (13.5, 49.5),
    "hemline_right": (49.5, 49.5),
}


def sample(folder: Path, name: str, moved: float) -> Sample:
    """A skirt whose left end of the hem lies `moved` px below where the network will see it."""
    path = folder / f"{name}.png"
    Image.fromarray(np.full((64, 64, 3), 100, np.uint8)).save(path)
    xy, state = np.full((24, 2), -1.0), np.full(24, -1, np.int8)
    for keypoint, place in POINTS.items():
        xy[KEYPOINTS.index(keypoint)] = place
        state[KEYPOINTS.index(keypoint)] = 1
    xy[KEYPOINTS.index("hemline_left"), 1] += moved
    return Sample(path.name, path, "skirt", Keypoints(xy, state))


def sees_skirts(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A network that sees the points in every photo, and believes every other one to be a dress."""
    xy = np.array([POINTS.get(name, (0, 0)) for name in KEYPOINTS])
    heatmaps = CONFIG.codec.encode(xy, np.array([name in POINTS for name in KEYPOINTS]))
    probabilities = np.zeros((len(images), 5), np.float32)
    probabilities[::2, ALL.categories.index("skirt")] = probabilities[1::2, ALL.categories.index("dress")] = 1
    return np.repeat(heatmaps[None], len(images), 0), probabilities


def test_the_numbers_are_those_of_the_official_score(tmp_path):
    samples = [sample(tmp_path, "a", 0.0), sample(tmp_path, "b", 7.0)]
    score, numbers = validation_numbers(predict_validation(sees_skirts, samples, CONFIG, pytest.fail), ALL)
    # One of eight points is off by 7 px; the waistband spans 28.
    assert numbers["ne"] == numbers["score"] == numbers["ne_skirt"] == pytest.approx(7 / 28 / 8)
    assert np.isnan(numbers["ne_dress"]) and numbers["category_accuracy"] == 0.5
    assert score.garments == 2


def test_reliabilities_are_of_all_keypoints_and_of_each(tmp_path):
    seen = predict_validation(sees_skirts, [sample(tmp_path, "a", 0.0)], CONFIG, pytest.fail)
    never = Visibility(np.zeros(24), np.full(24, -50.0), 0.5)
    states = visibility_reliabilities(seen, ALL, never)
    assert set(states) == {"visible", *POINTS}
    # All four are visible, with peaks of 1: the peaks are right, and a probability of 0 is wrong every time.
    before, after = states["visible"]
    assert before.ece == pytest.approx(0, abs=1e-6) and after.ece == pytest.approx(1)


def test_photos_that_cannot_be_read_are_left_out(tmp_path):
    samples = [sample(tmp_path, "a", 0.0), sample(tmp_path, "b", 7.0)]
    samples[1].path.write_bytes(b"not a picture")
    bad: list[Path] = []
    seen = predict_validation(sees_skirts, samples, CONFIG, bad.append)
    assert bad == [samples[1].path] and len(seen) == 1 and seen[0].heatmaps is None
    with pytest.raises(ValueError, match="not one validation photo can be read"):
        predict_validation(sees_skirts, samples[1:], CONFIG, bad.append)
