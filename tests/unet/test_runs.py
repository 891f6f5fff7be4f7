import errno
import json
import re
from datetime import datetime
from pathlib import Path

import pytest

from aifashion.config import KeypointConfig
from aifashion.unet import runs
from aifashion.unet.runs import (
    RunError,
    find_run,
    find_trained_run,
    has_state,
    load_state,
    new_run,
    read_config,
    read_keypoint_config,
    save_state,
    write_history,
)
from run_parts import (
    change,
    check_state,
    cut,
    files_in,
    full_disk,
    no_warning,
    state,
)


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
