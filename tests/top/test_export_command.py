import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aifashion.recognition.keypoint_model import load_keypoint_model
from aifashion.serve.artifact import Manifest
from aifashion.tasks import spread
from aifashion.tasks.keypoints import KeypointTask
from aifashion.top import demo, evaluate, export, predict, test
from aifashion.unet.runs import read_keypoint_config

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def artifact(all_run, data, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("exports") / "float32"
    export.main([str(all_run), "--data", str(data), "--out", str(out)])
    return out


def test_the_manifest_has_where_it_comes_from_and_how_far_it_differs(all_run, artifact):
    manifest = Manifest.read(artifact)
    assert manifest.source["run"] == all_run.name and manifest.source["epoch"] in (1, 2)
    assert manifest.keypoint_config == read_keypoint_config(all_run)
    assert load_keypoint_model(artifact).visibility.to_json() == load_keypoint_model(all_run).visibility.to_json()
    assert manifest.differences["points_px"] < 1e-3 and manifest.differences["photos"] > 5


def test_a_test_set_gets_the_same_submission(all_run, artifact, data, tmp_path):
    for name, model in (("run", all_run), ("artifact", artifact)):
        test.main(["--model", str(model), "--data", str(data), "--out", str(tmp_path / name)])
    run, own = (pd.read_csv(tmp_path / name / "submission.csv") for name in ("run", "artifact"))
    assert list(run.columns) == list(own.columns) and len(run) == 12
    points = [c for c in run.columns if c not in ("image_id", "image_category")]
    for column in points:
        told = np.array([run[column].str.split("_", expand=True), own[column].str.split("_", expand=True)], float)
        assert np.abs(told[0] - told[1]).max() <= 1, column  # pixels are rounded


def test_the_other_commands_take_it_too(all_run, artifact, data, tmp_path, capsys):
    photos = data / "test" / "Images" / "skirt"
    demo.main([str(photos), "--model", str(artifact), "--out", str(tmp_path / "demo"), "--no-show"])
    assert len(list((tmp_path / "demo").glob("*.jpg"))) == len(list(photos.iterdir()))
    tables = []
    for name, model in (("run", all_run), ("artifact", artifact)):
        out = tmp_path / f"{name}.json"
        predict.main([str(data / "test" / "Images"), "--out", str(out), "--model", str(model)])
        tables.append(json.loads(out.read_text()))
        numbers = tmp_path / f"{name}_score.json"
        evaluate.main([str(model), "--data", str(data), "--json", str(numbers)])
    assert [row["category"] for row in tables[0]] == [row["category"] for row in tables[1]]
    scores = [json.loads((tmp_path / f"{name}_score.json").read_text()) for name in ("run", "artifact")]
    assert scores[0] == pytest.approx(scores[1], abs=1e-3, nan_ok=True)


def test_another_size_and_the_mirror_image_are_part_of_it(all_run, data, tmp_path):
    out = tmp_path / "large"
    export.main([str(all_run), "--data", str(data), "--out", str(out), "--size", "96", "--flip"])
    model = load_keypoint_model(out)
    assert model.config.size == 96 and Manifest.read(out).flip
    heatmaps, _ = model.maps(np.zeros((2, 96, 96, 3), np.uint8))
    # A grey image is its own mirror image, and so is what is told of it, left and right exchanged.
    np.testing.assert_allclose(heatmaps, heatmaps[:, :, ::-1][..., model.vocabulary.twins], atol=1e-5)


def test_int8_is_scored_on_validation_photos(all_run, data, tmp_path, monkeypatch):
    monkeypatch.setattr(KeypointTask, "measure_bound", 1.0)  # a network that has learned so little hangs on single bits
    words = ["--precision", "int8", "--photos", "8", "--data", str(data), "--out", str(tmp_path / "int8")]
    export.main([str(all_run), *words])
    differences = Manifest.read(tmp_path / "int8").differences
    assert differences["photos"] > 5 and 0 < differences["ne"] < 1 + differences["ne_of_run"]


@pytest.mark.parametrize(
    ("count", "most", "indices"), [(10, 4, [0, 3, 6, 9]), (3, 1000, [0, 1, 2]), (0, 4, []), (5, 1, [0])]
)
def test_what_is_measured_comes_from_all_of_a_list(count: int, most: int, indices: list[int]):
    # Lists are often grouped by task or category: their beginning would be of one alone.
    assert spread(count, most).tolist() == indices


def test_what_does_not_go_together_is_said(all_run, artifact, data, tmp_path, fails):
    said = fails(export.main, all_run, "--format", "onnx", "--precision", "bfloat16")
    assert "--format onnx is computed in float32 or int8, not in bfloat16" in said
    said = fails(test.main, "--model", artifact, "--data", data, "--epoch", "1", "--out", tmp_path)
    assert "is an artifact of one epoch" in said
    said = fails(demo.main, data / "test", "--model", all_run, "--attributes", artifact, "--out", tmp_path)
    assert "expected an attribute artifact, got a keypoint artifact" in said
    said = fails(export.main, all_run, "--precision", "bfloat16", "--data", tmp_path / "none")
    assert "none" in said


def test_the_shipped_networks_become_artifacts_of_other_formats(tmp_path, data):
    pytest.importorskip("tf2onnx")
    pytest.importorskip("onnxruntime")
    export.main(["shipped", "--format", "onnx", "--out", str(tmp_path / "all"), "--data", str(tmp_path)])
    for stage, name in (("detection", "heat"), ("keypoints", "points_px"), ("attributes", "probability")):
        manifest = Manifest.read(tmp_path / "all" / stage)
        assert (manifest.stage, manifest.format, manifest.precision) == (stage, "onnx", "float32")
        assert manifest.differences[name] < 1e-3 and manifest.source["exported_from"] == f"shipped {stage}"
        assert manifest.temperatures.keys() == {head.name for head in manifest.heads}
    words = ["--model", str(tmp_path / "all" / "keypoints"), "--attributes", str(tmp_path / "all" / "attributes")]
    tables = []
    for name, models in (("onnx", words), ("shipped", ["--model", "shipped", "--attributes", "shipped"])):
        predict.main([str(data / "test" / "Images"), "--out", str(tmp_path / f"{name}.json"), *models])
        tables.append(json.loads((tmp_path / f"{name}.json").read_text()))
    # Those that ship are in int8: where two categories are nearly as likely, they can choose the other.
    sure = [(one, two) for one, two in zip(*tables, strict=True) if two["category_probability"] > 0.7]
    assert len(sure) >= len(tables[0]) / 2 and all(one["category"] == two["category"] for one, two in sure)


def test_what_cannot_be_exported_is_said(artifact, fails):
    assert "is an artifact already" in fails(export.main, artifact)
    assert "--epoch goes with a run folder" in fails(export.main, "shipped", "--epoch", "1")
    assert "--size -32; expected a number of px" in fails(export.main, artifact, "--size", "-32")
