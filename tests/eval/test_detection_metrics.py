from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from aifashion.boxes import Detections, no_detections, overlaps
from aifashion.eval.detection_metrics import DetectionScore, ScoredPhoto, average_precision, pairs, score_detections
from aifashion.eval.detection_report import draw_detection_score, print_detection_score

A, B, C = (0, 0, 100, 100), (200, 0, 300, 100), (0, 200, 100, 300)
AWAY = (900, 900, 950, 950)
NAN = float("nan")


def garments(*rows: tuple) -> Detections:
    """Rows of a box, a category and, if it is not 1, a score."""
    if not rows:
        return no_detections()
    return Detections(
        np.array([row[0] for row in rows], float),
        np.array([row[1] for row in rows]),
        np.array([row[2] if len(row) > 2 else 1.0 for row in rows]),
    )


def scored(true: Detections, found: Detections, **more) -> DetectionScore:
    return score_detections([ScoredPhoto(true, found, **more)], ("skirt", "dress"))


def test_ap_of_two_garments_with_a_false_alarm_between_them():
    """Right, wrong, right: precision 1 up to a recall of 1/2, at 51 of 101 recalls, and 2/3 at the 50 beyond it."""
    score = scored(garments((A, 0), (B, 0)), garments((A, 0, 0.9), (AWAY, 0, 0.8), (B, 0, 0.7)))
    expected = (51 + 50 * 2 / 3) / 101
    for values in (score.precision.ap, score.precision.ap50, score.precision.ap75):
        assert values[0] == pytest.approx(expected) and np.isnan(values[1])
    assert score.mean("ap") == pytest.approx(expected) and score.mean("ar") == 1
    assert score.precision.curve.shape == (2, 101)
    assert score.precision.curve[0] == pytest.approx(np.repeat([1, 2 / 3], [51, 50]))


def test_ap_of_a_box_that_is_a_bit_too_short():
    """An IoU of 0.62 is enough for the first three of the ten IoU from 0.5 to 0.95."""
    score = scored(garments((A, 0)), garments(((0, 0, 100, 62), 0, 0.9)))
    numbers = [score.mean(name) for name in ("ap", "ap50", "ap75", "ar")]
    assert numbers == pytest.approx([0.3, 1, 0, 0.3])
    assert score.rates.paired == 1 and score.rates.recall == 1
    assert (
        score_detections([ScoredPhoto(garments((A, 0)), garments(((0, 0, 100, 62), 0)))], ["x"], 0.63).rates.paired == 0
    )


def test_ap_is_the_mean_over_the_categories_that_there_are():
    score = scored(garments((A, 0), (B, 1)), garments((A, 0, 0.9), (AWAY, 1, 0.9)))
    assert score.precision.ap.tolist() == pytest.approx([1, 0]) and score.mean("ap") == pytest.approx(0.5)


def test_nothing_found_is_a_score_of_nought_and_nothing_there_of_none():
    score = scored(garments((A, 0)), no_detections())
    assert score.mean("ap") == score.mean("ar") == score.rates.recall == score.false_alarms_per_photo == 0
    assert np.isnan(score.rates.precision) and score.reliability is None
    score = scored(no_detections(), garments((A, 0, 0.5)))
    assert np.isnan(score.mean("ap")) and np.isnan(score.rates.recall) and score.false_alarms_per_photo == 1


def test_pairs_are_made_from_the_highest_score_each_with_what_it_overlaps_most():
    true = garments(((0, 0, 100, 100), 0), ((0, 0, 100, 80), 0), (B, 1))
    found = garments(((0, 0, 100, 90), 0, 0.4), ((0, 0, 100, 85), 0, 0.6), (B, 0, 0.9), (B, 1, 0.5), (B, 1, 0.3))
    # 85 of 100 or 80 of 85: the second true one is taken first, and 90 of 100 is left.
    assert pairs(found, true, 0.5).tolist() == [0, 1, -1, 2, -1]
    assert pairs(found, true, 0.91).tolist() == [-1, 1, -1, 2, -1]
    # Whatever the categories: the likeliest takes B.
    assert pairs(found, true, 0.5, same_category=False).tolist() == [0, 1, 2, -1, -1]
    assert pairs(found, no_detections(), 0.5).tolist() == [-1] * 5
    assert pairs(no_detections(), true, 0.5).tolist() == []


def test_counts_by_category_and_area_and_confusions():
    first = ScoredPhoto(
        garments((A, 0), (B, 1), (C, 1)),
        garments((A, 1, 0.9), (B, 1, 0.8), (AWAY, 0, 0.3)),
        size=(400, 500),  # each box is 5% of it, and not more
    )
    second = ScoredPhoto(garments((A, 0)), garments((A, 0, 0.7), (A, 0, 0.6)), size=(200, 200))
    score = score_detections([first, second], ("skirt", "dress"))
    rates = score.rates
    assert (rates.true, rates.predicted, rates.paired, rates.false_alarms) == (4, 5, 2, 3)
    assert rates.recall == 0.5 and rates.precision == 0.4 and score.false_alarms_per_photo == 1.5
    assert [(r.true, r.predicted, r.paired) for r in score.per_category] == [(2, 3, 1), (2, 2, 1)]
    assert score.by_area == ((3, 1), (1, 1))
    assert score.confusion.tolist() == [[1, 1, 0], [0, 1, 1]]
    # Right are 0.8, 0.7 and, since there is such a garment, the second box about it; wrong are 0.9 and 0.3.
    reliability = score.reliability
    assert reliability is not None and reliability.counts.sum() == 5
    assert reliability.ece == pytest.approx((0.9 + 0.2 + 0.3 + 0.4 + 0.3) / 5, abs=1e-6)
    numbers = score.to_json()
    assert numbers["recall"] == 0.5 and numbers["per_category"]["dress"]["paired"] == 1
    assert numbers["small"] == {"true": 3, "paired": 1} and numbers["large"] == {"true": 1, "paired": 1}


def test_a_photo_of_unknown_size_has_no_large_or_small_garments():
    assert scored(garments((A, 0)), garments((A, 0))).by_area == ((0, 0), (0, 0))


def test_what_lies_in_a_crowd_counts_nowhere():
    crowd = garments(((500, 500, 1000, 1000), 0))
    found = garments((A, 0, 0.5), (AWAY, 0, 0.9), (AWAY, 1, 0.8))
    score = scored(garments((A, 0), (B, 1)), found, crowd=crowd)
    assert score.precision.ap.tolist() == pytest.approx([1, 0])
    assert (score.rates.ignored, score.rates.false_alarms, score.rates.precision) == (1, 1, 0.5)
    assert score.reliability is not None and score.reliability.counts.sum() == 2
    assert scored(garments((A, 0)), garments((A, 0), (AWAY, 0)), crowd=crowd).mean("ap") == pytest.approx(1)


def test_mistakes_are_errors():
    photo = ScoredPhoto(garments((A, 2)), no_detections())
    with pytest.raises(ValueError, match="a category that is none of the 2"):
        score_detections([photo], ("skirt", "dress"))
    with pytest.raises(ValueError, match="no photos"):
        score_detections([], ("skirt",))
    for iou in (0, 1.5, NAN):
        with pytest.raises(ValueError, match="an IoU of"):
            score_detections([photo], ("a", "b", "c"), iou)


numbers = st.integers(0, 12).map(lambda n: 10.0 * n)
box = st.tuples(numbers, numbers, st.integers(1, 8), st.integers(1, 8)).map(
    lambda b: (b[0], b[1], b[0] + 10.0 * b[2], b[1] + 10.0 * b[3])
)
# No two scores of one photo are the same: which of them comes first would be a matter of taste.
found_rows = st.lists(st.tuples(box, st.integers(0, 2), st.integers(0, 1000)), max_size=8, unique_by=lambda row: row[2])
photos = st.lists(
    st.tuples(st.lists(st.tuples(box, st.integers(0, 2)), max_size=5), found_rows).map(
        lambda rows: ScoredPhoto(garments(*rows[0]), garments(*((b, c, s / 1000) for b, c, s in rows[1])))
    ),
    min_size=1,
    max_size=4,
)


def one_to_one(photo: ScoredPhoto, iou: float) -> list[tuple[float, bool, int]]:
    """Score, whether it is right, and category, written as the definition says it."""
    free = list(range(len(photo.true)))
    answers = []
    for i in sorted(range(len(photo.found)), key=lambda i: -photo.found.score[i]):
        shares = overlaps(photo.found.boxes[i : i + 1], photo.true.boxes)[0]
        fitting = [j for j in free if photo.true.category[j] == photo.found.category[i] and shares[j] >= iou]
        # Of boxes that are overlapped alike COCO takes the last.
        best = max(fitting, key=lambda j: (shares[j], j), default=None)
        if best is not None:
            free.remove(best)
        answers.append((float(photo.found.score[i]), best is not None, int(photo.found.category[i])))
    return answers


@settings(max_examples=60)
@given(photos)
def test_ap_is_what_the_definition_says(photos):
    got = average_precision(photos, 3)
    for category in range(3):
        true = sum(int((photo.true.category == category).sum()) for photo in photos)
        by_iou = []
        for iou in np.linspace(0.5, 0.95, 10):
            answers = [answer for photo in photos for answer in one_to_one(photo, iou - 1e-9) if answer[2] == category]
            right = np.array([hit for _, hit, _ in sorted(answers, key=lambda answer: -answer[0])], float)
            if not true:
                by_iou.append(NAN)
                continue
            precision, recall = right.cumsum() / np.arange(1, len(right) + 1), right.cumsum() / true
            points = [precision[recall >= r - 1e-9].max(initial=0) for r in np.linspace(0, 1, 101)]
            by_iou.append(np.mean(points))
        for value, expected in ((got.ap, np.mean(by_iou)), (got.ap50, by_iou[0]), (got.ap75, by_iou[5])):
            assert value[category] == pytest.approx(expected, abs=1e-9, nan_ok=True)


@settings(max_examples=60)
@given(photos)
def test_pairs_are_those_of_coco(photos):
    """The library counts as many garments found at IoU 0.5 as there are pairs; each true one is in one pair at most."""
    from pycocotools.cocoeval import COCOeval

    from aifashion.eval import detection_metrics

    score = score_detections(photos, ("a", "b", "c"))
    for photo in photos:
        partner = pairs(photo.found, photo.true, 0.5)
        taken = partner[partner >= 0]
        assert len(set(taken.tolist())) == len(taken)
        assert (photo.true.category[taken] == photo.found.category[partner >= 0]).all()
    rows = {
        side: [
            (
                i,
                getattr(p, side).boxes[j],
                int(getattr(p, side).category[j]),
                {"iscrowd": 0, "score": float(getattr(p, side).score[j])},
            )
            for i, p in enumerate(photos)
            for j in range(len(getattr(p, side)))
        ]
        for side in ("true", "found")
    }
    with redirect_stdout(StringIO()):
        sides = [detection_metrics._coco(rows[side], len(photos), 3) for side in ("true", "found")]
        evaluation = COCOeval(*sides, "bbox")
        evaluation.params.iouThrs = np.array([0.5])
        evaluation.evaluate()
        evaluation.accumulate()
    recall = evaluation.eval["recall"][0, :, 0, -1]
    for c, rates in enumerate(score.per_category):
        assert recall[c] == pytest.approx(rates.recall if rates.true else -1)
    assert score.confusion.sum() == score.rates.true


def printed(score: DetectionScore) -> list[str]:
    console = Console(file=StringIO(), width=120, color_system=None)
    print_detection_score(score, console)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("│")[1:-1]]


def test_the_tables():
    """Of the dress, wrong and then right, precision at a recall of 1 is 1/2, and nowhere higher."""
    photo = ScoredPhoto(garments((A, 0), (B, 1)), garments((A, 1, 0.9), (B, 1, 0.8)), size=(400, 400))
    score = score_detections([photo], ("skirt", "dress", "hat"))
    lines = printed(score)
    assert lines[0] == (
        "AP 0.2500  AP50 0.2500  AP75 0.2500  AR 0.5000  over 2 garments of 1 photos (higher is better)"
    )
    assert lines[1] == (
        "at IoU 0.5: 50.0% of the garments are found, 50.0% of the 2 detected ones are true, 1.00 false alarms a photo"
    )
    assert lines[2] == "of 2 garments whose box takes over 5% of the photo, 50.0% are found"
    assert lines[3] == "the scores as probabilities: ECE 0.5500 (lower is better)"
    rows = [cells(line) for line in lines if line.startswith("│")]
    assert rows == [
        ["skirt", "0.0000", "0.0000", "0.0000", "0.0000"],
        ["dress", "0.5000", "0.5000", "0.5000", "1.0000"],
        ["skirt", "0.0%", "n/a", "1", "0"],
        ["dress", "100.0%", "50.0%", "1", "2"],
        ["skirt", "", "1", ""],
        ["dress", "", "1", ""],
    ]


def test_the_picture(tmp_path):
    photo = ScoredPhoto(garments((A, 0), (B, 1)), garments((A, 1, 0.9), (B, 1, 0.8)))
    for has_scores in (True, False):
        score = score_detections([photo], ("skirt", "dress"), has_scores=has_scores)
        draw_detection_score(score, tmp_path / "score.png")
        assert (tmp_path / "score.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="xyz"):
        draw_detection_score(score, tmp_path / "score.xyz")
