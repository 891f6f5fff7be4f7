"""The whole way with a vocabulary that is not FashionAI's: 13 categories and 294 landmarks, on a tiny COCO set."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aifashion.data_gen.formats.coco_writing import coco_from_samples
from aifashion.data_gen.keypoint_batches import keypoint_batches
from aifashion.data_gen.keypoint_sets import load_training_parts
from aifashion.records import Keypoints, Sample
from aifashion.serve.artifact import Manifest
from aifashion.top import demo, evaluate, export, predict, score, test, train
from aifashion.unet.runs import read_keypoint_config
from aifashion.vocabulary import load_vocabulary, read_vocabulary

DF2 = load_vocabulary("deepfashion2")
SIZE = (80, 96)


def draw_set(folder: Path, file: str, count: int, seed: int) -> None:
    """Noisy photos with a garment each, of the categories in turn, and a COCO file of them."""
    rng = np.random.default_rng(seed)
    samples = []
    for number in range(count):
        category = DF2.categories[number % len(DF2.categories)]
        name = f"{file.removesuffix('.json')}/{number:03d}.png"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (6, 5, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize(SIZE, Image.Resampling.BILINEAR).save(folder / name)
        state = np.where(DF2.mask(category), rng.integers(0, 2, 294), -1)
        xy = np.where(state[:, None] < 0, -1, rng.uniform(8, 72, (294, 2)).round(2))
        samples.append(Sample(name, folder / name, category, Keypoints(xy, state)))
    (folder / file).write_text(json.dumps(coco_from_samples(samples, [SIZE] * count, DF2)))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deepfashion2")
    for seed, (file, count) in enumerate((("train.json", 26), ("val.json", 13), ("test.json", 13))):
        draw_set(folder, file, count, seed)
    return folder


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs")
    options = [
        "--vocabulary",
        "deepfashion2",
        "--network",
        "lite",
        "--size",
        "64",
        "--batch-size",
        "13",
        "--epochs",
        "1",
    ]
    train.main([*options, "--data", str(photos), "--out", str(out)])
    (found,) = (out / "all").iterdir()
    return found


def test_masks_and_flips_are_those_of_the_vocabulary(photos: Path, run: Path):
    config = read_keypoint_config(run)
    assert config.vocabulary == DF2
    samples, _ = load_training_parts(photos, config)
    batch = next(keypoint_batches(samples, config, epoch=0))
    for index, mask, labelled in zip(batch["index"], batch["mask"], batch["labelled"], strict=True):
        assert mask.astype(bool).tolist() == DF2.mask(str(samples[index].category)).tolist()
        # Mirrored or not, a label never leaves the garment's category.
        assert not labelled[~mask.astype(bool)].any()


def test_the_run_and_the_artifact_carry_their_vocabulary(photos: Path, run: Path, tmp_path: Path):
    assert read_vocabulary(run / "vocabulary.json") == DF2
    export.main([str(run), "--out", str(tmp_path / "artifact"), "--data", str(photos)])
    manifest = Manifest.read(tmp_path / "artifact")
    assert manifest.vocabulary == DF2 and manifest.inputs["padding"] == [124, 116, 104]
    predict.main([str(photos / "test"), "--model", str(tmp_path / "artifact"), "--out", str(tmp_path / "table.csv")])
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 13
    for row in rows:
        category = DF2.definitions[DF2.category_index(row["category"])]
        given = {name.removesuffix("_x") for name, value in row.items() if name.endswith("_x") and value}
        assert given == set(category.keypoints)


def test_the_validation_gives_an_ne_by_the_diagonal(photos: Path, run: Path, tmp_path: Path):
    evaluate.main([str(run), "--data", str(photos), "--json", str(tmp_path / "numbers.json")])
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    assert 0 < numbers["ne"] < 2 and {f"ne_{category}" for category in DF2.categories} <= set(numbers)


def test_a_submission_is_a_list_of_coco_results_that_can_be_scored(photos: Path, run: Path, tmp_path: Path):
    test.main(["--model", str(run), "--data", str(photos), "--out", str(tmp_path), "--augment"])
    results = json.loads((tmp_path / "submission.json").read_text())
    truth = json.loads((photos / "test.json").read_text())
    assert [r["image_id"] for r in results] == [a["image_id"] for a in truth["annotations"]]
    for result, annotation in zip(results, truth["annotations"], strict=True):
        assert result["category_id"] == annotation["category_id"] and len(result["keypoints"]) == 3 * 294
        present = np.reshape(result["keypoints"], (294, 3))[:, 2] > 0
        assert present.tolist() == DF2.mask(DF2.categories[result["category_id"] - 1]).tolist()
    files = ["--truth", str(photos / "test.json"), "--predicted", str(tmp_path / "submission.json")]
    score.keypoints([*files, "--vocabulary", "deepfashion2", "--json", str(tmp_path / "score.json")])
    scored = json.loads((tmp_path / "score.json").read_text())
    assert scored["garments"] == 13 and scored["ne"] > 0


def test_it_is_drawn(photos: Path, run: Path, tmp_path: Path):
    demo.main([str(photos / "test" / "000.png"), "--model", str(run), "--out", str(tmp_path)])
    picture = np.asarray(Image.open(tmp_path / "000.jpg"))
    assert picture.ndim == 3 and picture.std() > 10


def test_a_data_set_of_another_vocabulary_is_refused_by_name(
    photos: Path, run: Path, own_data: Path, fails, tmp_path: Path
):
    error = fails(train.main, "--data", photos, "--network", "lite", "--size", "64", "--out", tmp_path / "runs")
    assert "categories" in error and "short_sleeve_top" in error and "--vocabulary" in error
    error = fails(evaluate.main, run, "--data", own_data)
    assert "FashionAI" in error and "short_sleeve_top" in error
    assert not (tmp_path / "runs").exists()
