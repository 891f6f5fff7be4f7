import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("onnxruntime")
import small_onnx
from aifashion.boxes import Detections
from aifashion.data_gen.detection_sets import write_detection_set
from aifashion.data_gen.formats.scenes import Scene
from aifashion.serve.combined_measure import CombinedNet
from aifashion.top import export_combined
from small_onnx import DETECTION, SKIRT, TROUSERS, painted


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("single")
    return small_onnx.detector(folder / "detector"), small_onnx.keypoints(folder / "keypoints")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> Path:
    """Three photos of two garments to train on, and as many to validate."""
    folder = tmp_path_factory.mktemp("scenes")
    parts: dict[str, list[Scene]] = {"train": [], "val": []}
    for n, size in enumerate([(200, 150), (128, 128), (90, 160)] * 2):
        path = folder / f"{n}.png"
        Image.fromarray(painted(size, (SKIRT, 7, 5, 16), (TROUSERS, 8, 11, 12))).save(path)
        one = Detections(np.array([[20.0, 30, 60, 70]]), np.array([0]), np.ones(1))
        parts["train" if n < 3 else "val"].append(Scene(path.name, path, one, np.zeros((0, 4)), size))
    write_detection_set(folder / "set", parts, DETECTION.vocabulary)
    return folder / "set"


def test_two_artifacts_become_one_file(folders, scenes, tmp_path, capsys):
    words = ["--detector", str(folders[0]), "--model", str(folders[1]), "--data", str(scenes)]
    export_combined.main([*words, "--out", str(tmp_path / "out"), "--limit", "1"])
    told = capsys.readouterr().out
    assert f"Wrote {tmp_path / 'out'} (" in told.replace("\n", "") and "photos 3, garments 3, alike 1" in told
    facts = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert facts["limit"] == 1 and facts["sources"]["detector"]["size"] == DETECTION.size
    garments, _ = CombinedNet.load(tmp_path / "out" / "combined.onnx").answer(painted((99, 77), (SKIRT, 7, 7, 16)))
    assert len(garments) == 1


def test_what_cannot_be_combined_is_said(folders, tmp_path, fails):
    def said(*words: object) -> str:
        return fails(export_combined.main, "--out", tmp_path / "out", *words)

    detector, keypoints = folders
    both = ("--detector", detector, "--model", keypoints)
    assert "is an artifact of keypoints; expected one of detection" in said(
        "--detector", keypoints, "--model", detector
    )
    assert "is in float32, not in int8: leave --precision out" in said(*both, "--precision", "int8")
    assert "a limit of 0 garments; expected 1 to 300" in said(*both, "--limit", "0")
    assert "no run in" in said("--detector", tmp_path / "none", "--model", keypoints)
    # Nothing of the colours that it knows is in drawn photos.
    assert "no garment is found in the 16 photos" in said(*both, "--data", tmp_path / "none")
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    assert "holds other things than an artifact" in said(*both)


@pytest.mark.slow
def test_a_run_is_exported_on_the_way(all_run, folders, scenes, tmp_path):
    out = tmp_path / "combined"
    words = ["--detector", str(folders[0]), "--model", str(all_run), "--data", str(scenes), "--out", str(out)]
    export_combined.main(words)
    facts = json.loads((out / "manifest.json").read_text())
    assert facts["sources"]["keypoints"]["source"]["run"] == all_run.name
    assert len(facts["categories"]) == 5 and facts["visibility"]
    assert facts["differences"]["garments"] == 6 and facts["differences"]["alike"] == 1
    assert {path.name for path in out.iterdir()} == {"combined.onnx", "manifest.json"}


@pytest.mark.slow
def test_the_shipped_networks_are_combined_by_default(tmp_path):
    export_combined.main(["--out", str(tmp_path / "combined"), "--data", str(tmp_path / "none"), "--limit", "3"])
    facts = json.loads((tmp_path / "combined" / "manifest.json").read_text())
    for stage, source in (("detection", "detector"), ("keypoints", "keypoints")):
        assert facts["sources"][source]["source"]["exported_from"] == f"shipped {stage}"
    assert facts["limit"] == 3 and facts["differences"]["garments"] > 0
