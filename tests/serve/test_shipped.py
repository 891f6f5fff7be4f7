import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from aifashion import vocabulary
from aifashion.config import AttributeConfig, KeypointConfig
from aifashion.data_gen.formats.challenges import ATTRIBUTE_TASKS, CATEGORIES
from aifashion.serve import shipped as module
from aifashion.serve.artifact import LAYOUT, MANIFEST, ArtifactError, Manifest
from aifashion.serve.shipped import CARD, SHIPPED, STAGES, WEIGHTS, or_shipped, shipped, shipped_weights

MOST = 12_000_000
"""Bytes of all that ships."""
FULL_NE = 0.0698854
"""NE of the keypoint network on the drawn photos below with the float32 weights that it was trained to, measured with
the Keras weights file before it became compact."""


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_is_whole(stage):
    manifest = Manifest.read(shipped(stage))  # checks every digest
    assert manifest.stage == stage and {WEIGHTS, CARD} < set(manifest.files)
    card = (shipped(stage) / CARD).read_text(encoding="utf-8")
    assert "Licence" in card and "synthetic" in card and "python recipes/photograph_networks.py" in card


@pytest.mark.parametrize("stage", STAGES)
def test_its_configuration_has_lost_nothing(stage, caplog):
    """A field that was added since has to be told as one: an older file has not lost it."""
    manifest = Manifest.read(shipped(stage))
    configs = {"attributes": "attribute_config", "keypoints": "keypoint_config", "detection": "detection_config"}
    assert getattr(manifest, configs[stage])
    assert not caplog.records


def test_all_of_it_is_small():
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()) <= MOST


def test_another_vocabulary_in_the_package_changes_no_answer(monkeypatch, tmp_path):
    name = "fashionai.toml"
    text = (vocabulary.FOLDER / name).read_text(encoding="utf-8")
    swapped = text.replace("waistband_left", "*").replace("waistband_right", "waistband_left")
    (tmp_path / name).write_text(swapped.replace("*", "waistband_right"), encoding="utf-8")
    monkeypatch.setattr(vocabulary, "FOLDER", tmp_path)
    assert vocabulary.load_vocabulary().keypoints[15] == "waistband_right"
    for stage in STAGES:
        facts = json.loads((shipped(stage) / MANIFEST).read_text(encoding="utf-8"))
        assert facts["layout"] == LAYOUT and facts["vocabulary"]["name"] == "fashionai"
        assert Manifest.read(shipped(stage)).vocabulary.keypoints[15] == "waistband_left"
    assert Manifest.read(shipped("keypoints")).keypoint_config.vocabulary.keypoints[15] == "waistband_left"
    assert Manifest.read(shipped("detection")).detection_config.vocabulary.keypoints[15] == "waistband_left"


def test_what_they_answer():
    detection, keypoints, attributes = (Manifest.read(shipped(stage)) for stage in STAGES)
    assert detection.detection_config.vocabulary.categories == CATEGORIES and detection.detection
    assert keypoints.keypoint_config.vocabulary.categories == CATEGORIES and keypoints.visibility
    assert {head.name: head.classes for head in attributes.heads} == ATTRIBUTE_TASKS
    assert attributes.attribute_config.crop.kind == "heatmap" and set(attributes.temperatures) == set(ATTRIBUTE_TASKS)
    kinds = {head.name: head.kind for head in attributes.heads}
    assert kinds["skirt_length"] == "ordinal" and kinds["lapel_design"] == "exclusive"


@pytest.mark.slow
def test_finetuning_starts_as_well_as_from_the_full_weights():
    import numpy as np

    from aifashion.data_gen.preprocess import letterboxed
    from aifashion.data_gen.synthetic.scene import render
    from aifashion.eval.keypoint_metrics import score_arrays
    from aifashion.unet.predictors import keypoint_predictor, trained_keypoint_net

    config: KeypointConfig = Manifest.read(shipped("keypoints")).keypoint_config
    predict = keypoint_predictor(trained_keypoint_net(config, shipped_weights("keypoints")))
    photos = [render(np.random.default_rng(n), config.size, CATEGORIES[n % 5]) for n in range(40)]
    images, frames = zip(*(letterboxed(photo.image, (config.size, config.size)) for photo in photos), strict=True)
    xy, _ = config.codec.decode(predict(np.stack(images))[0], config.decoder)
    score = score_arrays(
        np.stack([frame.back(points) for frame, points in zip(frames, xy, strict=True)]),
        np.stack([photo.keypoints.xy for photo in photos]),
        np.stack([photo.keypoints.state for photo in photos]),
        [photo.category for photo in photos],
        config.vocabulary,
    )
    assert abs(score.ne - FULL_NE) < 0.001


@pytest.mark.slow
def test_the_detector_to_finetune_is_that_of_the_artifact():
    import numpy as np

    from aifashion.data_gen.preprocess import letterboxed
    from aifashion.data_gen.synthetic.compose import render_scene
    from aifashion.serve.runtime import detection_predict, load_network
    from aifashion.unet.predictors import detection_predictor, trained_detection_net

    config = Manifest.read(shipped("detection")).detection_config
    net = trained_detection_net(config, shipped_weights("detection"))
    drawn = [render_scene(np.random.default_rng(n), 300).image for n in range(40)]
    images = np.stack([letterboxed(image, (config.size, config.size))[0] for image in drawn])
    expected, _ = detection_predict(load_network(shipped("detection")))(images)
    found, _ = detection_predictor(net)(images)
    # In int8, which rounds: where the artifact sees the middle of a garment, so does the network.
    assert np.abs(found - expected)[expected > 0.3].mean() < 0.1 and np.abs(found - expected).mean() < 0.01


@pytest.mark.slow
def test_the_classifier_to_finetune_is_that_of_the_artifact():
    import numpy as np

    from aifashion.data_gen.preprocess import letterboxed
    from aifashion.data_gen.synthetic.scene import render
    from aifashion.serve.runtime import load_network
    from aifashion.unet.predictors import attribute_predictor, trained_attribute_net

    manifest = Manifest.read(shipped("attributes"))
    config: AttributeConfig = manifest.attribute_config
    net = trained_attribute_net(config, manifest.heads, shipped_weights("attributes"))
    drawn = [render(np.random.default_rng(n), config.size, CATEGORIES[n % 5]).image for n in range(40)]
    images = np.stack([letterboxed(image, (config.size, config.size))[0] for image in drawn])
    expected, found = load_network(shipped("attributes"))(images), attribute_predictor(net)(images)
    for head in manifest.heads:  # in int8, which rounds: a few classes are decided otherwise
        logits = expected[f"logits_{head.name}"]
        assert np.abs(found[head.name] - logits).mean() < 0.2 * logits.std(), head.name
        assert (found[head.name].argmax(axis=1) == logits.argmax(axis=1)).mean() >= 0.9, head.name


def test_they_recognise_drawn_garments_without_keras(tmp_path):
    code = f"""
import sys, json
from pathlib import Path
from aifashion.top import demo
demo.main(["--model", "shipped", "--attributes", "shipped", "--out", {str(tmp_path)!r}, "--no-show"])
demo.main(["--garments", "all", "--out", {str(tmp_path / "all")!r}, "--no-show"])
assert "keras" not in sys.modules and "tensorflow" not in sys.modules
rows = json.loads((Path({str(tmp_path)!r}) / "results.json").read_text())
right = [facts["category"] in facts["photo"] and facts["garment"] for facts in rows]
assert len(rows) == 5 and sum(right) >= 4, rows
assert all(facts["attributes"] for facts in rows)
*_, street = json.loads((Path({str(tmp_path)!r}) / "all" / "results.json").read_text())
assert sorted(garment["category"] for garment in street["garments"]) == ["blouse", "outwear", "trousers"]
assert all(garment["attributes"] for garment in street["garments"])
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_a_wheel_takes_all_of_it():
    root = Path(__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text())
    (pattern,) = project["tool"]["setuptools"]["package-data"]["aifashion.serve"]
    taken = set((root / "src" / "serve").resolve().glob(pattern))
    assert taken == {path for path in SHIPPED.resolve().rglob("*") if path.is_file()} and len(taken) >= 15


def test_the_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert or_shipped(Path("shipped"), "keypoints") == SHIPPED / "keypoints"
    assert or_shipped(Path("runs"), "keypoints") == Path("runs")
    Path("shipped").mkdir()
    assert or_shipped(Path("shipped"), "keypoints") == Path("shipped")


def test_a_package_without_them(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SHIPPED", tmp_path)
    with pytest.raises(ArtifactError, match="is missing: install the package again, or make the networks"):
        shipped("keypoints")
    with pytest.raises(ArtifactError, match="detection is missing"):
        shipped("detection")
    with pytest.raises(ArtifactError, match="is missing"):
        shipped_weights("attributes")
    (tmp_path / "keypoints").mkdir()
    config = KeypointConfig(network="lite", size=64)
    (tmp_path / "keypoints" / "manifest.json").write_text(config.to_json())
    with pytest.raises(ArtifactError, match=r"model\.weights\.h5 is missing"):
        shipped_weights("keypoints")
