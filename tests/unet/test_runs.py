import errno
import json
import math
import os
import re
import stat
from datetime import datetime
from pathlib import Path

import keras
import numpy as np
import pytest

from aifashion.config import KeypointConfig
from aifashion.unet import runs
from aifashion.unet.runs import (
    RunError,
    State,
    best_model,
    find_run,
    find_trained_run,
    has_state,
    load_state,
    load_weights,
    new_run,
    read_config,
    read_keypoint_config,
    save_model,
    save_state,
    write_history,
)


def no_warning(text: str) -> None:
    raise AssertionError(text)


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def full_disk(monkeypatch: pytest.MonkeyPatch, after: int = 0) -> None:
    """From the write number `after` on, the disk is full when a file is flushed to it."""
    real, calls = os.fsync, []

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            return
        calls.append(descriptor)
        if len(calls) > after:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)


# The run folder


class Noon(datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2026, 7, 1, 12, 0, 5)


def test_runs_are_named_after_the_time_and_a_taken_name_gets_a_number(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "datetime", Noon)
    configs = [KeypointConfig(category="skirt", seed=i) for i in range(12)]
    made = [new_run(tmp_path, "skirt", config) for config in configs]
    assert [run.relative_to(tmp_path).as_posix() for run in made[:3]] == [
        "skirt/2026_07_01_12_00_05",
        "skirt/2026_07_01_12_00_05_001",
        "skirt/2026_07_01_12_00_05_002",
    ]
    assert [read_config(run) for run in made] == [config.to_json() for config in configs]
    assert [read_keypoint_config(run) for run in made] == configs  # and with them their vocabulary
    assert find_run(tmp_path / "skirt") == made[-1]


def test_the_newest_run_is_one_of_the_category_with_a_configuration(tmp_path):
    for name in ("all/2026_01_02_00_00_00", "all/2025_12_31_23_59_59", "skirt/2027_01_01_00_00_00"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.json").write_text("{}")
    (tmp_path / "all/2026_06_01_00_00_00").mkdir()  # stopped before it had one
    (tmp_path / "all/notes.txt").write_text("")
    assert find_run(tmp_path / "all") == tmp_path / "all/2026_01_02_00_00_00"
    assert find_run(tmp_path / "skirt/2027_01_01_00_00_00").name == "2027_01_01_00_00_00"


def test_the_newest_trained_run_is_one_with_a_best_model(tmp_path):
    for name in ("2026_01_01_00_00_00", "2026_01_02_00_00_00", "2026_01_03_00_00_00"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    # While none has a model the newest is the one to complain about.
    assert find_trained_run(tmp_path) == tmp_path / "2026_01_03_00_00_00"
    for name in ("2026_01_01_00_00_00", "2026_01_02_00_00_00"):
        (tmp_path / name / "best.json").write_text("{}")
    (tmp_path / "2026_01_04_00_00_00").mkdir()
    (tmp_path / "2026_01_04_00_00_00" / "best.json").write_text("{}")  # no run: it has lost its configuration
    assert find_trained_run(tmp_path) == tmp_path / "2026_01_02_00_00_00"
    assert find_run(tmp_path) == tmp_path / "2026_01_03_00_00_00"  # which a resume goes on with
    # One that is named is taken as it is.
    assert find_trained_run(tmp_path / "2026_01_03_00_00_00") == tmp_path / "2026_01_03_00_00_00"
    with pytest.raises(RunError, match=r"no run in .*nowhere: train one first"):
        find_trained_run(tmp_path / "nowhere")


def test_no_run(tmp_path):
    with pytest.raises(RunError, match=r"no run in .*dress: train one first"):
        find_run(tmp_path / "dress")
    with pytest.raises(RunError, match=r"no run in .*, which has a config\.json"):
        find_run(tmp_path)
    with pytest.raises(RunError, match=r"is not a run folder: it has no config\.json"):
        read_config(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"is not a run folder"):
        read_config(tmp_path / "file")


def test_history_and_log_are_written_anew(tmp_path):
    write_history(tmp_path, [{"epoch": 1, "ne": 0.1}], "one\n")
    write_history(tmp_path, [{"epoch": 1, "ne": 0.1}, {"epoch": 2, "ne": float("nan")}], "one\ntwo\n")
    assert (tmp_path / "history.csv").read_bytes() == b"epoch,ne\n1,0.1\n2,nan\n"
    assert (tmp_path / "val.log").read_text() == "one\ntwo\n"
    write_history(tmp_path, [], "")
    assert (tmp_path / "history.csv").read_bytes() == b""


# States


def state(epoch: int, step: int) -> State:
    """Arrays that say which state they are of."""
    rng = np.random.default_rng([epoch, step])
    arrays = {"net/0000/kernel": rng.normal(size=(3, 4)).astype(np.float32), "optimizer/0000/iteration": np.array(step)}
    return State(arrays, {"epoch": epoch, "step": step, "history": [{"epoch": 1, "ne": 0.1 + 0.2, "x": float("nan")}]})


def check_state(found: State | None, epoch: int, step: int) -> None:
    expected = state(epoch, step)
    assert found is not None and (found.progress["epoch"], found.progress["step"]) == (epoch, step)
    (row,) = found.progress["history"]
    assert row["ne"] == 0.1 + 0.2 and math.isnan(row["x"])
    assert list(found.arrays) == list(expected.arrays)
    for name, array in expected.arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)
        assert found.arrays[name].dtype == array.dtype


def test_states_come_back_and_two_are_kept(tmp_path):
    assert load_state(tmp_path, no_warning) is None and not has_state(tmp_path)
    for step in (500, 1000, 1500):
        save_state(tmp_path, state(9, step))
        check_state(load_state(tmp_path, no_warning), 9, step)
    save_state(tmp_path, state(10, 0))
    check_state(load_state(tmp_path, no_warning), 10, 0)
    names = ["epoch_009_step_0001500.safetensors", "epoch_010_step_0000000.safetensors", "index.json"]
    assert files_in(tmp_path / "states") == names


def test_the_same_state_again_replaces_itself(tmp_path):
    for step in (1, 2, 2, 2):
        save_state(tmp_path, state(1, step))
    (tmp_path / "states" / "epoch_001_step_0000002.safetensors").unlink()
    warnings: list[str] = []
    check_state(load_state(tmp_path, warnings.append), 1, 1)
    assert len(warnings) == 1


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def change(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [cut, change, Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_damaged_state_is_passed_over_with_a_word(tmp_path, damage):
    for step in (1, 2):
        save_state(tmp_path, state(3, step))
    damage(tmp_path / "states" / "epoch_003_step_0000002.safetensors")
    warnings: list[str] = []
    check_state(load_state(tmp_path, warnings.append), 3, 1)
    (warning,) = warnings
    assert re.search(r"epoch_003_step_0000002\.safetensors is missing or damaged .* the state before it", warning)


def test_without_an_intact_state_nothing_starts_over(tmp_path):
    save_state(tmp_path, state(3, 1))
    change(tmp_path / "states" / "epoch_003_step_0000001.safetensors")
    with pytest.raises(RunError, match="no intact state left: start a new run from one of the models in"):
        load_state(tmp_path, lambda text: None)


@pytest.mark.parametrize("writes", [0, 1])
def test_a_disk_that_fills_up_while_saving_leaves_the_states_before(tmp_path, monkeypatch, writes):
    """writes: how many files still fit; with one, the state is written and its entry in the index is not."""
    for step in (1, 2):
        save_state(tmp_path, state(1, step))
    before = files_in(tmp_path / "states")
    with monkeypatch.context() as patch:
        full_disk(patch, writes)
        with pytest.raises(OSError, match="No space left on device") as caught:
            save_state(tmp_path, state(1, 3))
    assert caught.value.errno == errno.ENOSPC
    check_state(load_state(tmp_path, no_warning), 1, 2)
    new = {"epoch_001_step_0000003.safetensors"} if writes else set()
    assert set(files_in(tmp_path / "states")) == {*before, *new}
    save_state(tmp_path, state(1, 4))
    check_state(load_state(tmp_path, no_warning), 1, 4)
    assert len(files_in(tmp_path / "states")) == 3


def test_a_broken_index_says_so(tmp_path):
    save_state(tmp_path, state(1, 1))
    cut(tmp_path / "states" / "index.json")
    with pytest.raises(RunError, match=r"index\.json is damaged .*: delete the folder"):
        load_state(tmp_path, no_warning)


# Models


def tiny_net(units: int = 2) -> keras.Model:
    image = keras.Input((3,), name="image")
    return keras.Model(image, keras.layers.Dense(units, name="only")(image), name="tiny")


@pytest.fixture(scope="module")
def net() -> keras.Model:
    return tiny_net()


def save_epochs(run: Path, net: keras.Model, scores: list[float], keep: int = 2) -> None:
    """The model of epoch e has all weights e."""
    for epoch, score in enumerate(scores, start=1):
        net.set_weights([np.full(weight.shape, float(epoch)) for weight in net.weights])
        save_model(run, net, epoch, score, keep)


def epochs_kept(run: Path) -> list[int]:
    return [int(name[6:9]) for name in files_in(run / "models") if name.endswith(".weights.h5")]


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([9.5, 10.0, 11.0], 1),  # as text, 10.0 comes before 9.5
        ([10.0, 9.5, 11.0], 2),
        ([2e-05, 0.5, 0.1], 1),
        ([float("nan"), 0.9, 1.2], 2),
        ([0.3, float("nan"), 0.4], 1),
        ([0.4, 0.3, 0.3], 3),  # of equal ones the later
        ([float("inf"), float("nan"), float("nan")], 1),
    ],
)
def test_the_best_model_has_the_lowest_number(tmp_path, net, scores, best):
    save_epochs(tmp_path, net, scores)
    found = best_model(tmp_path, no_warning)
    assert (found.epoch, found.path.name) == (best, f"epoch_{best:03d}.weights.h5")
    assert found.score == scores[best - 1]
    listed = json.loads((tmp_path / "best.json").read_text())
    assert (listed["epoch"], listed["file"]) == (best, found.path.name)
    load_weights(net, found.path)
    assert np.unique(net.get_weights()[0]).tolist() == [best]


@pytest.mark.parametrize(("keep", "kept"), [(0, [2]), (1, [2, 6]), (3, [2, 4, 5, 6]), (9, [1, 2, 3, 4, 5, 6])])
def test_the_best_and_the_last_models_are_kept(tmp_path, net, keep, kept):
    save_epochs(tmp_path, net, [0.5, 0.1, 0.4, 0.3, 0.2, 0.6], keep)
    assert epochs_kept(tmp_path) == kept


def test_a_better_model_takes_the_place_of_the_best(tmp_path, net):
    save_epochs(tmp_path, net, [0.2, 0.5, 0.4, 0.1], keep=1)
    assert epochs_kept(tmp_path) == [4]


def test_epochs_that_are_trained_again_replace_what_came_of_them(tmp_path, net):
    save_epochs(tmp_path, net, [0.5, 0.1, 0.4], keep=5)
    net.set_weights([np.full(weight.shape, 7.0) for weight in net.weights])
    save_model(tmp_path, net, 2, 0.6, keep=5)  # resumed from a state of epoch 2
    assert epochs_kept(tmp_path) == [1, 2]
    assert best_model(tmp_path, no_warning).epoch == 1
    load_weights(net, best_model(tmp_path, no_warning, epoch=2).path)
    assert net.get_weights()[0][0, 0] == 7


def test_a_damaged_best_model_is_passed_over_with_a_word(tmp_path, net):
    save_epochs(tmp_path, net, [0.1, 0.3, 0.2], keep=3)
    warnings: list[str] = []
    change(tmp_path / "models" / "epoch_001.weights.h5")
    assert best_model(tmp_path, warnings.append).epoch == 3
    assert len(warnings) == 1 and "epoch_001.weights.h5 is missing or damaged" in warnings[0]
    (tmp_path / "models" / "epoch_003.weights.h5").unlink()
    assert best_model(tmp_path, warnings.append).epoch == 2
    cut(tmp_path / "models" / "epoch_002.weights.h5")
    with pytest.raises(RunError, match="no usable model"):
        best_model(tmp_path, warnings.append)


def test_a_certain_epoch(tmp_path, net):
    save_epochs(tmp_path, net, [0.1, 0.3, 0.2, 0.4], keep=1)
    assert best_model(tmp_path, no_warning, epoch=4).score == 0.4
    with pytest.raises(RunError, match=r"keeps no model of epoch 3; it has those of epochs \[1, 4\]"):
        best_model(tmp_path, no_warning, epoch=3)


def test_no_model_yet(tmp_path):
    with pytest.raises(RunError, match="no usable model yet: train it for at least one epoch"):
        best_model(tmp_path, no_warning)


@pytest.mark.parametrize("writes", [0, 1])
def test_a_disk_that_fills_up_leaves_the_models_before(tmp_path, net, monkeypatch, writes):
    save_epochs(tmp_path, net, [0.2, 0.3])
    with monkeypatch.context() as patch:
        full_disk(patch, writes)
        with pytest.raises(OSError, match="No space left on device"):
            save_model(tmp_path, net, 3, 0.1, keep=2)
    assert best_model(tmp_path, no_warning).epoch == 1
    assert not [name for name in files_in(tmp_path / "models") if name.startswith(".")]


def test_weights_of_another_network(tmp_path, net):
    path = tmp_path / "other.weights.h5"
    tiny_net(units=3).save_weights(path)
    with pytest.raises(RunError, match=r"other\.weights\.h5 does not fit tiny: .*another network or set of categories"):
        load_weights(net, path)
    path.write_text("no HDF5")
    with pytest.raises(RunError, match="does not fit tiny"):
        load_weights(net, path)
    with pytest.raises(RunError, match=r"no weights file at .*nowhere\.weights\.h5$"):
        load_weights(net, tmp_path / "nowhere.weights.h5")


def test_epochs_without_a_score_are_json_and_agree_on_the_best(tmp_path):
    net = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    for epoch in (1, 2):
        save_model(tmp_path, net, epoch, float("nan"), keep=3)
    best = json.loads((tmp_path / "best.json").read_text())
    found = best_model(tmp_path, pytest.fail)
    assert best["score"] is None and best["epoch"] == found.epoch == 2 and np.isnan(found.score)
    save_model(tmp_path, net, 3, 0.5, keep=3)
    assert best_model(tmp_path, pytest.fail).epoch == 3
