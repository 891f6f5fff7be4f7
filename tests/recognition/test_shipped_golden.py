"""The shipped networks give for six drawn photos what they gave when these numbers were written, bit for bit.

golden/shipped/expected.json tells on which processor, with which of its abilities and on which OpenVINO they were
computed. There all numbers must be equal. Elsewhere the int8 and bfloat16 kernels round otherwise, and the numbers must
be near. The tolerances stand well above what float32 in the place of bfloat16 changed where the numbers were written:
category probabilities by 0.011, scores by 0.034, visibility by 0.022, no box and no attribute; of 64 points all but one
by less than 1 px, and that one, whose heatmap has two peaks of nearly the same height, by 56 px.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest

from aifashion.eval.two_stage import Recognition
from aifashion.recognition.keypoint_model import load_keypoint_model
from aifashion.recognition.recognizer import load
from aifashion.recognition.two_stage_model import load_two_stage_model
from aifashion.records import Sample
from aifashion.serve.processor import fast_bfloat16
from aifashion.serve.shipped import SHIPPED, WORD

FOLDER = Path(__file__).parent.parent / "golden" / "shipped"
EXPECTED = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))
PHOTOS: dict[str, Any] = EXPECTED["photos"]
SAMPLES = [Sample(name, FOLDER / name, None) for name in PHOTOS]


def same_machine() -> bool:
    core = openvino.Core()
    found = {
        "processor": core.get_property("CPU", "FULL_DEVICE_NAME"),
        "capabilities": sorted(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")),
        "openvino": openvino.__version__,
    }
    return fast_bfloat16() and all(EXPECTED[name] == value for name, value in found.items())


@pytest.fixture(scope="module", params=["bfloat16", "float32"])
def answers(request) -> tuple[dict[str, Recognition], dict[str, np.ndarray], bool]:
    """By photo the answers of both stages, and the points of ten passes; whether they must be equal. As the processor
    computes by itself, and as one without bfloat16 does."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "float32":
            able = openvino.Core.get_property

            def less_able(core: openvino.Core, device: str, name: str) -> Any:
                found = able(core, device, name)
                return [kind for kind in found if kind != "BF16"] if name == "OPTIMIZATION_CAPABILITIES" else found

            patch.setattr(openvino.Core, "get_property", less_able)
        exact = same_machine()
        both = load_two_stage_model(Path(WORD), Path(WORD))
        found = {answer.result.sample.image_id: answer for answer in both.recognise(SAMPLES, len(SAMPLES))}
        ten = load_keypoint_model(Path(WORD), augment=True).predict(SAMPLES, len(SAMPLES))
        points = {r.sample.image_id: r.prediction.xy for r in ten if r.prediction is not None}
    return found, points, exact


@pytest.mark.parametrize("file", EXPECTED["sha256"])
def test_the_networks_are_the_same_bytes(file: str):
    assert hashlib.sha256((SHIPPED / file).read_bytes()).hexdigest() == EXPECTED["sha256"][file]


def test_every_photo_has_golden_numbers():
    assert sorted(PHOTOS) == sorted(path.name for path in FOLDER.glob("*.jpg")) and len(PHOTOS) == 5


@pytest.mark.parametrize("photo", PHOTOS)
def test_categories_and_whether_there_is_a_garment(answers, photo: str):
    result, expected, exact = answers[0][photo].result, PHOTOS[photo], answers[2]
    assert (result.prediction.category, result.prediction.found) == (expected["category"], expected["found"])
    near(result.probabilities, expected["probabilities"], 0.05, exact)


@pytest.mark.parametrize("photo", PHOTOS)
def test_keypoints(answers, photo: str):
    prediction, expected, exact = answers[0][photo].result.prediction, PHOTOS[photo], answers[2]
    near(prediction.score, expected["score"], 0.1, exact)
    near(prediction.visible, expected["visible"], 0.1, exact)
    absent = np.array(expected["state"]) == -1
    np.testing.assert_array_equal(prediction.state == -1, absent)
    # Hidden or visible is decided at a probability of 0.5.
    clear = absent | (np.abs(np.array(expected["visible"]) - 0.5) > (0 if exact else 0.1))
    np.testing.assert_array_equal(prediction.state[clear], np.array(expected["state"])[clear])
    near_points(prediction.xy, expected["xy"], ~absent, exact)


@pytest.mark.parametrize("photo", PHOTOS)
def test_points_of_ten_passes(answers, photo: str):
    near_points(answers[1][photo], PHOTOS[photo]["ten_passes"], np.array(PHOTOS[photo]["state"]) != -1, answers[2])


@pytest.mark.parametrize("photo", PHOTOS)
def test_crop_and_attributes(answers, photo: str):
    answer, expected, exact = answers[0][photo], PHOTOS[photo], answers[2]
    box = answer.framed.box
    near(np.array([box.left, box.top, box.right, box.bottom]), expected["box"], 10, exact)  # two cells of a heatmap
    assert list(answer.attributes) == list(expected["attributes"])
    for task, values in answer.attributes.items():
        near(values, expected["attributes"][task], 0.2, exact)


@pytest.mark.parametrize("name", ["street.jpg"])
def test_the_garments_of_a_scene(name: str):
    """By the detector and both other networks, as the processor computes by itself."""
    expected, exact = EXPECTED["scenes"][name], same_machine()
    garments = load(WORD, WORD, detector=WORD).garments(FOLDER / "scenes" / name)
    assert [garment.category for garment in garments] == [each["category"] for each in expected]
    assert len(garments) == 3
    for garment, each in zip(garments, expected, strict=True):
        assert garment.found == each["found"]
        near(np.array(garment.box), each["box"], 4, exact)  # half a cell of the detector's maps
        near(np.array(garment.score), each["score"], 0.1, exact)
        near_points(garment.prediction.xy, each["xy"], np.array(each["state"]) != -1, exact)
        assert list(garment.attributes) == list(each["attributes"])
        for task, values in each["attributes"].items():
            near(np.array(list(garment.attributes[task].probabilities.values())), values, 0.1, exact)


def near(values: np.ndarray, expected: list[float] | float, tolerance: float, exact: bool) -> None:
    np.testing.assert_allclose(values.astype(np.float64), expected, rtol=0, atol=0 if exact else tolerance)


def near_points(xy: np.ndarray, expected: list[list[float]], present: np.ndarray, exact: bool) -> None:
    """Elsewhere all but two of a garment's points within 2 px of a photo of 320 px."""
    if exact:
        np.testing.assert_array_equal(xy, expected)
    else:
        apart = np.linalg.norm(xy - np.array(expected), axis=1)[present]
        assert (apart > 2).sum() <= 2, apart.round(2)
