import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from small_artifacts import small_manifest, write_artifact
from update_pair import update

from aifashion.files import SEAL, unsealed
from aifashion.serve.artifact import LAYOUT, MANIFEST, ArtifactError, Manifest, Stage
from aifashion.serve.shipped import CARD, STAGES, WEIGHTS, shipped
from aifashion.unet.compact_weights import is_compact, whole_weights


def arrays(path) -> dict[str, np.ndarray]:
    found = {}
    with whole_weights(path) as whole, h5py.File(whole) as file:
        file.visititems(lambda name, item: found.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
    return found


@pytest.fixture(params=STAGES)
def stage(request) -> Stage:
    return request.param


@pytest.fixture(params=range(1, LAYOUT))
def older(tmp_path, request, stage) -> Path:
    """A stage of the pair as it was written once: whole weights, an earlier layout, the names of its time."""
    folder = Path(shutil.copytree(shipped(stage), tmp_path / stage))
    with whole_weights(folder / WEIGHTS) as whole:
        shutil.copyfile(whole, tmp_path / "whole.h5")
    shutil.move(tmp_path / "whole.h5", folder / WEIGHTS)
    manifest = Manifest.read(shipped(stage))
    manifest.source["made_by"] = ["aifashion weights make --seed 1"]
    manifest.write(folder)
    facts = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    del facts[SEAL], facts["config"]["vocabulary_sha256"]
    if request.param == 1:
        del facts["vocabulary"], facts["inputs"]
    if stage == "attributes":
        facts["precision"] = {"float32": "f32"}[facts["precision"]]
        facts["config"] |= {"model": facts["config"].pop("network"), "crop": facts["config"]["crop"]["kind"]}
    (folder / MANIFEST).write_text(json.dumps(facts | {"layout": request.param}))
    return folder


def test_the_networks_and_their_numbers_stay(older, stage):
    files = {name: (older / name).read_bytes() for name in ("model.xml", "model.bin")}
    weights, before = arrays(older / WEIGHTS), Manifest.read(older)
    update(older)
    after = Manifest.read(older)
    assert {name: (older / name).read_bytes() for name in files} == files
    assert (after.visibility, after.temperatures, after.heads) == (before.visibility, before.temperatures, before.heads)
    assert (after.differences, after.vocabulary) == (before.differences, before.vocabulary)
    facts = json.loads((older / MANIFEST).read_text(encoding="utf-8"))
    assert facts["layout"] == LAYOUT and "vocabulary" in facts
    assert unsealed(facts).keys() == facts.keys() - {SEAL}  # the seal is right
    today = Manifest.read(shipped(stage))
    assert (after.config, after.precision, after.inputs) == (today.config, today.precision, today.inputs)
    assert after.source["made_by"] == ["python recipes/shipped_networks.py --seed 1"]
    assert is_compact(older / WEIGHTS)
    found = arrays(older / WEIGHTS)
    for name, expected in weights.items():
        np.testing.assert_allclose(found[name], expected, rtol=2**-10, atol=1e-6 * np.abs(expected).max())


def test_only_the_lines_on_files_and_commands_of_a_card_change(older):
    card = (older / CARD).read_text(encoding="utf-8").split("\n")
    update(older)
    changed = (older / CARD).read_text(encoding="utf-8").split("\n")
    pairs = [(one, two) for one, two in zip(card, changed, strict=True) if one != two]
    assert pairs and all(one.startswith(("- **Files**", "- **Made by**")) for one, _ in pairs)
    assert "- **Made by** `python recipes/shipped_networks.py --seed 1`, epoch 2" in "\n".join(changed)


def test_a_second_time_changes_nothing(older):
    update(older)
    files = {path.name: path.read_bytes() for path in older.iterdir()}
    update(older)
    assert {path.name: path.read_bytes() for path in older.iterdir()} == files


def refused(folder: Path, match: str) -> None:
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ArtifactError, match=match):
        update(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files


def test_a_manifest_that_was_changed_gets_no_new_seal(tmp_path, stage):
    folder = Path(shutil.copytree(shipped(stage), tmp_path / stage))
    facts = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    (folder / MANIFEST).write_text(json.dumps(facts | {"differences": {}}))
    refused(folder, f"it was changed since it was written: its {SEAL} does not match")


def test_an_artifact_that_is_no_part_of_a_pair_is_refused(tmp_path, stage):
    folder = write_artifact(tmp_path / stage, small_manifest(stage))
    refused(folder, r"manifest\.json does not say what made it, as a pair must \(source: made_by\)")
