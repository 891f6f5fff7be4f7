"""Files of a run folder that were lost, changed, or are of an earlier version."""

import hashlib
import json
import logging
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aifashion.config import KeypointConfig
from aifashion.eval.visibility import Visibility
from aifashion.files import SEAL, sealed
from aifashion.recognition.keypoint_model import read_visibility
from aifashion.run_files import epochs_asked, epochs_done, read_best
from aifashion.tasks.resuming import check_facts, check_whole, data_facts
from aifashion.unet import runs
from aifashion.unet.runs import (
    RunError,
    best_model,
    calibrated,
    find_trained_run,
    has_state,
    load_state,
    read_config,
    read_keypoint_config,
    save_model,
    save_state,
    tidy,
)
from run_parts import (
    check_state,
    epochs_kept,
    files_in,
    no_warning,
    save_epochs,
    sealed_run,
    state,
)


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


def write_calibration(run: Path) -> Path:
    with calibrated(run):
        found = Visibility(np.ones(24), np.zeros(24), 0.5)
        (run / "calibration.json").write_text(json.dumps(sealed(found.to_json())))
    return run / "calibration.json"


def test_a_lost_calibration_is_noticed(tmp_path, net):
    run = sealed_run(tmp_path / "run", net)
    config = read_keypoint_config(run)
    assert read_visibility(run, config) is None  # not calibrated yet
    path = write_calibration(run)
    assert read_visibility(run, config) is not None and best_model(run, no_warning).epoch == 2
    again = rf"let aifashion train --resume --load {run} make it again"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(RunError, match=rf"calibration\.json is damaged .*{again}"):
        read_visibility(run, config)
    path.write_text(json.dumps(sealed(Visibility(np.full(24, 2.0), np.zeros(24), 0.5).to_json())))
    with pytest.raises(RunError, match=rf"calibration\.json is not the one that was written for this run: .*{again}"):
        read_visibility(run, config)
    path.unlink()
    with pytest.raises(RunError, match=rf"calibration\.json is missing, and without it the answers would be.*{again}"):
        read_visibility(run, config)


def test_a_training_that_goes_on_has_no_calibration_until_its_end(tmp_path, net):
    run = sealed_run(tmp_path / "run", net)
    path = write_calibration(run)
    save_model(run, net, 3, 0.05, keep=2)
    path.unlink()
    assert read_visibility(run, read_keypoint_config(run)) is None
    write_calibration(run)
    with suppress(ZeroDivisionError), calibrated(run):  # stopped while the calibration is made again
        path.unlink()
        raise ZeroDivisionError
    assert read_visibility(run, read_keypoint_config(run)) is None


def test_the_best_model_is_noted_again_with_its_calibration(tmp_path, net):
    run = sealed_run(tmp_path / "run", net)
    (run / "best.json").unlink()
    path = write_calibration(run)
    best = read_best(run)
    assert best is not None and (best["epoch"], best["score"]) == (2, 0.1)
    assert best["calibration_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_best_model_of_an_earlier_version_says_nothing_of_the_calibration(tmp_path, net):
    run = sealed_run(tmp_path / "run", net)
    best = json.loads((run / "best.json").read_text())
    older = {name: best[name] for name in ("file", "sha256", "epoch", "score")}
    for content in (sealed(older), older):
        (run / "best.json").write_text(json.dumps(content))
        assert read_visibility(run, read_keypoint_config(run)) is None


@pytest.mark.parametrize(
    "text", ["\nx,y\n", "\n\0", "loss\n", "x,epoch\n1\n", "epoch\nx\n", "epoch,loss\n1\n", "epoch\n2\n4\n", "\xff"]
)
def test_a_history_that_is_none_is_named(tmp_path, text):
    (tmp_path / "history.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(
        RunError, match=r"history\.csv is damaged .*: aifashion train --resume --load RUN writes it again"
    ):
        epochs_done(tmp_path)


@pytest.mark.parametrize("epochs", ["3", 0, True, 2.5, []])
def test_epochs_that_are_no_number_are_named(tmp_path, net, epochs):
    run = sealed_run(tmp_path / "run", net)
    config = json.loads(read_config(run)) | {"epochs": epochs}
    (run / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match=r"config\.json is damaged \(epochs = .* is not a whole number from 1 up\)"):
        epochs_asked(run)
    with pytest.raises(RunError, match=r"no finished run \(run: .*config\.json is damaged"):
        find_trained_run(tmp_path)


def test_a_resume_needs_every_field(tmp_path, net):
    run = sealed_run(tmp_path / "run", net)
    check_whole(run, KeypointConfig)
    config = json.loads(read_config(run))
    del config["epochs"], config["ema"]
    (run / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match=r"config\.json has lost epochs, ema, and a resume needs every field: restore"):
        check_whole(run, KeypointConfig)
