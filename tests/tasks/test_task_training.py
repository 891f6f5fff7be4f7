"""Where a training starts: which run goes on, and which weights a network is built with."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from aifashion.config import AttributeConfig, KeypointConfig
from aifashion.data_gen.formats.fashionai_attributes import attribute_heads
from aifashion.data_gen.label_table import LabelTable
from aifashion.files import locked
from aifashion.records import ABSENT, HIDDEN, VISIBLE, Keypoints, Sample
from aifashion.tasks import training
from aifashion.tasks.attributes import AttributeTask
from aifashion.tasks.keypoints import KeypointTask
from aifashion.tasks.training import counted, run_to_resume, start_network, train_network
from aifashion.tasks.training_options import TrainingOptions
from aifashion.unet.backbones import WeightsError
from aifashion.unet.runs import RunError, State, new_run, save_state
from small_runs import keep_model

HEADS = attribute_heads(ordinal=True)


def trained_run(root: Path, config, heads=HEADS) -> Path:
    run = new_run(root, "all", config)
    if isinstance(config, AttributeConfig):
        (run / "heads.json").write_text(json.dumps([dataclasses.asdict(head) for head in heads]))
    keep_model(run)
    return run


@pytest.fixture
def calls(monkeypatch) -> list:
    """The weights that networks were asked to be built with, and what was loaded into them."""
    found: list = []

    def net(task, weights=None):
        found.append(weights)
        if weights == "imagenet" and task.config.network in ("vgg16", "resnet50"):
            raise WeightsError("the ImageNet weights could not be fetched (no network)")
        return "net"

    for kind in (KeypointTask, AttributeTask):
        monkeypatch.setattr(kind, "net", net)
        monkeypatch.setattr(kind, "transferred_net", lambda task: found.append("transferred") or "net")
        monkeypatch.setattr(kind, "backbone", lambda task, net: "backbone")
    monkeypatch.setattr(training, "load_start", lambda net, path, part=None: found.append((path.name, part)))
    monkeypatch.setattr(training, "load_keypoint_backbone", lambda part, run: found.append((part, run.name)))
    return found


KINDS = {
    "keypoints": lambda network: KeypointTask(KeypointConfig(network=network)),
    "attributes": lambda network: AttributeTask(AttributeConfig(network=network)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("network", "options", "expected"),
    [
        ("resnet101", {}, ["imagenet"]),
        ("lite", {}, [None]),
        ("resnet101", {"weights": "none"}, [None]),
        ("resnet101", {"weights": "imagenet"}, ["imagenet"]),
        ("lite", {"weights": "imagenet"}, ["imagenet"]),
        ("resnet101", {"weights": "{file}"}, ["{file}"]),
        ("resnet101", {"weights": "shipped"}, ["transferred"]),
        ("resnet101", {"weights": "{keypoints}"}, [None, ("backbone", "{name}")]),
        ("resnet50", {}, ["imagenet", None]),  # with a warning, it starts anyway
        ("lite", {"load": "{file}"}, [None, ("x.weights.h5", None)]),
        ("lite", {"load": "{file}", "reset": True}, [None, ("x.weights.h5", "backbone")]),
        ("lite", {"load": "{same}"}, [None, ("epoch_001.weights.h5", None)]),
        ("lite", {"load": "{same}", "reset": True}, [None, ("epoch_001.weights.h5", "backbone")]),
    ],
)
def test_where_a_network_starts(calls, tmp_path, kind, network, options, expected):
    keypoints = trained_run(tmp_path / "keypoints", KeypointConfig())
    same = trained_run(tmp_path / "same", KINDS[kind]("lite").config)
    file = tmp_path / "x.weights.h5"
    file.write_bytes(b"weights")
    names = {"file": str(file), "keypoints": str(keypoints), "name": keypoints.name, "same": str(same.parent)}

    def filled(value):
        if isinstance(value, tuple):
            return tuple(map(filled, value))
        return value.format(**names) if isinstance(value, str) else value

    options = {name: filled(value) for name, value in options.items()}
    if "load" in options:
        options["load"] = Path(options["load"])
    _, net = start_network(KINDS[kind](network), TrainingOptions(**options), None)
    assert net == "net" and calls == [filled(value) for value in expected]


def test_weights_that_were_asked_for_by_name_must_be_there(calls):
    task = KINDS["attributes"]("vgg16")
    with pytest.raises(WeightsError, match="could not be fetched"):
        start_network(task, TrainingOptions(weights="imagenet"), None)
    with pytest.raises(ValueError, match=r"no weights file at nowhere\.h5; expected auto, imagenet, none, shipped"):
        start_network(task, TrainingOptions(weights="nowhere.h5"), None)


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_with_a_state_gets_its_weights_later(calls, tmp_path, kind):
    task = KINDS[kind]("resnet101")
    run = new_run(tmp_path, "all", task.config)
    for load in (None, run):
        start_network(task, TrainingOptions(resume=True, load=load), run)
    assert calls == ["imagenet", "imagenet"]  # stopped before its first state, it starts as it did
    save_state(run, State({}, {"epoch": 1, "step": 0}))
    start, _ = start_network(task, TrainingOptions(resume=True, weights="imagenet"), run)
    assert calls[2:] == [None] and start.facts == {}


@pytest.mark.parametrize("heads", [HEADS[:1], HEADS[::-1], attribute_heads(ordinal=False)])
def test_heads_of_another_run_are_not_taken_for_these(calls, tmp_path, heads):
    # By their order and width alone, those of one design would pass for those of another.
    run = trained_run(tmp_path, AttributeConfig(network="lite"), heads)
    task = KINDS["attributes"]("lite")
    with pytest.raises(RunError, match="has other heads than this training: --reset starts from its backbone alone"):
        start_network(task, TrainingOptions(load=run), None)
    assert not calls
    start_network(task, TrainingOptions(load=run, reset=True), None)
    assert calls == [None, ("epoch_001.weights.h5", "backbone")]


def test_keypoints_of_another_run_are_not_taken_for_these(calls, tmp_path):
    run = trained_run(tmp_path, KeypointConfig(network="lite", category="skirt"))
    task = KINDS["keypoints"]("lite")
    with pytest.raises(RunError, match="has other keypoints or categories than this training: --reset starts"):
        start_network(task, TrainingOptions(load=run), None)
    assert not calls


@pytest.mark.parametrize("kind", KINDS)
def test_which_run_goes_on(tmp_path, kind):
    task = KINDS[kind]("lite")
    assert run_to_resume(task, TrainingOptions()) is None
    older = new_run(tmp_path / task.folder.parent, task.folder.name, task.config)
    newest = new_run(tmp_path / task.folder.parent, task.folder.name, task.config)
    assert run_to_resume(task, TrainingOptions(out=tmp_path, resume=True)) == newest
    assert run_to_resume(task, TrainingOptions(resume=True, load=older)) == older
    assert run_to_resume(task, TrainingOptions(load=older)) is None  # a new run from its weights
    file = keep_model(tmp_path / "other")
    assert run_to_resume(task, TrainingOptions(resume=True, load=file)) is None
    with pytest.raises(RunError, match="is a run folder and knows its epoch"):
        run_to_resume(task, TrainingOptions(resume=True, load=older, init_epoch=3))
    both = TrainingOptions(weights="none", load=file)
    with pytest.raises(RunError, match=r"--weights none and --load .* both say where to start: drop one of them"):
        run_to_resume(task, both)
    again = TrainingOptions(weights="none", resume=True, load=older)
    assert run_to_resume(task, again) == older  # it has no state yet, and starts as it did
    save_state(older, State({}, {"epoch": 1, "step": 0}))
    with pytest.raises(RunError, match="continues with its weights: drop --weights none"):
        run_to_resume(task, again)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": -1}, "--workers -1; expected 0 or more"),
        ({"save_freq": 0}, "--save-freq 0; expected 1 or more"),
        ({"reset": True}, "--reset needs --load"),
        ({"init_epoch": 0}, "--init-epoch needs --load"),
        ({"reset": True, "resume": True}, "--reset starts a new run and --resume continues one"),
        ({"load": Path("nowhere")}, "no run folder and no weights file at nowhere"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(ValueError) as caught:
        TrainingOptions(**options)
    assert str(caught.value).startswith(message)


# One training a run


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_resume_of_a_run_is_refused_at_once(tmp_path, kind):
    task = KINDS[kind]("lite")
    run = new_run(tmp_path, "all", task.config)
    before = sorted(path.name for path in run.iterdir())
    options = TrainingOptions(data=tmp_path / "nowhere", resume=True, load=run)
    with locked(run), pytest.raises(RunError) as caught:
        train_network(task, options, Console(), lambda config: config)
    assert str(caught.value).startswith(f"another training is at work in {run}: wait until it ends")
    assert sorted(path.name for path in run.iterdir() if path.name != ".lock") == before
    # Once it has ended, the run goes on, and here only lacks data.
    with pytest.raises((OSError, ValueError), match="nowhere"):
        train_network(task, options, Console(), lambda config: config)


# Whether there will be a score


def test_photos_of_keypoints_that_can_be_scored():
    task = KINDS["keypoints"]("lite")
    vocabulary = task.config.vocabulary
    own = vocabulary.mask("skirt")
    xy = np.arange(48.0).reshape(24, 2)

    def sample(*states: int) -> Sample:
        state = np.full(24, ABSENT, np.int8)
        state[own] = states
        return Sample("a", Path("a.jpg"), "skirt", Keypoints(xy, state))

    assert task.can_score([sample(VISIBLE, HIDDEN, HIDDEN, HIDDEN)])
    hidden, spanless = sample(HIDDEN, HIDDEN, HIDDEN, HIDDEN), sample(ABSENT, VISIBLE, VISIBLE, VISIBLE)
    assert not task.can_score([hidden, spanless]) and not task.can_score([Sample("a", Path("a.jpg"), "skirt")])
    assert task.can_score([hidden, sample(VISIBLE, VISIBLE, HIDDEN, HIDDEN)])


def test_photos_of_attributes_that_can_be_scored():
    task = KINDS["attributes"]("lite")

    class Photos:
        names = ("a", "b")

        def __len__(self) -> int:
            return 2

    codes = np.full((2, 1), -1, np.int32)
    assert not task.can_score(LabelTable(Photos(), HEADS[:1], codes, (None,)))
    codes[1] = 2
    assert task.can_score(LabelTable(Photos(), HEADS[:1], codes, (None,)))


def test_garments_and_their_photos_are_counted():
    assert counted(["a.jpg", "b.jpg"]) == "2 photos"
    assert counted(["a.jpg", "a.jpg", "b.jpg"]) == "3 garments in 2 photos"
