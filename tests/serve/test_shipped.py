import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from aifashion.config import AttributeConfig, KeypointConfig
from aifashion.data_gen.formats.challenges import ATTRIBUTE_TASKS, CATEGORIES
from aifashion.serve import shipped as module
from aifashion.serve.artifact import ArtifactError, Manifest
from aifashion.serve.shipped import CARD, SHIPPED, STAGES, WEIGHTS, or_shipped, shipped, shipped_weights

MOST = 12e6


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_is_whole_and_small(stage):
    manifest = Manifest.read(shipped(stage))  # checks every digest
    assert manifest.stage == stage and {WEIGHTS, CARD} < set(manifest.files)
    assert sum(path.stat().st_size for path in shipped(stage).iterdir()) <= MOST
    card = (shipped(stage) / CARD).read_text(encoding="utf-8")
    assert "Licence" in card and "synthetic" in card and "weights make" in card


def test_what_they_tell():
    keypoints, attributes = (Manifest.read(shipped(stage)) for stage in STAGES)
    assert keypoints.keypoint_config.vocabulary.categories == CATEGORIES and keypoints.visibility
    assert {head.name: head.classes for head in attributes.heads} == ATTRIBUTE_TASKS
    assert attributes.attribute_config.crop == "heatmap" and set(attributes.temperatures) == set(ATTRIBUTE_TASKS)
    kinds = {head.name: head.kind for head in attributes.heads}
    assert kinds["skirt_length"] == "ordinal" and kinds["lapel_design"] == "exclusive"


@pytest.mark.slow
def test_the_weights_are_those_of_the_artifact():
    import numpy as np

    from aifashion.data_gen.preprocess import letterboxed
    from aifashion.data_gen.synthetic.scene import render
    from aifashion.serve.runtime import load_network
    from aifashion.unet.predictors import attribute_predictor, trained_attribute_net

    manifest = Manifest.read(shipped("attributes"))
    config: AttributeConfig = manifest.attribute_config
    net = trained_attribute_net(config, manifest.heads, shipped_weights("attributes"))
    drawn = [render(np.random.default_rng(n), config.size, "dress").image for n in range(4)]
    images = np.stack([letterboxed(image, (config.size, config.size))[0] for image in drawn])
    expected, told = attribute_predictor(net)(images), load_network(shipped("attributes"))(images)
    for head in manifest.heads:
        apart = np.abs(told[f"logits_{head.name}"] - expected[head.name])
        assert apart.max() < 1e-3


def test_the_pair_recognises_a_drawn_garment_without_keras(tmp_path):
    code = f"""
import sys, json
from pathlib import Path
from aifashion.top import demo
demo.main(["--modelfile", "shipped", "--attributes", "shipped", "--outpath", {str(tmp_path)!r}, "--show", "False"])
assert "keras" not in sys.modules and "tensorflow" not in sys.modules
told = json.loads((Path({str(tmp_path)!r}) / "results.json").read_text())
right = [facts["category"] in facts["photo"] and facts["garment"] for facts in told]
assert len(told) == 5 and sum(right) >= 4, told
assert all(facts["attributes"] for facts in told)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_a_wheel_takes_all_of_it():
    root = Path(__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text())
    (pattern,) = project["tool"]["setuptools"]["package-data"]["aifashion.serve"]
    taken = set((root / "src" / "serve").glob(pattern))
    assert taken == {path for path in SHIPPED.rglob("*") if path.is_file()} and len(taken) >= 10


def test_the_word(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert or_shipped(Path("shipped"), "keypoints") == SHIPPED / "keypoints"
    assert or_shipped(Path("runs"), "keypoints") == Path("runs")
    Path("shipped").mkdir()
    assert or_shipped(Path("shipped"), "keypoints") == Path("shipped")


def test_a_package_without_them(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SHIPPED", tmp_path)
    with pytest.raises(ArtifactError, match="is missing: install the package again, or make the pair"):
        shipped("keypoints")
    with pytest.raises(ArtifactError, match="is missing"):
        shipped_weights("attributes")
    (tmp_path / "keypoints").mkdir()
    config = KeypointConfig(network="lite", size=64)
    (tmp_path / "keypoints" / "manifest.json").write_text(config.to_json())
    with pytest.raises(ArtifactError, match=r"model\.weights\.h5 is missing"):
        shipped_weights("keypoints")
