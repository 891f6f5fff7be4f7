from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pretended_recognition import Model
    from small_crops import Maps


@pytest.fixture
def crop_data(tmp_path: Path) -> Path:
    from small_crops import save_set

    save_set(tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def maps(monkeypatch, tmp_path: Path) -> "Maps":
    """What `aifashion data crop` uses in place of a trained keypoint network."""
    from small_crops import CONFIG, Maps, run_folder

    from aifashion.recognition.keypoint_model import KeypointModel
    from aifashion.top import crop_commands

    maps = Maps()
    model = KeypointModel(run_folder(tmp_path / "runs" / "2026_01_01"), CONFIG, maps, "argmax")
    monkeypatch.setattr(crop_commands, "load_keypoint_model", lambda run: model)
    return maps


@pytest.fixture
def model(monkeypatch) -> "Model":
    """What `aifashion predict` uses in place of networks."""
    from pretended_recognition import Model

    from aifashion.top import predict

    model = Model()
    monkeypatch.setattr(predict, "load_two_stage_model", lambda *runs: model)
    return model


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg", "c bad.jpg", "d.jpg"):
        (folder / name).write_bytes(b"")
    return folder
