"""Settings of all tests."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes depends on what else the machine does; times are measured in benchmarks/ alone.
settings.register_profile("aifashion", deadline=None)
settings.load_profile("aifashion")

# The commands that are tested are none of the user's.
os.environ["AIFASHION_RUN_LOG"] = ""
# Nor do they leave anything in the user's folders.
os.environ["AIFASHION_CACHE"] = ""


@pytest.fixture(autouse=True)
def same_environment(monkeypatch):
    """Commands choose devices and the like through the environment; undo it, and keep pictures from being shown."""
    for name in ("CUDA_VISIBLE_DEVICES", "TF_DETERMINISTIC_OPS"):
        value = os.environ.get(name, "")
        monkeypatch.setenv(name, value)
        if not value:
            os.environ.pop(name)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def fails(capsys) -> Callable[..., str]:
    """Calls a command that must end with exit code 1 and gives its error."""

    def call(main: Callable, *words: object) -> str:
        with pytest.raises(SystemExit) as caught:
            main([str(word) for word in words])
        text = capsys.readouterr().err
        assert caught.value.code == 1 and text.count("error: ") == 1 and "Traceback" not in text, text
        return text.partition("error: ")[2].rstrip()

    return call


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    """60 synthetic photos to train on, some 20 of them for validation, and 12 to test; to be read only."""
    from aifashion.data_gen.synthetic.writer import write_dataset

    folder = tmp_path_factory.mktemp("synthetic") / "data"
    write_dataset(folder, 60, seed=0, size=96, test_count=12)
    return folder


@pytest.fixture
def own_data(data, tmp_path) -> Path:
    """A copy of `data` to spoil, without the split that an earlier test may have made in it."""
    return Path(shutil.copytree(data, tmp_path / "data", ignore=shutil.ignore_patterns("*_split.csv")))


@pytest.fixture(scope="session")
def skirt_run(data, tmp_path_factory) -> Path:
    from small_runs import train_run

    return train_run(data, tmp_path_factory.mktemp("runs"), "--category", "skirt", "--epochs", "1")


@pytest.fixture(scope="session")
def all_run(data, tmp_path_factory) -> Path:
    from small_runs import train_run

    return train_run(data, tmp_path_factory.mktemp("runs"), "--category", "all", "--epochs", "2")


@pytest.fixture
def bare_run(tmp_path) -> Path:
    """A run that was stopped before its first state."""
    from aifashion.config import KeypointConfig

    run = tmp_path / "runs" / "all" / "2026_01_01_00_00_00"
    run.mkdir(parents=True)
    run.joinpath("config.json").write_text(KeypointConfig(network="lite", size=64, batch_size=4).to_json())
    return run
