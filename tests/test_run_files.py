"""Where a file of ours is expected, a named pipe is an error at once: no command waits for it, or passes it over."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from aifashion.config import KeypointConfig
from aifashion.data_gen.fetch import read_failures, write_failures
from aifashion.data_gen.split import load_or_make_split
from aifashion.recognition.attribute_model import read_calibration, read_heads
from aifashion.recognition.keypoint_model import read_visibility
from aifashion.recognition.network_digest import network_digest
from aifashion.recognition.photo_lists import read_photo_list
from aifashion.run_files import epochs_done, find_run, read_best, read_config, read_data_facts, read_index
from aifashion.serve.artifact import Manifest, is_artifact
from aifashion.serve.blobs import read_blob, write_blob
from aifashion.tasks.attribute_data import crop_rule_of
from aifashion.unet.backbones.hdf5_files import hdf5_fault
from aifashion.unet.runs import read_vocabulary_of, write_history
from aifashion.vocabulary import read_vocabulary

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")

READERS: list[tuple[str, Callable[[Path], object]]] = [
    ("config.json", read_config),
    ("config.json", lambda run: read_config(find_run(run))),
    ("index.json", lambda run: read_index(run, "")),
    ("best.json", read_best),
    ("best.json", network_digest),
    ("data.json", read_data_facts),
    ("history.csv", epochs_done),
    ("history.csv", lambda run: write_history(run, [], "")),
    ("vocabulary.json", read_vocabulary_of),
    ("heads.json", read_heads),
    ("calibration.json", read_calibration),
    ("calibration.json", lambda run: read_visibility(run, KeypointConfig())),
    ("crops.json", crop_rule_of),
    ("manifest.json", Manifest.read),
    ("manifest.json", network_digest),
    ("mine.toml", lambda folder: read_vocabulary(folder / "mine.toml")),
    ("train_split.csv", lambda folder: load_or_make_split(folder, [])),
    ("failed.csv", lambda folder: read_failures(folder / "failed.csv")),
    ("failed.csv", lambda folder: write_failures(folder / "failed.csv", [])),
    ("list.csv", lambda folder: read_photo_list(folder / "list.csv")),
]


@pytest.mark.parametrize(("name", "read"), READERS)
def test_nothing_waits_for_a_pipe_with_the_name_of_a_file(tmp_path: Path, name: str, read: Callable):
    os.mkfifo(tmp_path / name)
    if name == "train_split.csv":
        os.mkfifo(tmp_path / "val_split.csv")
    with pytest.raises((OSError, ValueError), match=rf"a named pipe; expected a file.*{name}|{name}.*a named pipe"):
        read(tmp_path)


def test_an_artifact_with_a_pipe_for_a_manifest_is_no_run(tmp_path: Path):
    os.mkfifo(tmp_path / "manifest.json")
    assert is_artifact(tmp_path)


def test_weights_and_compiled_networks_that_are_pipes(tmp_path: Path):
    os.mkfifo(tmp_path / "a")
    assert "named pipe" in hdf5_fault(tmp_path / "a")
    assert read_blob(tmp_path / "a") is None
    write_blob(tmp_path / "a", b"network")  # reports it, and goes on
    assert (tmp_path / "a").is_fifo()
