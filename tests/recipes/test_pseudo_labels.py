from pathlib import Path

import numpy as np
import pseudo_labels
import pytest
from PIL import Image
from pseudo_labels import PseudoArguments, label_photos, pseudo_labelled

from aifashion.data_gen.formats.challenges import FASHIONAI, KEYPOINTS
from aifashion.data_gen.formats.fashionai import load_training_samples, write_keypoint_csv
from aifashion.data_gen.split import load_or_make_split, write_split
from aifashion.eval.inference import PhotoResult
from aifashion.records import ABSENT, HIDDEN, VISIBLE, Keypoints, Prediction, Sample

SKIRT = [KEYPOINTS.index(f"{part}_{side}") for part in ("waistband", "hemline") for side in ("left", "right")]
CORNERS = np.array([[10, 20], [50, 20], [5, 80], [55, 80]], float)


def result(path: Path, scores: list[float], state: int = VISIBLE, found: bool = True) -> PhotoResult:
    """A skirt with these scores of its keypoints."""
    xy, states, score = np.full((24, 2), -1.0), np.full(24, ABSENT), np.zeros(24, np.float32)
    xy[SKIRT], states[SKIRT], score[SKIRT] = CORNERS, state, scores
    prediction = Prediction(path.name, "skirt", None, xy, score, states, None, found)
    return PhotoResult(Sample(path.name, path, "skirt"), prediction, size=(60, 100))


def labelled(*results: PhotoResult) -> list[list[int]]:
    """The states of the skirts' keypoints in the photos that are kept."""
    return [s.keypoints.state[SKIRT].tolist() for s in pseudo_labelled(results) if s.keypoints is not None]


def test_only_photos_with_enough_sure_keypoints_are_labelled():
    path = Path("a.png")
    assert labelled(result(path, [0.9, 0.36, 0.5, 0.7])) == [[VISIBLE] * 4]
    assert labelled(result(path, [0.9] * 4, HIDDEN)) == [[HIDDEN] * 4]
    assert labelled(result(path, [0.9, 0.9, 0.9, 0.3])) == []  # four at least
    assert labelled(result(path, [0.9] * 4, found=False), PhotoResult(Sample("b", path, "skirt"))) == []


def test_keypoints_that_the_network_is_not_sure_of_stay_unlabelled():
    of = np.flatnonzero(FASHIONAI.mask("blouse"))  # 13 keypoints, of which ten are three quarters
    for sure, kept in ((13, True), (10, True), (9, False)):
        xy, state, score = np.full((24, 2), -1.0), np.full(24, ABSENT), np.zeros(24, np.float32)
        xy[of], state[of], score[of[:sure]] = 30, VISIBLE, 0.9
        one = PhotoResult(
            Sample("a", Path("a"), "blouse"), Prediction("a", "blouse", None, xy, score, state, None, True)
        )
        found = list(pseudo_labelled([one]))
        assert bool(found) == kept
        if found and found[0].keypoints is not None:
            assert np.flatnonzero(found[0].keypoints.state == VISIBLE).tolist() == of[:sure].tolist()


@pytest.fixture
def laid(tmp_path) -> Path:
    """Photos a to e to train on, f to validate on: a is annotated, b shows a hat, the rest are skirts of which only the
    category is known."""
    samples = []
    for name in "abcdef":
        path = tmp_path / "laid" / "train" / "Images" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((100, 60, 3), 90, np.uint8)).save(path)
        state, xy = np.full(24, ABSENT), np.full((24, 2), -1.0)
        if name == "a":
            state[SKIRT], xy[SKIRT] = VISIBLE, CORNERS
        category = "none" if name == "b" else "skirt"
        samples.append(Sample(f"Images/{name}.png", path, category, Keypoints(xy, state)))
    (tmp_path / "laid" / "train" / "Annotations").mkdir()
    write_keypoint_csv(tmp_path / "laid" / "train" / "Annotations" / "train.csv", samples, decimals=1)
    write_split(tmp_path / "laid", (samples[:5], samples[5:]))
    return tmp_path / "laid"


class Model:
    """Is sure of the skirts in all photos but d."""

    run = Path("runs/first")

    def predict(self, samples: list[Sample], batch: int) -> list[PhotoResult]:
        assert all(sample.category == "skirt" and sample.keypoints is None for sample in samples)
        return [result(s.path, [0.1 if s.path.stem == "d" else 0.9] * 4) for s in samples]


def test_a_training_set_of_the_photos_to_train_on(laid, tmp_path, monkeypatch, capsys):
    asked = {}
    monkeypatch.setattr(pseudo_labels, "load_keypoint_model", lambda path, **views: asked.update(views) or Model())
    label_photos(PseudoArguments(laid, tmp_path / "run", tmp_path / "out"))
    assert asked == {"augment": True, "scales": (0.8, 1.25)}
    assert "Labelled 2 of 3 photographs" in capsys.readouterr().out
    train, val = load_or_make_split(tmp_path / "out", load_training_samples(tmp_path / "out"))
    assert sorted(Path(sample.image_id).stem for sample in (*train, *val)) == ["c", "e"]
    for sample in (*train, *val):
        assert sample.category == "skirt" and sample.keypoints is not None and sample.path.is_file()
        np.testing.assert_array_equal(sample.keypoints.xy[SKIRT], CORNERS)


def test_too_few_photos_are_said(laid, tmp_path, monkeypatch):
    class Unsure(Model):
        def predict(self, samples: list[Sample], batch: int) -> list[PhotoResult]:
            return [result(s.path, [0.1] * 4) for s in samples]

    monkeypatch.setattr(pseudo_labels, "load_keypoint_model", lambda path, **views: Unsure())
    with pytest.raises(ValueError, match=r"is sure of 0 of 3 photographs in .*laid: expected at least two"):
        label_photos(PseudoArguments(laid, tmp_path / "run", tmp_path / "out"))
    assert not (tmp_path / "out").exists()
