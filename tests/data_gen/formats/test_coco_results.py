from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coco_files import ALL, save, sound

from aifashion.data_gen.formats.challenges import KEYPOINTS
from aifashion.data_gen.formats.coco import CocoSet, read_coco
from aifashion.data_gen.formats.coco_results import coco_results, read_coco_results
from aifashion.data_gen.formats.problems import FormatError
from aifashion.records import Prediction, Sample


def skirts(tmp_path: Path) -> CocoSet:
    """A photo with two skirts, of which the file has other keypoints than the vocabulary and in another order."""
    names = ["Hemline Left", "pocket", "waistband_left"]
    annotation = {"image_id": "p7", "category_id": 4, "keypoints": [1, 1, 2] * 3}
    content = {
        "categories": [{"id": 4, "name": "Skirt", "keypoints": names}],
        "images": [{"id": "p7", "file_name": "a.jpg", "width": 200, "height": 100}],
        "annotations": [{"id": n, **annotation} for n in (1, 2)],
    }
    return read_coco(save(tmp_path / "truth.json", content))


def predicted(category: str = "skirt", image_id: str = "a.jpg", **points: tuple[float, float, float, int]) -> Any:
    """points: x, y, score and state by keypoint. The others have a score as well, but are absent."""
    xy, score, state = np.full((24, 2), 7.0), np.full(24, 0.9), np.full(24, -1)
    for name, (x, y, peak, seen) in points.items():
        k = KEYPOINTS.index(name)
        xy[k], score[k], state[k] = (x, y), peak, seen
    return Prediction(image_id, category, None, xy, score, state), Sample(image_id, Path(image_id), category)


def results(coco: CocoSet, *pairs: tuple[Prediction, Sample]) -> list[dict[str, Any]]:
    return coco_results([prediction for prediction, _ in pairs], [sample for _, sample in pairs], coco, ALL)


def test_predictions_have_the_ids_and_the_keypoints_of_the_file(tmp_path: Path) -> None:
    one = predicted(waistband_left=(10.126, 20, 0.5, 1), hemline_left=(30, 40.5, 0.25, 0), hemline_right=(1, 2, 0.9, 1))
    nothing = predicted()
    assert results(skirts(tmp_path), one, nothing) == [
        # The mean peak is of all present keypoints: (0.5 + 0.25 + 0.9) / 3.
        {"image_id": "p7", "category_id": 4, "keypoints": [30, 40.5, 1, 0, 0, 0, 10.13, 20, 2], "score": 0.55},
        {"image_id": "p7", "category_id": 4, "keypoints": [0] * 9, "score": 0.0},
    ]


def test_photos_and_categories_that_the_file_does_not_list_are_named(tmp_path: Path) -> None:
    coco = skirts(tmp_path)
    with pytest.raises(ValueError, match=r"truth\.json does not list photo b\.jpg"):
        results(coco, predicted(image_id="b.jpg"))
    with pytest.raises(ValueError, match=r"truth\.json does not list category dress"):
        results(coco, predicted("dress"))


def test_results_are_read_back_in_their_order(tmp_path: Path) -> None:
    coco = skirts(tmp_path)
    one, two = predicted(waistband_left=(10, 20, 0.5, 1)), predicted(hemline_left=(3, 4, 1, 0))
    written = results(coco, one, two)
    written[1] |= {"id": 12, "bbox": [1, 2, 30, 40]}
    found = read_coco_results(save(tmp_path / "results.json", written), coco)
    assert [annotation.id for annotation in found.annotations] == ["entry 0", 12]
    first, second = found.annotations
    assert first.image is coco.images[0] and first.category is coco.categories[0]
    assert first.keypoints.state.tolist() == [-1, -1, 1] and first.keypoints.xy[2].tolist() == [10, 20]
    assert second.keypoints.state.tolist() == [0, -1, -1] and second.keypoints.xy[0].tolist() == [3, 4]
    assert (first.box, second.box) == (None, (1, 2, 31, 42))


def test_every_malformed_result_is_named(tmp_path: Path, foreign: dict[str, Any]) -> None:
    coco = read_coco(save(tmp_path / "truth.json", sound(foreign)))
    good = {key: foreign["annotations"][0][key] for key in ("image_id", "category_id", "keypoints")}
    wrong = {
        "entry 1: image_id 9 is not the id of a sound entry of images": good | {"image_id": 9},
        "entry 2: 3 keypoint numbers; expected x, y, v for 8 keypoints": good | {"keypoints": [1, 1, 2]},
        "entry 3: no category_id": {key: good[key] for key in ("image_id", "keypoints")},
        "entry 4: not an object with the entries of the format": 7,
    }
    with pytest.raises(FormatError) as caught:
        read_coco_results(save(tmp_path / "results.json", [good, *wrong.values(), good]), coco)
    assert [problem.message for problem in caught.value.problems] == list(wrong)
    assert {problem.path for problem in caught.value.problems} == {tmp_path / "results.json"}


def test_a_data_set_is_read_as_answers_but_nothing_of_it_is_left_out(tmp_path: Path, foreign: dict[str, Any]) -> None:
    truth = read_coco(save(tmp_path / "truth.json", sound(foreign)))
    assert read_coco_results(tmp_path / "truth.json", truth) == truth
    foreign["annotations"][0]["keypoints"] = [1, 1, 2]
    with pytest.raises(FormatError, match=r"answers\.json: annotations, id 5: 3 keypoint numbers"):
        read_coco_results(save(tmp_path / "answers.json", foreign), truth)
    with pytest.raises(FormatError, match="not a list; expected COCO keypoint results"):
        read_coco_results(save(tmp_path / "answers.json", "none"), truth)
