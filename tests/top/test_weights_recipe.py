import json
from dataclasses import replace
from pathlib import Path

import pytest

from aifashion.serve.artifact import Manifest
from aifashion.serve.shipped import CARD, STAGES, WEIGHTS
from aifashion.top import weights_recipe
from aifashion.top.weights_recipe import (
    START_FILE,
    MakeArguments,
    Phase,
    Step,
    made_by,
    phases_from,
    run_step,
    steps,
    train_precision,
)


def written(path: Path, text: str = "{}") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def value(words: tuple, name: str) -> str:
    return str(words[words.index(name) + 1])


def test_each_phase_goes_on_from_the_best_model_of_the_one_before(tmp_path):
    asked = steps(MakeArguments(work=tmp_path, count=7, test_count=2, precision="float32", epochs=0.5))
    draw = next(asked)
    assert draw.words[:2] == ("data", "synth") and value(draw.words, "--count") == "7"
    first = next(asked)
    assert "--resume-model" not in first.words and value(first.words, "--size") == "128"
    assert value(first.words, "--epochs") == "2"  # half of three
    run = tmp_path / "runs" / "keypoints_0_128" / "all" / "2026_01_01_00_00_00"
    written(run / "config.json")
    written(run / "best.json", json.dumps({"file": "epoch_002.weights.h5"}))
    second = next(asked)
    assert value(second.words, "--resume-model") == str(run / "models" / "epoch_002.weights.h5")
    assert value(second.words, "--size") == "192" and value(second.words, "--learning-rate") == "0.001"


def test_trainings_start_from_the_pair_that_ships_where_that_is_asked(tmp_path):
    run = tmp_path / "runs" / "keypoints_1_192" / "all" / "2026_01_01_00_00_00"
    args = MakeArguments(work=tmp_path, count=7, seed=2, start="shipped")
    asked = steps(args)
    next(asked)
    assert value(next(asked).words, "--weights") == "shipped"
    written(run / "config.json")
    written(run / "best.json", json.dumps({"file": "epoch_002.weights.h5"}))
    last = next(asked)
    assert "--weights" not in last.words and value(last.words, "--size") == "256"
    written(tmp_path / START_FILE, json.dumps({"keypoints": ["the first"], "attributes": ["another"]}))
    went_on = "aifashion weights make --count 7 --seed 2 --epochs 1 --start shipped"
    assert made_by(args, "keypoints") == ["the first", went_on]
    assert made_by(replace(args, start="nothing"), "keypoints") == [went_on.removesuffix(" --start shipped")]


def test_a_finished_network_does_without_the_smallest_photos():
    phases = (Phase(96, 3, 1e-3), Phase(128, 4, 1e-3), Phase(160, 2, 1e-3))
    assert [place for place, _ in phases_from("nothing", phases)] == [0, 1, 2]
    assert [(place, phase.size) for place, phase in phases_from("shipped", phases)] == [(1, 128), (2, 160)]
    assert len(phases_from("shipped", (Phase(192, 3, 1e-3), Phase(256, 2, 1e-3)))) == 2  # just three quarters


def test_a_phase_that_has_begun_goes_on_and_one_that_is_calibrated_is_done(tmp_path):
    run = tmp_path / "runs" / "keypoints_0_128" / "all" / "2026_01_01_00_00_00"
    written(run / "states" / "index.json")

    def phase() -> Step:
        asked = steps(MakeArguments(work=tmp_path, precision="float32"))
        next(asked)
        return next(asked)

    assert value(phase().words, "--resume") == "True" and not phase().done.exists()
    written(run / "calibration.json")
    assert phase().done.exists()


def test_a_step_that_fails_ends_the_recipe(tmp_path, capfd):
    with pytest.raises(ValueError, match="aifashion score keypoints ended with 1; mend what it says"):
        run_step(Step(("score", "keypoints", "--truth", "none.csv", "--predicted", "none.csv"), tmp_path / "x"))
    assert "none.csv" in capfd.readouterr().err


def test_what_cannot_be_made(fails, tmp_path):
    def make(*words: object) -> str:
        return fails(weights_recipe.make, "--work", tmp_path / "work", *words)

    assert "--epochs must be a multiple above 0, not 0.0" in make("--epochs", 0)
    written(tmp_path / "real" / "test.csv")
    assert "has no answers.csv, label.csv: annotated" in make("--real", tmp_path / "real")
    written(tmp_path / "other" / "mine.txt")
    assert "holds other things (mine.txt); choose another --out" in make("--out", tmp_path / "other")
    (tmp_path / "work").mkdir()
    facts = {"count": 9, "test_count": 2000, "seed": 1, "epochs": 1.0, "precision": "auto"}
    facts |= {"keypoint_numbers": "bf16", "attribute_numbers": "f32"}
    written(tmp_path / "work" / "recipe.json", json.dumps(facts))
    assert "was begun with count 9, not 40000, keypoint_numbers bf16, not int8" in make("--out", tmp_path / "out")


def test_bfloat16_is_for_processors_with_matrix_units(tmp_path):
    able = written(tmp_path / "able", "flags : fpu avx512_bf16 amx_bf16 amx_tile")
    unable = written(tmp_path / "unable", "flags : fpu avx512_bf16")
    assert train_precision("auto", able) == "mixed_bfloat16"
    assert train_precision("auto", unable) == train_precision("auto", tmp_path / "none") == "float32"
    assert train_precision("mixed_bfloat16", unable) == "mixed_bfloat16"


def test_what_a_call_that_was_cut_short_left_is_no_obstacle(fails, tmp_path):
    (tmp_path / "out" / ".keypoints").mkdir(parents=True)
    (tmp_path / "work").mkdir()
    written(tmp_path / "work" / "mine.txt")
    error = fails(weights_recipe.make, "--work", tmp_path / "work", "--out", tmp_path / "out")
    assert f"{tmp_path / 'work'} holds other things (mine.txt)" in error


@pytest.mark.slow
def test_the_whole_recipe_on_little(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(weights_recipe, "KEYPOINT_PHASES", (Phase(64, 1, 1e-3), Phase(96, 1, 1e-3)))
    monkeypatch.setattr(weights_recipe, "ATTRIBUTE_PHASES", (Phase(32, 1, 1e-3), Phase(64, 1, 1e-3)))
    # A network that has learnt so little may differ by anything when it is quantised.
    words = ["--work", str(tmp_path / "work"), "--out", str(tmp_path / "pair"), "--keypoint-numbers", "f32"]
    words += ["--count", "60", "--test-count", "10", "--precision", "float32"]
    weights_recipe.make(words)
    assert "Wrote the pair to" in capfd.readouterr().out
    for stage, size in zip(STAGES, (96, 64), strict=True):
        manifest = Manifest.read(tmp_path / "pair" / stage)
        assert (manifest.stage, manifest.config["size"]) == (stage, size) and {WEIGHTS, CARD} < set(manifest.files)
        card = (tmp_path / "pair" / stage / CARD).read_text(encoding="utf-8")
        assert "aifashion weights make --count 60 --seed 1 --epochs 1" in card and "| all | " in card
    told = tmp_path / "work" / "scores" / "validation_keypoints.json"
    told.write_text(json.dumps(json.loads(told.read_text()) | {"ne": 0.5, "category_accuracy": 0.25}))
    monkeypatch.chdir(tmp_path)  # the same folders by other names
    weights_recipe.make([word.replace(f"{tmp_path}/", "") for word in words])
    assert "NE 50.00%, category right of 25.00%" in (tmp_path / "pair" / "keypoints" / CARD).read_text(encoding="utf-8")
    assert "> aifashion" not in capfd.readouterr().out
    assert Manifest.read(tmp_path / "pair" / "keypoints").files
