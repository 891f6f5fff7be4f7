import json

import numpy as np
import pytest

from aifashion.data_gen.formats.problems import FormatError
from aifashion.eval.product_metrics import score_classes, score_product_files


def test_mean_class_error_weighs_every_class_alike():
    true = np.array([0, 0, 0, 0, 2, 2, 4])
    predicted = np.array([0, 0, 0, 1, 2, 1, 4])
    score = score_classes(predicted, true, 6)
    assert score.mean_class_error == pytest.approx((1 / 4 + 1 / 2 + 0) / 3)
    assert score.accuracy == pytest.approx(5 / 7)
    assert (score.images, score.classes, score.absent) == (7, 3, 3)


def test_nothing_to_score_has_no_score():
    empty = np.empty(0, int)
    facts = score_classes(empty, empty, 3).to_json()
    assert json.loads(json.dumps(facts, allow_nan=False)) == {
        "mean_class_error": None, "accuracy": None, "images": 0, "classes": 0, "absent": 3
    }  # fmt: skip


def test_files_are_matched_by_path(tmp_path):
    truth, predicted = tmp_path / "val.txt", tmp_path / "submission.txt"
    truth.write_text("a b.jpg 3\nc.jpg 3\nd.jpg 1\n")
    predicted.write_text("d.jpg 1\nc.jpg 7\na b.jpg 3\n")
    score = score_product_files(truth, predicted)
    assert score.mean_class_error == pytest.approx((1 / 2 + 0) / 2) and score.accuracy == pytest.approx(2 / 3)
    predicted.write_text("d.jpg 1\nc.jpg 7\ne.jpg 3\n")
    with pytest.raises(FormatError) as caught:
        score_product_files(truth, predicted)
    assert f"{truth}:1: 'a b.jpg' has no row in {predicted}" in str(caught.value)
    assert f"{predicted}:3: 'e.jpg' has no row in {truth}" in str(caught.value)


def test_many_missing_rows_are_counted(tmp_path):
    truth, predicted = tmp_path / "val.txt", tmp_path / "submission.txt"
    truth.write_text("".join(f"{number}.jpg 1\n" for number in range(300)))
    predicted.write_text("0.jpg 1\n")
    with pytest.raises(FormatError) as caught:
        score_product_files(truth, predicted)
    assert str(caught.value.problems[-1]) == f"{truth}: 199 more paths likewise"
