from pathlib import Path

import numpy as np
import pytest

from aifashion.data_gen.formats.challenges import KEYPOINTS
from aifashion.data_gen.formats.fashionai import read_keypoint_csv
from aifashion.eval.submission import submission_samples, write_submission
from aifashion.records import Prediction, Sample
from aifashion.vocabulary import Category, Vocabulary, load_vocabulary

ALL = load_vocabulary()

SKIRT, LEGS = ALL.restricted("skirt"), ALL.restricted("skirt", "trousers")


def predict(image_id: str, category: str, speaks: Vocabulary) -> Prediction:
    """Keypoint k of the vocabulary at (10 k + 0.4, 10 k + 0.6), the other categories' keypoints absent."""
    steps = 10.0 * np.arange(len(speaks.keypoints))
    state = np.where(speaks.mask(category), 1, -1).astype(np.int8)
    return Prediction(
        image_id, category, None, np.stack([steps + 0.4, steps + 0.6], 1), np.ones(len(steps), np.float32), state
    )


def listed(image_id: str, category: str | None) -> Sample:
    return Sample(image_id, Path(image_id), category)


def test_file_has_the_official_layout(tmp_path):
    samples = [listed("Images/trousers/b.jpg", "trousers"), listed("Images/skirt/a.jpg", "skirt")]
    predictions = [predict("Images/skirt/a.jpg", "skirt", LEGS), predict("Images/trousers/b.jpg", "trousers", LEGS)]
    path = tmp_path / "result.csv"
    write_submission(path, predictions, samples, LEGS)
    header, first, second = path.read_text(encoding="utf-8").splitlines()
    assert header == "image_id,image_category," + ",".join(KEYPOINTS)
    absent = "-1_-1_-1"
    # Over skirt and trousers the 9 keypoints are: waistband x2, hemline x2, crotch, bottom x4.
    legs = ["40_41_1", "50_51_1", "60_61_1", "70_71_1", "80_81_1"]
    trousers = [*[absent] * 15, "0_1_1", "10_11_1", absent, absent, *legs]
    skirt = [*[absent] * 15, "0_1_1", "10_11_1", "20_21_1", "30_31_1", *[absent] * 5]
    assert first == ",".join(["Images/trousers/b.jpg", "trousers", *trousers])
    assert second == ",".join(["Images/skirt/a.jpg", "skirt", *skirt])


def test_file_reads_back(tmp_path):
    write_submission(tmp_path / "result.csv", [predict("a.jpg", "skirt", SKIRT)], [listed("a.jpg", "skirt")], SKIRT)
    (read,) = read_keypoint_csv(tmp_path / "result.csv", root=tmp_path)
    assert read.category == "skirt" and read.keypoints is not None
    assert [KEYPOINTS[k] for k in np.flatnonzero(read.keypoints.state == 1)] == list(SKIRT.keypoints)
    np.testing.assert_array_equal(read.keypoints.xy[15:19], [[0, 1], [10, 11], [20, 21], [30, 31]])


def test_unknown_category_takes_the_predicted_one():
    (filled,) = submission_samples([predict("a.jpg", "trousers", LEGS)], [listed("a.jpg", None)], LEGS)
    assert filled.category == "trousers" and filled.keypoints is not None
    assert (filled.keypoints.state == 1).sum() == 7


def test_points_outside_the_category_are_dropped_and_hidden_ones_have_their_place():
    prediction = predict("a.jpg", "trousers", LEGS)
    prediction.state[[0, 5]] = 0
    (filled,) = submission_samples([prediction], [listed("a.jpg", "trousers")], LEGS)
    assert filled.keypoints is not None
    own = np.flatnonzero([k in ALL.restricted("trousers").keypoints for k in KEYPOINTS])
    # The fifth of both categories' keypoints is the fourth of trousers: waistband, no hemline, crotch, bottoms.
    np.testing.assert_array_equal(filled.keypoints.state[own], [0, 1, 1, 0, 1, 1, 1])
    np.testing.assert_allclose(filled.keypoints.xy[own[3]], [50.4, 50.6])
    assert (np.delete(filled.keypoints.state, own) == -1).all()
    np.testing.assert_array_equal(filled.keypoints.xy[filled.keypoints.state == -1], -1)


def test_what_does_not_fit_is_an_error():
    skirt = predict("a.jpg", "skirt", SKIRT)
    with pytest.raises(ValueError, match=r"1 image \(b.jpg\) without predictions"):
        submission_samples([skirt], [listed("a.jpg", "skirt"), listed("b.jpg", "skirt")], SKIRT)
    with pytest.raises(ValueError, match="listed as dress and was predicted as skirt"):
        submission_samples([skirt], [listed("a.jpg", "dress")], SKIRT)
    with pytest.raises(ValueError, match=r"expected 24 keypoints .* got 4"):
        submission_samples([skirt], [listed("a.jpg", "skirt")], ALL)
    with pytest.raises(ValueError, match="unknown category 'skirt'"):
        submission_samples(
            [skirt],
            [listed("a.jpg", "skirt")],
            Vocabulary("x", SKIRT.keypoints, (Category("trousers", SKIRT.keypoints),)),
        )
