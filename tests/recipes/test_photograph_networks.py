import json
from dataclasses import replace
from pathlib import Path

import photograph_networks
import pytest
from photograph_networks import (
    PhotographArguments,
    attribute_shares,
    claimed,
    keypoint_shares,
    made_by,
    part_of_pair,
    steps,
)
from pretended import made_now, value, written
from steps import START_FILE, Step

from aifashion.serve.artifact import Manifest
from aifashion.serve.shipped import STAGES, shipped
from aifashion.top import crop_commands, data_commands, evaluate, export, predict, score, test_attributes
from aifashion.top import test as test_command
from aifashion.top import train as train_command
from aifashion.top import train_attributes as train_attributes_command


@pytest.fixture
def args(tmp_path, monkeypatch) -> PhotographArguments:
    """Arguments of a recipe whose mixes are not made: only their signs are written."""

    def mix(out: Path, shares: list, seed: int, name: str = "train_split.csv", both: bool = False) -> tuple[int, int]:
        written(out / name)
        return len(shares), seed

    monkeypatch.setattr(photograph_networks, "mix_keypoints", mix)
    monkeypatch.setattr(
        photograph_networks,
        "mix_attributes",
        lambda *given, **named: mix(*given, name="attribute_train_split.csv", **named),
    )
    for name in ("laid", "worn"):
        (tmp_path / name).mkdir()
    return PhotographArguments(
        tmp_path / "laid", tmp_path / "worn", out=tmp_path / "out", work=tmp_path / "work", precision="float32"
    )


def made(args: PhotographArguments) -> list[Step]:
    return made_now(steps(args))


def test_the_steps_and_their_order(args):
    every = made(args)
    draw, laid, worn, keypoints, exported = every[:5]
    assert draw.function == data_commands.synth
    assert laid.function == worn.function == data_commands.photographs
    assert "--category-only" in laid.options and "--category-only" not in worn.options
    assert value(worn.options, "--annotations").endswith("data/street") and value(worn.options, "--source") == str(
        args.worn
    )
    assert keypoints.function == train_command.main and value(keypoints.options, "--weights") == "shipped"
    assert value(keypoints.options, "--data") == str(args.work / "mix") and exported.function == export.main
    crops = [step for step in every if step.function == crop_commands.crop]
    assert {value(step.options, "--model") for step in crops} == {str(exported.folder)} and len(crops) == 2
    (attributes,) = (step for step in every if step.function == train_attributes_command.main)
    assert every.index(attributes) > every.index(crops[-1])
    counts = {function: sum(step.function == function for step in every) for function in {s.function for s in every}}
    assert counts[test_command.main] == counts[score.keypoints] == 6  # drawn, laid and worn, in one pass and in ten
    assert counts[predict.main] == 3 and counts[test_attributes.main] == counts[score.attributes] == 2
    assert counts[evaluate.main] == 2
    assert made(args) == []


def test_a_training_that_was_stopped_goes_on(args):
    run = args.work / "runs" / "keypoints" / "all" / "2026_01_01_00_00_00"
    written(run / "states" / "index.json")
    asked = steps(args)
    step = next(step for step in asked if step.function == train_command.main)
    assert "--resume" in step.options and "--weights" not in step.options


def test_only_the_keypoint_network_is_made_where_that_is_asked(args):
    functions = {step.function for step in made(replace(args, stages="keypoints"))}
    assert train_attributes_command.main not in functions and crop_commands.crop not in functions
    assert score.keypoints in functions


def test_what_is_left_out_of_the_mix(args):
    def names(left_out) -> tuple[list[str], list[str]]:
        chosen = replace(args, leave_out=left_out)
        attributes = attribute_shares(chosen, args.work / "a", args.work / "b")
        return [share.name for share in keypoint_shares(chosen)], [share.name for share in attributes]

    assert names("nothing") == (["laid", "worn", "drawn"], ["laid", "drawn"])
    assert names("worn") == (["laid", "drawn"], ["laid", "drawn"])
    assert names("drawn") == (["laid", "worn"], ["laid"]) and names("laid") == (["worn", "drawn"], ["drawn"])
    assert names("bare") == names("nothing")
    assert [share.bare for share in keypoint_shares(replace(args, leave_out="bare"))] == [0, None, None]


def test_photographs_of_others_are_scored_under_their_digest(args, tmp_path):
    made(args)
    for name in ("test.csv", "answers.csv", "label.csv"):
        written(tmp_path / "real" / name, "image_id")
    added = made(replace(args, real=tmp_path / "real"))
    folders = {step.folder.name.rsplit("_", 1)[0] for step in added if step.function == test_command.main}
    assert len(folders) == 1 and folders.pop().startswith("keypoints_real_")


def test_the_folder_and_what_made_the_pair(args):
    begun = claimed(args)
    assert claimed(replace(args, precision="auto")) == begun
    before = {stage: Manifest.read(shipped(stage)).source["made_by"] for stage in STAGES}
    assert json.loads((args.work / START_FILE).read_text()) == before
    with pytest.raises(FileExistsError, match="was begun with seed 0, not 1"):
        claimed(replace(args, seed=1))
    with pytest.raises(FileExistsError, match="was begun with leave_out nothing, not worn"):
        claimed(replace(args, leave_out="worn"))
    made(args)
    *_, last = made_by(args, "keypoints")
    assert last.endswith("--laid CLONE --worn CLONE --keypoint-epochs 24 --attribute-epochs 12 --seed 0")
    part = part_of_pair(args, "attributes")
    assert part.run.parent.parent.parent.name == "runs" and part.artifact.parent.name == "attributes_int8"


def test_what_cannot_be_made(fails, args, tmp_path, monkeypatch):
    monkeypatch.setattr(photograph_networks, "run_step", None)  # a check that fails to refuse draws no photos

    def make(*words: object) -> str:
        return fails(photograph_networks.main, "--worn", args.worn, "--work", args.work, *words)

    laid = ("--laid", args.laid)
    assert "--keypoint-epochs must be at least 1, not 0" in make(*laid, "--keypoint-epochs", 0)
    assert "none is no folder; give the clone of the photos" in make("--laid", tmp_path / "none")
    assert "has no test.csv, answers.csv, label.csv: annotated" in make(*laid, "--real", tmp_path)
    assert "--leave-out is for comparisons: give another --out" in make(*laid, "--leave-out", "worn")
    assert not args.work.exists()


def test_a_pair_that_was_replaced_since_is_no_start(fails, args, tmp_path, monkeypatch):
    monkeypatch.setattr(photograph_networks, "run_step", lambda step: written(step.folder / step.last))
    claimed(args)
    written(args.work / START_FILE, json.dumps({stage: ["the first"] for stage in STAGES}))
    error = fails(
        photograph_networks.main,
        *("--laid", args.laid, "--worn", args.worn, "--work", args.work, "--out", tmp_path / "out"),
    )
    assert "was begun from the pair made by the first, but" in error
