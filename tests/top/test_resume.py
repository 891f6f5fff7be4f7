"""Training that is killed at any moment and resumed ends with the same bits as training that was not."""

import json
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import safetensors.numpy

from aifashion.data_gen.synthetic.writer import write_dataset
from aifashion.top import train

pytestmark = pytest.mark.slow

OPTIONS = "--category all --network lite --size 64 --epochs 3 --batch-size 4 --save-every 2 --val-fraction 0.3"
PATIENCE = 900  # seconds, for a machine that has other things to do


def start(output: Path, data: Path, *words: str) -> subprocess.Popen:
    command = [sys.executable, train.__file__, "--data", str(data), "--out", str(output), *words]
    output.mkdir(exist_ok=True)
    with (output / "log.txt").open("a") as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)


def finish(process: subprocess.Popen, output: Path) -> Path:
    """The run folder of a training that ends well."""
    try:
        assert process.wait(PATIENCE) == 0, (output / "log.txt").read_text()
    finally:
        process.kill()
    (run,) = output.glob("all/*")
    return run


def kill_when(process: subprocess.Popen, output: Path, moment: Callable[[Path], bool]) -> None:
    """Kills the training as soon as `moment` holds of its run folder, while it is still at work."""
    deadline = time.monotonic() + PATIENCE
    try:
        while not any(moment(run) for run in output.glob("all/*")):
            assert process.poll() is None, f"it ended before the moment came: {(output / 'log.txt').read_text()}"
            assert time.monotonic() < deadline
            time.sleep(0.001)
    finally:
        process.kill()
        code = process.wait()
    assert code != 0, (output / "log.txt").read_text()


def states_of(run: Path) -> list[str]:
    try:
        return [entry["file"] for entry in json.loads((run / "states" / "index.json").read_text())]
    except FileNotFoundError:
        return []


def after_state(epoch: int, step: int) -> Callable[[Path], bool]:
    return lambda run: f"epoch_{epoch:03d}_step_{step:07d}.safetensors" in states_of(run)


def while_writing(folder: str, name: str) -> Callable[[Path], bool]:
    """While a file of that name is being written beside its place, or has just come to it."""
    return lambda run: any((run / folder).glob(f".*{name}")) or (run / folder / name).exists()


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_dataset(folder, 24, seed=1, size=96, test_count=1)
    return folder


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory) -> tuple[Path, float]:
    """A run that was never stopped, and the seconds from its first state to its end."""
    output = tmp_path_factory.mktemp("whole")
    process = start(output, data, *OPTIONS.split())
    while not any(states_of(run) for run in output.glob("all/*")):
        assert process.poll() is None, (output / "log.txt").read_text()
        time.sleep(0.01)
    begun = time.monotonic()
    return finish(process, output), time.monotonic() - begun


def arrays_in(model: Path) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    with h5py.File(model) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def check_same_arrays(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert list(found) == list(expected) and len(found) > 50
    assert [name for name in found if found[name].tobytes() != expected[name].tobytes()] == []


def check_same_run(run: Path, whole: Path) -> None:
    for name in ("config.json", "data.json", "history.csv", "val.log"):
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name
    assert len((run / "val.log").read_text().splitlines()) == 3
    assert states_of(run) == states_of(whole)
    for name in states_of(run):
        check_same_arrays(*(safetensors.numpy.load_file(r / "states" / name) for r in (run, whole)))
    models = sorted(path.name for path in (whole / "models").glob("*.h5"))
    assert sorted(path.name for path in (run / "models").glob("*.h5")) == models and len(models) == 3
    for name in models:
        check_same_arrays(*(arrays_in(r / "models" / name) for r in (run, whole)))
    best, other = (json.loads((r / "best.json").read_text()) for r in (run, whole))
    assert (best["epoch"], best["score"]) == (other["epoch"], other["score"])


def test_killed_and_resumed_again_and_again(data, whole, tmp_path):
    process = start(tmp_path, data, *OPTIONS.split())
    kill_when(process, tmp_path, lambda run: (run / "config.json").exists())
    (run,) = tmp_path.glob("all/*")
    # Whatever came after the configuration was a matter of milliseconds: it may not have come.
    shutil.rmtree(run / "states", ignore_errors=True)
    (run / "data.json").unlink(missing_ok=True)

    resume = ("--resume", "--save-every", "2")
    process = start(tmp_path, data, *resume)
    kill_when(process, tmp_path, after_state(1, 0))  # before the first step
    assert "Resumed" not in (tmp_path / "log.txt").read_text()
    for moment in (
        while_writing("states", "epoch_001_step_0000002.safetensors"),
        after_state(2, 2),
        while_writing("models", "epoch_002.weights.h5"),  # after validating
    ):
        process = start(tmp_path, data, *resume)
        kill_when(process, tmp_path, moment)
    check_same_run(finish(start(tmp_path, data, *resume), tmp_path), whole[0])
    assert "Resumed" in (tmp_path / "log.txt").read_text()


def test_training_says_nothing_but_what_it_does(whole):
    log = (whole[0].parent.parent / "log.txt").read_text()
    assert "Best: epoch" in log
    assert not [line for line in log.splitlines() if re.search("absl|0000 00:00|[Ww]arning|WARNING", line)]


def test_killed_at_any_time(data, whole, tmp_path):
    run, seconds = whole
    share = random.SystemRandom().random()
    print(f"killed {share:.3f} of the way")
    process = start(tmp_path, data, *OPTIONS.split())
    due: list[float] = []

    def moment(killed: Path) -> bool:
        if not due and states_of(killed):
            due.append(time.monotonic() + 0.9 * share * seconds)
        return bool(due) and time.monotonic() >= due[0]

    try:
        kill_when(process, tmp_path, moment)
    except AssertionError:
        assert process.wait() == 0  # a faster machine than a moment ago: it had ended
    process = start(tmp_path, data, "--resume", "--save-every", "2")
    check_same_run(finish(process, tmp_path), run)
