import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aifashion.data_gen.formats.challenges import CATEGORIES, CATEGORY_KEYPOINTS, KEYPOINTS, SPAN_PAIRS
from aifashion.eval.keypoint_metrics import (
    PCK_THRESHOLDS,
    matched,
    normalized_errors,
    pck,
    pooled_ne,
    score_arrays,
    score_keypoints,
    spans,
)
from aifashion.records import Keypoints, Sample
from aifashion.vocabulary import load_vocabulary

ALL = load_vocabulary()

CASES = json.loads((Path(__file__).parent.parent / "golden" / "ne_cases.json").read_text(encoding="utf-8"))


def sample(image_id: str, category: str, points: dict[str, list[float]]) -> Sample:
    """`points`: keypoint name -> x, y and, for true ones, the state."""
    xy, state = np.full((24, 2), -1.0), np.full(24, -1)
    for name, (x, y, *v) in points.items():
        xy[KEYPOINTS.index(name)], state[KEYPOINTS.index(name)] = (x, y), v[0] if v else 1
    return Sample(image_id, Path(image_id), category, Keypoints(xy, state))


def golden(case: dict) -> tuple[list[Sample], list[Sample]]:
    truth = [sample(f"{i}.jpg", g["category"], g["true"]) for i, g in enumerate(case["garments"])]
    predicted = [sample(f"{i}.jpg", g["category"], g["predicted"]) for i, g in enumerate(case["garments"])]
    return truth, predicted


def random_garments(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """predicted, true (N, 24, 2), state (N, 24), categories; some without span, some with a span of zero."""
    categories = [CATEGORIES[i] for i in rng.integers(0, 5, count)]
    true = rng.integers(0, 512, (count, 24, 2)).astype(float)
    state = np.where([ALL.mask(c) for c in categories], rng.choice([-1, 0, 1], (count, 24), p=[0.1, 0.2, 0.7]), -1)
    for i in range(0, count, 7):
        left, right = (KEYPOINTS.index(name) for name in SPAN_PAIRS[categories[i]])
        true[i, right] = true[i, left]
    return true + rng.normal(0, 12, true.shape), true, state, categories


def slow_ne(predicted, true, state, categories) -> tuple[float, dict[str, float], int, int]:
    """NE by the definition, point by point: pooled, per category, points, garments skipped."""
    errors: list[float] = []
    by_category: dict[str, list[float]] = {}
    skipped = 0
    for p, t, s, category in zip(predicted, true, state, categories, strict=True):
        own = by_category.setdefault(category, [])
        a, b = (KEYPOINTS.index(name) for name in SPAN_PAIRS[category])
        span = math.hypot(t[a][0] - t[b][0], t[a][1] - t[b][1])
        seen = [k for k, name in enumerate(KEYPOINTS) if s[k] == 1 and name in CATEGORY_KEYPOINTS[category]]
        if -1 in (s[a], s[b]) or span == 0 or not seen:
            skipped += 1
            continue
        for k in seen:
            error = math.hypot(p[k][0] - t[k][0], p[k][1] - t[k][1]) / span
            errors.append(error)
            own.append(error)
    means = {c: sum(found) / len(found) for c, found in by_category.items() if found}
    return sum(errors) / len(errors), means, len(errors), skipped


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_hand_worked_cases(case):
    score = score_keypoints(*golden(case))
    found = score.to_json()
    assert found["ne"] == pytest.approx(case["ne"], abs=1e-12)
    assert found["per_category"] == pytest.approx(case["per_category"], abs=1e-12)
    measured = {name: ne for name, ne in found["per_keypoint"].items() if ne is not None}
    assert measured == pytest.approx(case["per_keypoint"], abs=1e-12)
    assert found["category_points"] == case["category_points"]
    assert (score.points, score.garments, score.skipped) == (case["points"], case["garments_measured"], case["skipped"])
    assert sum(score.category_garments.values()) == score.garments
    assert sum(score.keypoint_points.values()) == score.points


def test_per_keypoint_lists_the_keypoints_of_the_categories_that_occur():
    truth, predicted = golden(CASES[0])
    score = score_keypoints(truth, predicted)
    assert list(score.per_keypoint) == list(ALL.restricted("blouse", "skirt").keypoints)
    assert math.isnan(score.per_keypoint["cuff_left_in"]) and score.keypoint_points["cuff_left_in"] == 0
    assert score.keypoint_points["armpit_left"] == 1  # visible on one of the two blouses


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_point_by_point_reference(seed):
    garments = random_garments(np.random.default_rng(seed), 200)
    ne, per_category, points, skipped = slow_ne(*garments)
    score = score_arrays(*garments, ALL)
    assert score.ne == pytest.approx(ne, rel=1e-12)
    assert {c: ne for c, ne in score.per_category.items() if not math.isnan(ne)} == pytest.approx(per_category)
    assert (score.points, score.skipped) == (points, skipped)
    assert score.garments + score.skipped == 200
    assert skipped >= 200 // 7


def test_smaller_vocabulary_scores_alike():
    predicted, true, state, categories = random_garments(np.random.default_rng(5), 60)
    legs = [i for i, c in enumerate(categories) if c in ("skirt", "trousers")]
    small = ALL.restricted("skirt", "trousers")
    chosen = [categories[i] for i in legs]
    whole = score_arrays(predicted[legs], true[legs], state[legs], chosen, ALL)
    predicted, true, state = (
        values[legs][:, [ALL.indices[name] for name in small.keypoints]] for values in (predicted, true, state)
    )
    part = score_arrays(predicted, true, state, chosen, small)
    assert part.to_json() == whole.to_json()
    assert len(part.per_keypoint) == len(small.keypoints) == 9


@given(st.integers(0, 2**32), st.floats(0.1, 10), st.floats(-100, 100))
def test_scale_shift_and_order_do_not_matter(seed, scale, shift):
    rng = np.random.default_rng(seed)
    predicted, true, state, categories = random_garments(rng, 12)
    expected = score_arrays(predicted, true, state, categories, ALL)
    moved = score_arrays(predicted * scale + shift, true * scale + shift, state, categories, ALL)
    assert moved.ne == pytest.approx(expected.ne, rel=1e-9, nan_ok=True)
    order = rng.permutation(12)
    shuffled = score_arrays(predicted[order], true[order], state[order], [categories[i] for i in order], ALL)
    assert shuffled.ne == pytest.approx(expected.ne, rel=1e-12, nan_ok=True)
    assert shuffled.points == expected.points


def test_mirrored_garments_score_alike_with_the_sides_exchanged():
    predicted, true, state, categories = random_garments(np.random.default_rng(2), 50)
    mirror, twins = np.array([-1.0, 1.0]), ALL.twins
    score = score_arrays(predicted, true, state, categories, ALL)
    other = score_arrays((predicted * mirror)[:, twins], (true * mirror)[:, twins], state[:, twins], categories, ALL)
    assert other.ne == pytest.approx(score.ne)
    assert other.per_keypoint["armpit_left"] == pytest.approx(score.per_keypoint["armpit_right"])
    assert other.per_keypoint["crotch"] == pytest.approx(score.per_keypoint["crotch"])


def test_errors_are_symmetric_and_nan_where_nothing_is_measured():
    predicted, true = np.array([[[0.0, 0], [3, 4]]]), np.array([[[6.0, 8], [3, 4]]])
    visible = np.array([[True, False]])
    errors = normalized_errors(predicted, true, visible, np.array([20.0]))
    np.testing.assert_array_equal(errors, [[0.5, np.nan]])
    np.testing.assert_array_equal(normalized_errors(true, predicted, visible, np.array([20.0])), errors)
    for span in (np.nan, 0.0):
        assert np.isnan(normalized_errors(predicted, true, visible, np.array([span]))).all()


def test_spans_by_category():
    xy, state = np.zeros((4, 24, 2)), np.zeros((4, 24), int)
    for name, place in {"armpit_left": (1, 1), "armpit_right": (4, 5), "waistband_right": (0, 2)}.items():
        xy[:, KEYPOINTS.index(name)] = place
    state[2, KEYPOINTS.index("armpit_left")] = -1
    xy[3, KEYPOINTS.index("waistband_right")] = 0  # where waistband_left is
    found = spans(xy, state, ["dress", "trousers", "blouse", "skirt"], ALL)
    np.testing.assert_array_equal(found, [5, 2, np.nan, np.nan])
    assert spans(np.empty((0, 24, 2)), np.empty((0, 24)), [], ALL).shape == (0,)


def test_pck_counts_the_threshold_itself():
    errors = np.array([[0.0, 0.1], [np.nan, 0.3], [0.31, np.nan]])
    curve = pck(errors)
    assert len(curve) == len(PCK_THRESHOLDS) and PCK_THRESHOLDS[-1] == 0.3
    assert (curve[0], curve[19], curve[20], curve[-1]) == (0.25, 0.25, 0.5, 0.75)
    assert (np.diff(curve) >= 0).all()
    assert np.isnan(pck(np.full((2, 2), np.nan))).all()


def test_pooled_ne_of_nothing_is_nan():
    assert math.isnan(pooled_ne(np.full((2, 3), np.nan)))
    assert pooled_ne(np.array([[0.1, np.nan], [0.3, np.nan]])) == pytest.approx(0.2)


def test_json_is_plain_and_has_no_nan():
    text = json.dumps(score_keypoints(*golden(CASES[1])).to_json(), allow_nan=False)
    found = json.loads(text)
    assert found["per_keypoint"]["crotch"] is None
    assert found["pck"]["per_category"]["dress"][0] is None
    assert found["pck"]["overall"][0] == 0.5


def test_order_and_extra_predictions_do_not_matter():
    truth, predicted = golden(CASES[0])
    extra = sample("extra.jpg", "dress", {})
    assert score_keypoints(truth, [extra, *predicted[::-1]]).to_json() == score_keypoints(truth, predicted).to_json()
    assert matched(truth, predicted[::-1], "predictions") == predicted


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, p: (t, p[:1]), r"2 images \(1.jpg, 2.jpg\) without predictions; 3 images were expected, 1 came"),
        (lambda t, p: (t, [replace(p[0], category="dress"), *p[1:]]), r"0.jpg: blouse, predicted as dress"),
        (lambda t, p: (t, [*p, p[0]]), r"1 image \(0.jpg\) more than once among the predictions"),
        (lambda t, p: ([*t, t[0]], p), r"more than once among the samples"),
        (lambda t, p: ([replace(t[0], keypoints=None)], p), r"without category or keypoints"),
        (
            lambda t, p: (t, [replace(p[0], keypoints=Keypoints(np.zeros((4, 2)), np.ones(4))), *p[1:]]),
            "the 24 keypoints of the vocabulary fashionai",
        ),
        (lambda t, p: ([], p), "nothing to score"),
    ],
)
def test_what_cannot_be_compared_is_an_error(change, message):
    with pytest.raises(ValueError, match=message):
        score_keypoints(*change(*golden(CASES[0])))


def test_predictions_that_are_not_numbers_are_an_error():
    predicted, true, state, categories = random_garments(np.random.default_rng(0), 3)
    predicted[state == 1] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        score_arrays(predicted, true, state, categories, ALL)


def test_shapes_and_categories_are_checked():
    predicted, true, state, categories = random_garments(np.random.default_rng(0), 3)
    with pytest.raises(ValueError, match=r"expected predicted and true \(N, K, 2\)"):
        score_arrays(predicted[:, :4], true, state, categories, ALL)
    with pytest.raises(ValueError, match=r"expected xy \(3, 4, 2\)"):
        spans(true, state, ["skirt"] * 3, ALL.restricted("skirt"))
    with pytest.raises(ValueError, match="unknown category 'hat'"):
        spans(true, state, ["hat"] * 3, ALL)
