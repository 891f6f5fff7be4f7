import csv
import json
from pathlib import Path

import cv2
import pytest

from aifashion.top import evaluate


def test_only_runs_are_evaluated(tmp_path, fails):
    assert "no run in " in fails(evaluate.main, tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"kind": "weather"}))
    error = fails(evaluate.main, tmp_path, "--pictures", tmp_path / "pictures")
    assert "a run of kind 'weather'; expected keypoints or attributes" in error
    assert not (tmp_path / "pictures").exists()


@pytest.mark.slow
def test_a_keypoint_run_scores_as_it_did_in_training(all_run, data, tmp_path):
    pictures = tmp_path / "pictures"
    words = ["--data", str(data), "--json", str(tmp_path / "score.json"), "--pictures", str(pictures)]
    evaluate.main([str(all_run), *words])
    numbers = json.loads((tmp_path / "score.json").read_text())
    with (Path(all_run) / "history.csv").open(newline="") as file:
        best = min(csv.DictReader(file), key=lambda row: float(row["score"]))
    before, after = numbers.pop("ece_visible_before"), numbers.pop("ece_visible_after")
    assert 0 <= after < before  # fitted on these very photos
    for name, value in numbers.items():
        assert value == pytest.approx(float(best[name]), nan_ok=True, abs=1e-6)
    assert {path.name for path in pictures.iterdir()} == {"score.png", "reliability.png"}
    assert all(cv2.imread(str(path)) is not None for path in pictures.iterdir())
