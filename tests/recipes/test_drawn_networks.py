import json
import sys
import typing
from dataclasses import replace
from pathlib import Path

import drawn_networks
import pytest
from drawn_networks import (
    MADE,
    MakeArguments,
    Phase,
    Step,
    claimed,
    made_by,
    part_of,
    run_step,
    steps,
    train_precision,
)
from pretended import made_now, value, written

from aifashion.serve.artifact import MANIFEST, Manifest, Numbers
from aifashion.serve.shipped import CARD, SHIPPED, WEIGHTS
from aifashion.top import crop_commands, data_commands, evaluate, export, predict, score, test_attributes
from aifashion.top import test as test_command
from aifashion.top import train_attributes as train_attributes_command

FLOAT32, BFLOAT16, _ = typing.get_args(Numbers)


def made(args: MakeArguments) -> list[Step]:
    return made_now(steps(args))


def test_each_phase_goes_on_from_the_best_model_of_the_one_before(tmp_path):
    asked = steps(MakeArguments(work=tmp_path, count=7, test_count=2, precision="float32", epochs=0.5))
    draw = next(asked)
    assert draw.function == data_commands.synth and value(draw.options, "--count") == "7"
    first = next(asked)
    assert "--load" not in first.options and value(first.options, "--size") == "128"
    assert value(first.options, "--epochs") == "2"  # half of three
    run = tmp_path / "runs" / "keypoints_0_128" / "all" / "2026_01_01_00_00_00"
    written(run / "config.json")
    written(run / "best.json", json.dumps({"file": "epoch_002.weights.h5"}))
    second = next(asked)
    assert value(second.options, "--load") == str(run / "models" / "epoch_002.weights.h5")
    assert value(second.options, "--size") == "192" and value(second.options, "--learning-rate") == "0.001"


def test_what_made_them_is_the_command():
    args = MakeArguments(count=7, seed=2)
    assert made_by(args) == ["python recipes/drawn_networks.py --count 7 --seed 2 --epochs 1"]


def test_a_phase_that_has_begun_goes_on_and_one_that_is_calibrated_is_done(tmp_path):
    run = tmp_path / "runs" / "keypoints_0_128" / "all" / "2026_01_01_00_00_00"
    written(run / "states" / "index.json")

    def phase() -> Step:
        asked = steps(MakeArguments(work=tmp_path, precision="float32"))
        next(asked)
        return next(asked)

    assert "--resume" in phase().options and phase().done is None
    calibration = written(run / "calibration.json")
    assert phase().done == calibration


def test_a_step_that_fails_ends_the_recipe(tmp_path, capfd):
    step = Step(score.keypoints, ("--truth", "none.csv", "--predicted", "none.csv"), tmp_path, "x")
    with pytest.raises(ValueError, match=r"score\.keypoints ended with 1; correct what it says"):
        run_step(step)
    assert "none.csv" in capfd.readouterr().err


def test_a_step_that_ends_well_has_to_leave_its_last_file(tmp_path):
    step = Step(len, (), tmp_path, "*/label.csv")
    with pytest.raises(ValueError, match=r"len ended well without its last file, .*label\.csv; see what it says"):
        run_step(step)
    written(tmp_path / "base" / "label.csv")
    run_step(step)


def test_a_step_is_done_once_its_last_file_is_there(tmp_path):
    args = MakeArguments(work=tmp_path, precision="float32")
    draw, *_, last = every = made(args)
    assert made(args) == [] and all(step.done for step in every)
    assert draw.function == data_commands.synth and last.function == evaluate.main
    # Labels and questions are written before the answers, of photos as of crops.
    (crop,) = (step for step in every if step.function == crop_commands.crop)
    for step in (draw, crop):
        written(step.folder / "base" / "Annotations" / "label.csv")
        written(step.folder / "rank" / "Tests" / "question.csv")
        (step.folder / "fashionAI_attributes_answer_a_synthetic.csv").unlink()
    assert made(args) == [draw, crop]


def test_with_other_numbers_what_depends_on_the_artifact_is_made_anew(tmp_path):
    args = MakeArguments(work=tmp_path, precision="float32")
    made(args)
    exported, *others = made(replace(args, attribute_precision=BFLOAT16))
    assert exported.function == export.main and value(exported.options, "--precision") == BFLOAT16
    called = {step.function for step in others}
    scoring = {score.keypoints, score.attributes, evaluate.main}
    assert called == scoring | {test_command.main, predict.main, test_attributes.main}
    classifiers = {value(step.options, "--attributes") for step in others if step.function == predict.main}
    assert classifiers == {str(exported.folder)}
    exported, crop, *others = made(replace(args, keypoint_precision=FLOAT32))
    assert exported.function == export.main and crop.function == crop_commands.crop
    assert value(crop.options, "--model") == str(exported.folder)
    trained = [step for step in others if step.function == train_attributes_command.main]
    assert len(trained) == 4 and {value(step.options, "--data") for step in trained} == {str(crop.folder)}
    assert made(args) == []  # nothing of the first is lost


def test_an_artifact_of_a_run_that_was_trained_again_is_refused(tmp_path):
    args = MakeArguments(work=tmp_path, precision="float32")
    made(args)
    part = part_of(args, "keypoints")
    assert part.weights == part.run / "models" / "best.weights.h5" and (part.artifact / MANIFEST).is_file()
    again = part.run.with_name("zz_later")
    written(again / "config.json")
    written(again / "best.json", json.dumps({"file": "best.weights.h5"}))
    with pytest.raises(
        ValueError, match=rf"exported from the run {part.run.name}, .*zz_later: delete .*keypoints_int8, "
    ):
        made(args)


def test_other_photographs_are_scored_anew(tmp_path):
    def scored(real: Path) -> list[Path]:
        args = MakeArguments(work=tmp_path / "work", precision="float32", real=real)
        return [step.folder for step in made(args) if "_real_" in step.folder.name]

    for name in ("test.csv", "answers.csv", "label.csv"):
        written(tmp_path / "one" / name, "image_id")
        written(tmp_path / "other" / name, "image_id\na.jpg")
    one, other = scored(tmp_path / "one"), scored(tmp_path / "other")
    assert len(set(one)) == len(set(other)) == 3 and not set(one) & set(other)
    assert scored(tmp_path / "one") == []


def test_a_folder_of_another_recipe_is_refused(tmp_path, monkeypatch):
    args = MakeArguments(work=tmp_path / "work", precision="float32")
    assert claimed(args) == claimed(args) == args
    claimed(replace(args, keypoint_precision=BFLOAT16, attribute_precision="int8"))  # these are no part of the claim
    with monkeypatch.context() as other:
        other.setattr(drawn_networks, "KEYPOINT_PHASES", (Phase(128, 3, 2e-3),))
        with pytest.raises(
            FileExistsError, match=r"keypoint_phases 128 px for 3 epochs at 0\.002 then 192 .*, not 128 px"
        ):
            claimed(args)
    with monkeypatch.context() as other:
        other.setattr(drawn_networks, "ATTRIBUTE_OPTIONS", ("--network", "lite"))
        with pytest.raises(FileExistsError, match=r"attribute_options --task all .*, not --network lite;"):
            claimed(args)
    with monkeypatch.context() as other:
        other.setattr(drawn_networks, "PHOTO_OPTIONS", ("--size", "320"))
        with pytest.raises(FileExistsError, match=r"photo_options --size 256 --labels all, not --size 320;"):
            claimed(args)


def test_a_folder_goes_on_in_the_precision_that_it_began_with(tmp_path, monkeypatch):
    args = MakeArguments(work=tmp_path / "work")
    monkeypatch.setattr(drawn_networks, "train_precision", lambda asked: "float32" if asked == "auto" else asked)
    assert claimed(args).precision == "float32"
    monkeypatch.setattr(drawn_networks, "train_precision", lambda asked: "bfloat16" if asked == "auto" else asked)
    assert claimed(args).precision == "float32"
    assert claimed(replace(args, work=tmp_path / "new")).precision == "bfloat16"
    with pytest.raises(FileExistsError, match="begun with precision float32, not bfloat16"):
        claimed(replace(args, precision="bfloat16"))


def test_where_an_export_fails_the_error_names_the_option_to_change(tmp_path):
    steps_made = made(MakeArguments(work=tmp_path, precision="float32"))
    exports = [step for step in steps_made if step.function == export.main]
    for step, option in zip(exports, ("--keypoint-precision", "--attribute-precision"), strict=True):
        with pytest.raises(ValueError, match=rf"its --precision is {option} here\) and run the recipe again"):
            run_step(replace(step, function=sys.exit))


def test_what_cannot_be_made(fails, tmp_path, monkeypatch):
    monkeypatch.setattr(drawn_networks, "run_step", None)  # so that a check that fails to refuse draws no photos

    def make(*words: object) -> str:
        return fails(drawn_networks.main, "--work", tmp_path / "work", *words)

    assert "--epochs must be a multiple above 0, not 0.0" in make("--epochs", 0)
    assert "--test-count must be at least 1, not 0: the cards have the scores" in make("--test-count", 0)
    written(tmp_path / "real" / "test.csv")
    assert "has no answers.csv, label.csv: annotated" in make("--real", tmp_path / "real")
    written(tmp_path / "other" / "mine.txt")
    assert "holds other things (mine.txt); choose another --out" in make("--out", tmp_path / "other")
    assert "the networks that ship are made by photograph_networks.py; choose another" in make("--out", SHIPPED)
    written(tmp_path / "networks" / "attributes" / "mine.txt")
    assert "attributes holds other things than an artifact: choose another --out" in make(
        "--out", tmp_path / "networks"
    )
    assert not (tmp_path / "work").exists()
    claimed(MakeArguments(work=tmp_path / "work", count=9, precision="float32"))
    assert "was begun with count 9, not 40000; give the same" in make("--out", tmp_path / "out")


def test_bfloat16_is_for_processors_with_matrix_units(tmp_path):
    able = written(tmp_path / "able", "flags : fpu avx512_bf16 amx_bf16 amx_tile")
    unable = written(tmp_path / "unable", "flags : fpu avx512_bf16")
    assert train_precision("auto", able) == "bfloat16"
    assert train_precision("auto", unable) == train_precision("auto", tmp_path / "none") == "float32"
    assert train_precision("bfloat16", unable) == "bfloat16"


def test_what_a_call_that_was_cut_short_left_is_no_obstacle(fails, tmp_path):
    (tmp_path / "out" / ".keypoints").mkdir(parents=True)
    (tmp_path / "work").mkdir()
    written(tmp_path / "work" / "mine.txt")
    error = fails(drawn_networks.main, "--work", tmp_path / "work", "--out", tmp_path / "out")
    assert f"{tmp_path / 'work'} holds other things (mine.txt)" in error


@pytest.mark.slow
def test_the_whole_recipe_on_little(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(drawn_networks, "KEYPOINT_PHASES", (Phase(64, 1, 1e-3), Phase(96, 1, 1e-3)))
    monkeypatch.setattr(drawn_networks, "ATTRIBUTE_PHASES", (Phase(32, 1, 1e-3), Phase(64, 1, 1e-3)))
    # A network that has learnt so little may differ by anything when it is quantised.
    words = ["--work", str(tmp_path / "work"), "--out", str(tmp_path / "networks"), "--keypoint-precision", FLOAT32]
    words += ["--count", "60", "--test-count", "10", "--precision", "float32"]
    drawn_networks.main(words)
    assert "Wrote the networks to" in capfd.readouterr().out
    for stage, size in zip(MADE, (96, 64), strict=True):
        manifest = Manifest.read(tmp_path / "networks" / stage)
        assert (manifest.stage, manifest.config["size"]) == (stage, size) and {WEIGHTS, CARD} < set(manifest.files)
        card = (tmp_path / "networks" / stage / CARD).read_text(encoding="utf-8")
        assert "python recipes/drawn_networks.py --count 60 --seed 1 --epochs 1" in card and "| all | " in card
    scored = (
        tmp_path / "work" / f"keypoints_{FLOAT32}" / f"attributes_{FLOAT32}" / "scores" / "validation_keypoints.json"
    )
    scored.write_text(json.dumps(json.loads(scored.read_text()) | {"ne": 0.5, "category_accuracy": 0.25}))
    monkeypatch.chdir(tmp_path)  # the same folders by other names
    drawn_networks.main([word.replace(f"{tmp_path}/", "") for word in words])
    assert "NE 50.00%, category right of 25.00%" in (tmp_path / "networks" / "keypoints" / CARD).read_text(
        encoding="utf-8"
    )
    assert "> train" not in capfd.readouterr().out
    assert Manifest.read(tmp_path / "networks" / "keypoints").files
