from io import StringIO

import cv2
import numpy as np
import pytest
from rich.console import Console

from aifashion.eval.keypoint_metrics import KeypointScore, score_arrays
from aifashion.eval.report import draw_keypoint_score, print_keypoint_score
from aifashion.vocabulary import load_vocabulary

ALL = load_vocabulary()

SKIRT = ALL.restricted("skirt")


def skirts(visible: bool) -> KeypointScore:
    """Two skirts with a span of 100 and errors of 0, 1, 2 and 30 px; a third without a span."""
    true = np.tile([[0.0, 0], [100, 0], [0, 200], [100, 200]], (3, 1, 1))
    state = np.full((3, 4), int(visible))
    state[2, 0] = -1
    predicted = true + np.array([[0.0, 0], [1, 0], [0, 2], [30, 0]])
    return score_arrays(predicted, true, state, ["skirt"] * 3, SKIRT)


def printed(score: KeypointScore) -> str:
    console = Console(file=StringIO(), width=120, color_system=None)
    print_keypoint_score(score, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_tables_hold_the_numbers_hardest_keypoint_first():
    text = printed(skirts(True))
    assert "NE 8.25% over 8 visible keypoints of 2 garments" in text
    assert "1 of 3 garments skipped" in text
    places = [text.index(name) for name in ("hemline_right", "hemline_left", "waistband_right", "waistband_left")]
    assert places == sorted(places)
    row = next(line for line in text.splitlines() if "hemline_right" in line)
    assert "30.00%" in row and "2" in row


def test_nothing_measured_is_said():
    assert "NE n/a over 0 visible keypoints of 0 garments" in printed(skirts(False))


@pytest.mark.parametrize("visible", [True, False])
def test_picture_is_written_whole(tmp_path, visible):
    path = tmp_path / "score.png"
    draw_keypoint_score(skirts(visible), path)
    picture = cv2.imread(str(path))
    assert picture is not None and min(picture.shape[:2]) > 400
    assert [p.name for p in tmp_path.iterdir()] == ["score.png"]


def test_suffix_chooses_the_format(tmp_path):
    draw_keypoint_score(skirts(True), tmp_path / "score.svg")
    assert b"<svg" in (tmp_path / "score.svg").read_bytes()
    with pytest.raises(ValueError, match="xyz"):
        draw_keypoint_score(skirts(True), tmp_path / "score.xyz")
    assert not (tmp_path / "score.xyz").exists()
