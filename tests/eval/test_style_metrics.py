import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aifashion.data_gen.formats.challenges import STYLES
from aifashion.data_gen.formats.problems import FormatError
from aifashion.eval.style_metrics import (
    LabelScore,
    sample_f2,
    score_style_files,
    score_styles,
    tune_thresholds,
)


def rows(*labels: str) -> list[str]:
    """Thirteen cells from the first few; the rest are 0."""
    return [",".join(text.ljust(len(STYLES), "0")) for text in labels]


def test_labels_are_counted_one_by_one():
    truth = np.zeros((4, 13), int)
    predicted = truth.copy()
    truth[:3, 0], predicted[1:, 0], predicted[0, 5], truth[1, 7] = 1, 1, 1, 1
    score = score_styles(predicted, truth)
    first = score.per_label[STYLES[0]]
    assert first == LabelScore(true=3, predicted=3, hits=2) and first.precision == first.recall == pytest.approx(2 / 3)
    assert score.per_label[STYLES[5]] == LabelScore(0, 1, 0) and score.per_label[STYLES[7]] == LabelScore(1, 0, 0)
    # Photos: one told wrong; one of two found; right; told and nothing there.
    assert score.f2 == pytest.approx((0 + 5 / 9 + 1 + 0) / 4) and score.images == 4
    facts = json.loads(json.dumps(score.to_json(), allow_nan=False))
    assert facts["per_label"][STYLES[5]] == {"precision": 0.0, "recall": None, "true": 0, "predicted": 1}
    assert facts["per_label"][STYLES[7]]["precision"] is None and facts["f2"] == score.f2
    for bad in (np.zeros((0, 13)), np.zeros((3, 2))):
        with pytest.raises(ValueError, match=r"expected labels \(N, 13\)"):
            score_styles(bad, bad)


def test_files_are_matched_by_id(tmp_path):
    one, two, three = rows("11", "01", "1")
    truth, predicted = tmp_path / "train.txt", tmp_path / "submission.csv"
    truth.write_text(f"a,http://x/a.jpg,{one}\nb,http://x/b.jpg,{two}\n")
    predicted.write_text(f"b,{two}\na,{three}\n")
    assert score_style_files(truth, predicted).f2 == pytest.approx((5 / 9 + 1) / 2)
    predicted.write_text(f"b,{two}\nc,{three}\n")
    with pytest.raises(FormatError) as caught:
        score_style_files(truth, predicted)
    assert f"{truth}:1: id 'a' has no row in {predicted}" in str(caught.value)
    assert f"{predicted}:2: id 'c' has no row in {truth}" in str(caught.value)
    predicted.write_text(f"\n\nb,{two}\nc,{three}\n")  # lines are those of the file, empty ones counted
    with pytest.raises(FormatError, match=r"submission\.csv:4: id 'c' has no row"):
        score_style_files(truth, predicted)
    truth.write_text("a,http://x/a.jpg\n")
    with pytest.raises(FormatError, match=r"train.txt: no labels; expected id,url,l0"):
        score_style_files(truth, predicted)


def test_f2_of_every_photo():
    truth = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0], [1, 1, 1]], bool)
    predicted = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 0, 0], [1, 1, 1]], bool)
    # 5 hits / (4 true + predicted): 5 / 10, 0, nothing to find and nothing claimed, 0, 15 / 15.
    np.testing.assert_allclose(sample_f2(predicted, truth), [0.5, 0, 1, 0, 1])
    np.testing.assert_allclose(sample_f2(predicted, truth, beta=1), [0.5, 0, 1, 0, 1])
    assert sample_f2(np.array([[1, 0]]), np.array([[1, 1]])) == pytest.approx(5 / 9)  # recall counts more
    assert sample_f2(np.array([[1, 1]]), np.array([[1, 0]])) == pytest.approx(5 / 6)
    with pytest.raises(ValueError, match=r"\(5, 3\) and \(4, 3\)"):
        sample_f2(predicted, truth[:4])


def mean_f2(probabilities, truth, thresholds) -> float:
    return float(sample_f2(probabilities >= thresholds, truth).mean())


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.sampled_from([4, 1000]))
def test_no_other_threshold_of_one_label_is_better(seed, steps):
    rng = np.random.default_rng(seed)
    truth = rng.random((25, 4)) < [0.1, 0.4, 0.9, 0.02]
    probabilities = np.round(np.clip(truth * 0.3 + rng.random((25, 4)) * 0.7, 0, 1) * steps) / steps
    thresholds = tune_thresholds(probabilities, truth)
    best = mean_f2(probabilities, truth, thresholds)
    for c in range(4):
        for candidate in (*np.unique(probabilities[:, c]), 2.0):
            other = np.where(np.arange(4) == c, candidate, thresholds)
            assert mean_f2(probabilities, truth, other) <= best + 1e-12
    for common in np.arange(1, 100) / 100:
        assert mean_f2(probabilities, truth, common) <= best + 1e-12
    np.testing.assert_array_equal(tune_thresholds(probabilities, truth), thresholds)


def test_separable_labels_get_thresholds_midway():
    truth = np.array([[1, 0, 1], [1, 1, 1], [0, 1, 1], [0, 0, 1]], bool)
    probabilities = np.array([[0.3, 0.7, 0.6], [0.28, 0.8, 0.5], [0.1, 0.9, 0.6], [0.0, 0.6, 0.4]])
    thresholds = tune_thresholds(probabilities, truth)
    assert mean_f2(probabilities, truth, thresholds) == 1
    np.testing.assert_allclose(thresholds, [0.19, 0.75, 0.2])


def test_a_label_that_never_holds_is_never_predicted():
    truth = np.array([[1, 0], [1, 0]], bool)
    thresholds = tune_thresholds(np.array([[0.9, 1.0], [0.8, 0.9]]), truth)
    assert thresholds[1] > 1 and thresholds[1] == pytest.approx(1)


def test_neighbouring_floats_are_told_apart():
    low = 0.5
    high = np.nextafter(low, 1)
    truth = np.array([[1], [0]], bool)
    thresholds = tune_thresholds(np.array([[high], [low]]), truth)
    assert (np.array([[high], [low]]) >= thresholds).ravel().tolist() == [True, False]


@pytest.mark.parametrize("probabilities", [np.full((2, 2), 1.5), np.full((2, 2), np.nan), np.full((2, 2), -0.1)])
def test_tuning_needs_photos_and_probabilities(probabilities):
    with pytest.raises(ValueError, match="between 0 and 1"):
        tune_thresholds(probabilities, np.ones((2, 2), bool))
    with pytest.raises(ValueError, match="needs photos"):
        tune_thresholds(np.empty((0, 2)), np.empty((0, 2), bool))
    with pytest.raises(ValueError, match=r"expected predicted and true labels \(N, C\)"):
        tune_thresholds(np.zeros((2, 3)), np.ones((2, 2), bool))
