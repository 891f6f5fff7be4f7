"""Parts of run folders: states and models that say which they are of, and what damages them."""

import errno
import json
import math
import os
import stat
from pathlib import Path

import keras
import numpy as np
import pytest

from aifashion.config import KeypointConfig
from aifashion.files import sealed
from aifashion.tasks.resuming import data_facts
from aifashion.unet.runs import (
    State,
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


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def change(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


def tiny_net(units: int = 2) -> keras.Model:
    image = keras.Input((3,), name="image")
    return keras.Model(image, keras.layers.Dense(units, name="only")(image), name="tiny")


def save_epochs(run: Path, net: keras.Model, scores: list[float], keep: int = 2) -> None:
    """The model of epoch e has all weights e."""
    for epoch, score in enumerate(scores, start=1):
        net.set_weights([np.full(weight.shape, float(epoch)) for weight in net.weights])
        save_model(run, net, epoch, score, keep)


def epochs_kept(run: Path) -> list[int]:
    return [int(name[6:9]) for name in files_in(run / "models") if name.endswith(".weights.h5")]


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
