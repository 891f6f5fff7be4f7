import errno
import json
import logging
import math
import os
import re
import shutil
import stat
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aifashion.config import KeypointConfig
from aifashion.files import SEAL, sealed
from aifashion.run_files import epochs_done
from aifashion.tasks.resuming import check_facts, data_facts
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
    tidy,
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
    assert [json.loads(read_config(run)) for run in made] == [json.loads(config.to_json()) for config in configs]
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
    with pytest.raises(RunError, match=r"has no finished run \(2026_01_03_00_00_00: it has no model yet; .*--model "):
        find_trained_run(tmp_path)
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
    """writes: how many files still fit; with one, the state is written, its entry in the index is not, and it goes."""
    for step in (1, 2):
        save_state(tmp_path, state(1, step))
    before = files_in(tmp_path / "states")
    with monkeypatch.context() as patch:
        full_disk(patch, writes)
        with pytest.raises(OSError, match="No space left on device") as caught:
            save_state(tmp_path, state(1, 3))
    assert caught.value.errno == errno.ENOSPC
    check_state(load_state(tmp_path, no_warning), 1, 2)
    assert files_in(tmp_path / "states") == before
    save_state(tmp_path, state(1, 4))
    check_state(load_state(tmp_path, no_warning), 1, 4)
    assert len(files_in(tmp_path / "states")) == 3


def test_a_broken_index_says_so(tmp_path):
    save_state(tmp_path, state(1, 1))
    cut(tmp_path / "states" / "index.json")
    with pytest.raises(RunError, match=r"index\.json is damaged .*: restore it from a copy, or start a new run"):
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


# What is read back from disk


def sealed_run(run: Path, net: keras.Model, epochs: int = 2) -> Path:
    """A run of two epochs with all that a training keeps of it."""
    run.mkdir(parents=True)
    config = KeypointConfig(network="lite", size=64, epochs=2)
    (run / "config.json").write_text(json.dumps(sealed(json.loads(config.to_json()))))
    (run / "data.json").write_text(data_facts(["a"], ["b"], False))
    save_epochs(run, net, [0.2, 0.1][:epochs])
    write_history(run, [{"epoch": epoch, "ne": 0.5} for epoch in range(1, epochs + 1)], "")
    for step in (1, 2):
        save_state(run, state(epochs, step))
    return run


def test_states_without_their_index_are_not_started_over(tmp_path):
    for step in (1, 2):
        save_state(tmp_path, state(3, step))
    before = {path.name: path.read_bytes() for path in (tmp_path / "states").iterdir() if path.name != "index.json"}
    for text in (None, "[]"):
        (tmp_path / "states" / "index.json").unlink(missing_ok=True)
        if text:
            (tmp_path / "states" / "index.json").write_text(text)
        for find in (has_state, lambda run: load_state(run, no_warning)):
            with pytest.raises(RunError, match=r"index\.json is missing, but the run has epoch_003_.*--load"):
                find(tmp_path)
    assert {path.name: path.read_bytes() for path in (tmp_path / "states").glob("*.safetensors")} == before


def test_models_without_any_state_are_not_started_over(tmp_path, net):
    save_epochs(tmp_path, net, [0.2])
    with pytest.raises(RunError, match=r"missing, but the run has epoch_001\.weights\.h5: a resume would start"):
        has_state(tmp_path)


def test_a_training_that_was_killed_before_its_first_index_starts_over(tmp_path):
    save_state(tmp_path, state(1, 0))
    (tmp_path / "states" / "index.json").unlink()
    assert not has_state(tmp_path)


def test_files_that_no_index_lists_stay(tmp_path, net):
    for folder in ("states", "models"):
        (tmp_path / folder).mkdir()
        for name in ("mine.txt", "epoch_900.weights.h5", "epoch_900_step_0000001.safetensors", ".hidden"):
            (tmp_path / folder / name).write_text("mine")
    for step in range(4):
        save_state(tmp_path, state(1, step))
    save_epochs(tmp_path, net, [0.1, 0.2, 0.3, 0.4], keep=1)
    tidy(tmp_path)
    for folder in ("states", "models"):
        kept = {path.name for path in (tmp_path / folder).iterdir() if path.read_bytes() == b"mine"}
        assert kept == {"mine.txt", "epoch_900.weights.h5", "epoch_900_step_0000001.safetensors", ".hidden"}
    assert epochs_kept(tmp_path) == [1, 4, 900] and len(files_in(tmp_path / "states")) == 3 + 4


@pytest.mark.parametrize("moment", range(8))
def test_a_kill_while_saving_leaves_nothing_behind(tmp_path, net, monkeypatch, moment):
    """Stopped at each renaming of files, without any clearing up, as a kill does it."""

    class Killed(BaseException):
        pass

    def save(epochs: range) -> None:
        for epoch in epochs:
            save_state(tmp_path, state(epoch, 1))
            save_model(tmp_path, net, epoch, 0.5, keep=1)

    save(range(1, 5))
    expected = [files_in(tmp_path / folder) for folder in ("states", "models")]
    for folder in ("states", "models"):
        shutil.rmtree(tmp_path / folder)
    save(range(1, 4))
    real, calls = Path.replace, []

    def replace(path: Path, target: Path) -> Path:
        calls.append(path)
        if len(calls) > moment:
            raise Killed
        return real(path, target)

    with monkeypatch.context() as patch, suppress(Killed):
        patch.setattr(Path, "replace", replace)
        patch.setattr(runs, "_finish_change", lambda folder: None)  # a process that was killed clears nothing up
        save(range(4, 5))
    tidy(tmp_path)
    save(range(4, 5))
    assert [files_in(tmp_path / folder) for folder in ("states", "models")] == expected


@pytest.mark.parametrize(
    "text", ["[{}]", "{}", "[1]", "null", '[{"file": "../x", "sha256": "", "epoch": 1}]', "\xff", ""]
)
@pytest.mark.parametrize("folder", ["models", "states"])
def test_an_index_that_is_none_is_named(tmp_path, net, folder, text):
    run = sealed_run(tmp_path / "run", net)
    (run / folder / "index.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(RunError, match=rf"{folder}/index\.json is damaged .*estore it from a copy"):
        best_model(run, pytest.fail) if folder == "models" else load_state(run, pytest.fail)


READERS = {
    "config.json": lambda run: read_keypoint_config(run),
    "data.json": lambda run: check_facts(run, data_facts(["a"], ["b"], False), Path("data")),
    "best.json": lambda run: best_model(run, pytest.fail),
    "models/index.json": lambda run: best_model(run, pytest.fail),
    "states/index.json": lambda run: load_state(run, pytest.fail),
    "history.csv": lambda run: epochs_done(run),
}


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=60)
@given(data=st.data())
def test_a_flipped_bit_is_named_or_changes_nothing(tmp_path_factory, net, name, data):
    run = tmp_path_factory.mktemp("flipped") / "run"
    sealed_run(run, net)
    sound, content = READERS[name](run), bytearray((run / name).read_bytes())
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    (run / name).write_bytes(content)
    try:
        found = READERS[name](run)
    except ValueError as error:
        assert str(run / name) in str(error)
        return
    assert name == "history.csv" or str(found) == str(sound)
    if name == "history.csv":  # a digit of a score, which nobody believes: the state has the history
        assert found == sound


def test_what_falls_short_is_not_taken_from_a_folder_and_told_where_it_is_named(tmp_path, net, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("aifashion"), "propagate", True)
    done = sealed_run(tmp_path / "2026_01_01_00_00_00", net)
    debug = sealed_run(tmp_path / "2026_01_02_00_00_00", net)
    (debug / "data.json").write_text(data_facts(["a"], ["b"], True))
    begun = sealed_run(tmp_path / "2026_01_03_00_00_00", net, epochs=1)
    broken = sealed_run(tmp_path / "2026_01_04_00_00_00", net)
    (broken / "data.json").write_text("{")
    assert find_trained_run(tmp_path) == done
    told = caplog.messages[-1]
    assert "2026_01_01_00_00_00 is used; newer runs are passed over: " in told
    assert f"{debug.name}: it is a --debug run" in told and f"{begun.name}: it has trained 1 of 2 epochs" in told
    assert f"{broken / 'data.json'} is damaged" in told
    caplog.clear()
    for run, reason in ((debug, "it is a --debug run"), (begun, "it has trained 1 of 2 epochs")):
        assert find_trained_run(run) == run and caplog.messages[-1] == f"{run} is used, although {reason}"
    caplog.clear()
    assert find_trained_run(done) == done and not caplog.messages
    shutil.rmtree(done)
    with pytest.raises(RunError, match=r"no finished run \(2026_01_04.*_03.*_02.*name the run, as in --model"):
        find_trained_run(tmp_path)


def test_files_of_before_there_were_seals_are_read(tmp_path, net):
    run = sealed_run(tmp_path / "run", net)
    for name in ("config.json", "data.json", "best.json", "models/index.json", "states/index.json"):
        content = json.loads((run / name).read_text())
        for record in content if isinstance(content, list) else [content]:
            assert record.pop(SEAL)
        (run / name).write_text(json.dumps(content))
    assert best_model(run, pytest.fail).epoch == 2 and read_keypoint_config(run).size == 64
    check_state(load_state(run, pytest.fail), 2, 2)
    check_facts(run, data_facts(["a"], ["b"], False), Path("data"))
    assert find_trained_run(tmp_path) == run
