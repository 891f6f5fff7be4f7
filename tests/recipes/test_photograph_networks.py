import json
from dataclasses import replace
from pathlib import Path

import attribute_steps
import detection_mix
import detection_scores
import keypoint_steps
import photograph_networks
import pseudo_labels
import pytest
from attribute_steps import attribute_shares
from keypoint_steps import PHASES, keypoint_shares
from photograph_arguments import PhotographArguments
from photograph_networks import claimed, made_by, part_of, steps
from pretended import made_now, pretend, value, written
from steps import START_FILE, Step

from aifashion.serve.artifact import Manifest
from aifashion.serve.shipped import shipped
from aifashion.top import crop_commands, data_commands, evaluate, export, predict, score, test_attributes
from aifashion.top import test as test_command
from aifashion.top import train as train_command
from aifashion.top import train_attributes as train_attributes_command
from aifashion.top import train_detection as train_detection_command


@pytest.fixture
def args(tmp_path, monkeypatch) -> PhotographArguments:
    """Arguments of a recipe whose mixes are not made: only their signs are written."""

    def mix(out: Path, shares: list, seed: int, name: str = "train_split.csv", both: bool = False) -> tuple[int, int]:
        written(out / name)
        return len(shares), seed

    monkeypatch.setattr(keypoint_steps, "mix_keypoints", mix)
    monkeypatch.setattr(
        attribute_steps,
        "mix_attributes",
        lambda *given, **named: mix(*given, name="attribute_train_split.csv", **named),
    )
    for name in ("laid", "worn"):
        (tmp_path / name).mkdir()
    weights = written(tmp_path / "lite0.pth", "weights")
    folders = {"out": tmp_path / "out", "work": tmp_path / "work"}
    return PhotographArguments(tmp_path / "laid", tmp_path / "worn", weights, **folders, precision="float32")


def made(args: PhotographArguments) -> list[Step]:
    return made_now(steps(args))


def of(function, every: list[Step]) -> list[Step]:
    return [step for step in every if step.function == function]


def test_the_steps_and_their_order(args):
    every = made(args)
    draw, laid, worn, first, second, labelled, third, exported = every[:8]
    assert draw.function == data_commands.synth
    assert laid.function == worn.function == data_commands.photographs
    assert "--category-only" in laid.options and "--category-only" not in worn.options
    assert value(worn.options, "--annotations").endswith("data/street") and value(worn.options, "--source") == str(
        args.worn
    )
    assert first.function == second.function == third.function == train_command.main
    assert labelled.function == pseudo_labels.main and exported.function == export.main
    (detector,), (attributes,) = of(train_detection_command.main, every), of(train_attributes_command.main, every)
    crops = of(crop_commands.crop, every)
    assert {value(step.options, "--model") for step in crops} == {str(exported.folder)} and len(crops) == 2
    assert every.index(exported) < every.index(detector) < every.index(crops[0]) < every.index(attributes)
    counts = {function: len(of(function, every)) for function in {step.function for step in every}}
    assert counts[test_command.main] == counts[score.keypoints] == 6  # drawn, laid and worn, in one pass and in ten
    assert counts[predict.main] == 3 and counts[test_attributes.main] == counts[score.attributes] == 2
    assert counts[evaluate.main] == counts[export.main] == 3
    assert made(args) == []


def test_the_keypoint_network_starts_from_imagenet_and_each_later_phase_from_the_one_before(args):
    every = made(replace(args, keypoint_epochs=(3, 5, 2)))
    first, second, third = of(train_command.main, every)
    assert value(first.options, "--weights") == str(args.imagenet) and "--load" not in first.options
    assert value(second.options, "--load") == str(first.folder / "run_of_keypoints_1")
    assert value(third.options, "--load") == str(second.folder / "run_of_keypoints_2")
    assert "--weights" not in (*second.options, *third.options)
    phases = (first, second, third)
    asked = [[value(step.options, f"--{name}") for name in ("size", "epochs")] for step in phases]
    assert asked == [["192", "3"], ["256", "5"], ["256", "2"]]
    assert [value(step.options, "--learning-rate") for step in phases] == ["0.001", "0.0005", "0.0005"]
    assert [value(step.options, "--data") for step in phases] == [str(args.work / f"mix_{n}") for n in (1, 2, 3)]


def test_the_network_of_the_second_phase_labels_photographs_for_the_third(args):
    every = made(args)
    (labelled,) = of(pseudo_labels.main, every)
    _, second, _ = of(train_command.main, every)
    assert value(labelled.options, "--model") == str(second.folder / "run_of_keypoints_2")
    assert value(labelled.options, "--laid") == str(args.work / "laid")
    names = [share.name for share in keypoint_shares(args, 9, pseudo=True)]
    assert names == ["laid", "worn", "drawn", "pseudo"]
    for left_out in ("laid", "bare"):  # then there are no such photographs
        others = replace(args, leave_out=left_out, work=args.work.parent / left_out)
        assert of(pseudo_labels.main, made(others)) == []


def test_the_detector_starts_from_the_keypoint_network_which_found_boxes_for_it(args):
    every = made(args)
    (mix,), (trained,) = of(detection_mix.main, every), of(train_detection_command.main, every)
    *_, keypoints = of(train_command.main, every)
    assert value(mix.options, "--model") == str(args.work / "keypoints_int8" / "artifact")
    assert value(mix.options, "--drawn") == str(args.work / "scenes") and value(mix.options, "--worn") == str(args.worn)
    assert value(trained.options, "--weights") == str(keypoints.folder / "run_of_keypoints_3")
    assert value(trained.options, "--data") == str(mix.folder / "mix") and value(trained.options, "--epochs") == "7"
    exported = of(export.main, every)[1]
    assert value(exported.options, "--data") == str(mix.folder / "measured")
    (scored,) = of(detection_scores.main, every)
    assert value(scored.options, "--detector") == str(exported.folder)
    assert value(scored.options, "--laid") == str(args.laid)  # the clone, also photos that are not annotated


@pytest.mark.parametrize("function", [train_command.main, train_detection_command.main, train_attributes_command.main])
def test_a_training_that_was_stopped_goes_on(args, function):
    for step in steps(args):
        if step.function == function:
            break
        pretend(step)
    written(step.folder / "2026_01_01_00_00_00" / "states" / "index.json")
    *_, again = (asked for asked in _until(args, function))
    assert "--resume" in again.options and "--weights" not in again.options


def _until(args: PhotographArguments, function) -> list[Step]:
    found = []
    for step in steps(args):
        found.append(step)
        if step.function == function:
            return found
    return found


def test_only_the_stages_that_are_asked_for_are_made(args):
    functions = {step.function for step in made(replace(args, stages="keypoints"))}
    assert score.keypoints in functions and crop_commands.crop not in functions
    assert not {train_detection_command.main, train_attributes_command.main} & functions
    functions = {step.function for step in made(replace(args, stages="detection"))}
    assert functions >= {train_detection_command.main, detection_scores.main}
    assert not {train_command.main, train_attributes_command.main, crop_commands.crop} & functions
    functions = {step.function for step in made(args)}
    assert train_attributes_command.main in functions and train_detection_command.main not in functions


def test_with_other_numbers_what_depends_on_an_artifact_is_made_anew(args):
    made(args)
    exported, *others = made(replace(args, detection_precision="float32"))
    assert exported.function == export.main and exported.folder.parent.name == "detection_float32"
    assert {step.function for step in others} == {detection_scores.main, evaluate.main}
    functions = [step.function for step in made(replace(args, keypoint_precision="float32"))]
    assert functions[0] == export.main and train_command.main not in functions
    assert {detection_mix.main, train_detection_command.main, train_attributes_command.main} <= set(functions)
    assert made(args) == []  # nothing of the first is lost


def test_what_is_left_out_of_the_mix(args):
    def names(left_out) -> tuple[list[str], list[str]]:
        chosen = replace(args, leave_out=left_out)
        attributes = attribute_shares(chosen, {"drawn": args.work / "a", "laid": args.work / "b"})
        return [share.name for share in keypoint_shares(chosen, 9)], [share.name for share in attributes]

    assert names("nothing") == (["laid", "worn", "drawn"], ["laid", "drawn"])
    assert names("worn") == (["laid", "drawn"], ["laid", "drawn"])
    assert names("drawn") == (["laid", "worn"], ["laid"]) and names("laid") == (["worn", "drawn"], ["drawn"])
    assert names("bare") == names("nothing")
    assert [share.bare for share in keypoint_shares(replace(args, leave_out="bare"), 9)] == [0, None, None]
    assert [[share.most for share in keypoint_shares(args, phase.drawn)] for phase in PHASES] == [
        [None, None, 6000],
        [None, None, 2500],
        [None, None, 1000],
    ]
    (mix,) = of(detection_mix.main, made(replace(args, leave_out="worn")))
    assert value(mix.options, "--leave-out") == "worn"


def test_photographs_of_others_are_scored_under_their_digest(args, tmp_path):
    made(args)
    for name in ("test.csv", "answers.csv", "label.csv"):
        written(tmp_path / "real" / name, "image_id")
    added = made(replace(args, real=tmp_path / "real"))
    folders = {step.folder.name.rsplit("_", 1)[0] for step in of(test_command.main, added)}
    assert len(folders) == 1 and folders.pop().startswith("keypoints_real_")


def test_the_folder_and_what_made_the_networks(args):
    begun = claimed(args)
    assert claimed(replace(args, precision="auto")) == begun
    before = Manifest.read(shipped("attributes")).source["made_by"]
    assert json.loads((args.work / START_FILE).read_text()) == before
    with pytest.raises(FileExistsError, match="was begun with seed 0, not 1"):
        claimed(replace(args, seed=1))
    with pytest.raises(FileExistsError, match="was begun with leave_out nothing, not worn"):
        claimed(replace(args, leave_out="worn"))
    with pytest.raises(FileExistsError, match=r"was begun with keypoint_epochs \[8, 8, 4\], not \[8, 9, 4\]"):
        claimed(replace(args, keypoint_epochs=(8, 9, 4)))
    with pytest.raises(FileExistsError, match="was begun with imagenet "):
        claimed(replace(args, imagenet=written(args.work.parent / "other.pth", "other weights")))
    claimed(replace(args, imagenet=written(args.work.parent / "moved.pth", "weights")))  # the same file elsewhere
    command = (
        "python recipes/photograph_networks.py --laid CLONE --worn CLONE --imagenet FILE --keypoint-epochs 8 8 4 "
        "--detection-epochs 7 --attribute-epochs 12 --seed 0"
    )
    assert made_by(args, "keypoints") == made_by(args, "detection") == [command]
    assert made_by(args, "attributes") == [*before, command]
    assert made_by(replace(args, leave_out="laid"), "detection") == [f"{command} --leave-out laid"]
    made(args)
    part = part_of(args, "attributes")
    assert part.run.parent.parent.parent.name == "runs" and part.artifact.parent.name == "attributes_int8"
    assert part_of(args, "detection").run.parent.parent.name == "detection"
    assert part_of(args, "keypoints").run.name == "run_of_keypoints_3"


def test_what_cannot_be_made(fails, args, tmp_path, monkeypatch):
    monkeypatch.setattr(photograph_networks, "run_step", None)  # a check that fails to refuse draws no photos

    def make(*words: object) -> str:
        return fails(photograph_networks.main, "--worn", args.worn, "--work", args.work, *words)

    laid, weights = ("--laid", args.laid), ("--imagenet", args.imagenet)
    assert "--keypoint-epochs must be at least 1, not (8, 0, 4)" in make(*laid, *weights, "--keypoint-epochs", 8, 0, 4)
    assert "--detection-epochs must be at least 1, not 0" in make(*laid, *weights, "--detection-epochs", 0)
    assert "none is no folder; give the clone of the photos" in make("--laid", tmp_path / "none", *weights)
    assert "none.pth is no file; give the weights of Eff" in make(*laid, "--imagenet", tmp_path / "none.pth")
    assert "has no test.csv, answers.csv, label.csv: annotated" in make(*laid, *weights, "--real", tmp_path)
    assert "--leave-out is for comparisons: give another --out" in make(*laid, *weights, "--leave-out", "worn")
    assert not args.work.exists()


def test_a_classifier_that_was_replaced_since_is_no_start(fails, args, tmp_path, monkeypatch):
    monkeypatch.setattr(photograph_networks, "run_step", pretend)
    claimed(args)
    written(args.work / START_FILE, json.dumps(["the first"]))
    words = ("--laid", args.laid, "--worn", args.worn, "--imagenet", args.imagenet, "--precision", "float32")
    error = fails(photograph_networks.main, *words, "--work", args.work, "--out", tmp_path / "out")
    assert "was begun from the classifier made by the first, but" in error
    # The other networks do not start from it.
    photograph_networks.main([str(word) for word in (*words, "--work", args.work, "--stages", "detection")])


def test_the_networks_of_all_three_stages_are_installed(args, monkeypatch, capsys):
    monkeypatch.setattr(photograph_networks, "run_step", pretend)
    installed = []
    monkeypatch.setattr(photograph_networks, "install", lambda out, parts: installed.append((out, parts)))
    words = ("--laid", args.laid, "--worn", args.worn, "--imagenet", args.imagenet, "--precision", "float32")
    photograph_networks.main([str(word) for word in (*words, "--work", args.work, "--out", args.out)])
    ((out, parts),) = installed
    assert out == args.out and [part.stage for part in parts] == ["detection", "keypoints", "attributes"]
    assert "Wrote the networks to" in capsys.readouterr().out
    photograph_networks.main([str(word) for word in (*words, "--work", args.work, "--stages", "keypoints")])
    assert len(installed) == 1 and "Wrote the scores to" in capsys.readouterr().out


def test_the_help_says_that_the_networks_of_the_package_are_replaced(capsys):
    with pytest.raises(SystemExit):
        photograph_networks.main(["--help"])
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "default: the installed package, whose networks are replaced at the end" in text
