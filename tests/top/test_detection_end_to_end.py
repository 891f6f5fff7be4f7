"""A detector from drawn scenes to garments: trained, resumed, scored, exported, and at work."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from aifashion.boxes import Detections
from aifashion.recognition.detection_model import load_detection_model
from aifashion.serve.artifact import Manifest
from aifashion.serve.shipped import shipped, shipped_weights
from aifashion.top import data_commands, evaluate, export, predict, train_detection
from aifashion.unet import runs

pytestmark = pytest.mark.slow

SMALL = ("--network", "lite", "--size", "64", "--batch-size", "4", "--epochs", "2")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("scenes") / "set"
    counts = ("--count", "8", "--val-count", "4", "--test-count", "3")
    data_commands.synth_scenes(["--out", str(out), *counts, "--size", "96", "--seed", "3"])
    return out


def train(scenes: Path, out: Path, *words: str) -> Path:
    train_detection.main([*SMALL, "--data", str(scenes), "--out", str(out), *words])
    (run,) = (out / "detection" / "all").iterdir()
    return run


@pytest.fixture(scope="module")
def run(scenes, tmp_path_factory) -> Path:
    return train(scenes, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def artifact(scenes, run, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("artifacts") / "float32"
    export.main([str(run), "--out", str(out), "--data", str(scenes)])
    return out


def weights_of(run: Path) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    with h5py.File(sorted((run / "models").glob("*.h5"))[-1]) as file:
        file.visititems(lambda name, item: found.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
    return found


def test_a_training_that_goes_on_ends_with_the_same_bits(scenes, run, tmp_path, monkeypatch):
    """Stopped after its first epoch, as by a kill."""
    saved = runs.save_state

    def stop_after_an_epoch(folder: Path, state: runs.State) -> None:
        saved(folder, state)
        if state.progress["epoch"] == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("aifashion.unet.training.save_state", stop_after_an_epoch)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train(scenes, tmp_path)
    monkeypatch.undo()
    other = train(scenes, tmp_path, "--resume")
    first, second = weights_of(run), weights_of(other)
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert (other / "history.csv").read_text() == (run / "history.csv").read_text()


def test_an_evaluation_has_the_scores_of_the_training_and_a_picture(scenes, run, tmp_path):
    out = tmp_path / "scores.json"
    evaluate.main([str(run), "--data", str(scenes), "--json", str(out), "--pictures", str(tmp_path / "pictures")])
    scores = json.loads(out.read_text())
    assert {"missed", "ap", "ap50_blouse", "threshold", "recall", "precision", "ece"} <= set(scores)
    assert 0 <= scores["ece"] <= 1 and 0 <= scores["recall"] <= 1
    assert (tmp_path / "pictures" / "detection.png").stat().st_size > 1000


def test_an_artifact_finds_what_the_run_finds(run, artifact):
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3)).astype(np.uint8)
    of_run, of_artifact = (load_detection_model(path) for path in (run, artifact))
    assert of_run.calibration == of_artifact.calibration is not None
    for a, b in zip(of_run.detect(image), of_artifact.detect(image), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)


def test_photos_have_a_row_for_each_garment(scenes, artifact, tmp_path, monkeypatch):
    """By an artifact whose threshold is so low that it finds something."""
    low = load_detection_model(artifact)
    boxes = Detections(np.array([[4, 4, 40, 60], [30, 10, 60, 60.0]]), np.array([0, 4]), np.array([0.9, 0.8]))
    targets = low.codec.encode(boxes.boxes, boxes.category, 5)

    def detect(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.stack([targets.heat] * len(images)), np.stack([targets.distances] * len(images))

    found = type(low)(low.run, low.config, detect)
    monkeypatch.setattr("aifashion.recognition.box_sources.load_detection_model", lambda path: found)
    out = tmp_path / "garments.json"
    words = ["--detector", str(artifact), "--garments", "all", "--out", str(out)]
    predict.main([str(scenes / "photos_test"), *words])
    photos = json.loads(out.read_text())
    assert len(photos) == 3
    for photo in photos:
        categories = [garment["category"] for garment in photo["garments"]]
        assert sorted(categories) == ["blouse", "trousers"]


def test_a_lost_file_of_the_run_is_noticed(run, tmp_path, fails):
    other = tmp_path / "run"
    shutil.copytree(run, other, copy_function=os.link)
    (other / "calibration.json").unlink()
    error = fails(evaluate.main, str(other), "--data", str(tmp_path))
    assert "calibration.json is missing, and without it the answers would be others" in error
    assert "aifashion train-detection --resume" in error


def test_a_training_starts_from_the_shipped_detector(scenes, tmp_path):
    words = ["--weights", "shipped", "--batch-size", "4", "--debug", "--data", str(scenes), "--out", str(tmp_path)]
    train_detection.main(words)
    (run,) = (tmp_path / "detection" / "all").iterdir()
    digest = hashlib.sha256(shipped_weights("detection").read_bytes()).hexdigest()
    assert json.loads((run / "start.json").read_text()) == {"weights": "shipped", "sha256": digest}
    trained, config = Manifest.read(shipped("detection")).detection_config, runs.read_detection_config(run)
    assert (config.network, config.size) == (trained.network, trained.size)
