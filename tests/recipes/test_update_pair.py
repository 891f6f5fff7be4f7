import json
import shutil

import h5py
import numpy as np
import pytest
from update_pair import update

from aifashion.serve.artifact import LAYOUT, MANIFEST, Manifest
from aifashion.serve.shipped import CARD, STAGES, WEIGHTS, shipped
from aifashion.unet.compact_weights import is_compact, whole_weights


def arrays(path) -> dict[str, np.ndarray]:
    found = {}
    with whole_weights(path) as whole, h5py.File(whole) as file:
        file.visititems(lambda name, item: found.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
    return found


@pytest.fixture(params=STAGES)
def older(tmp_path, request):
    """A stage of the pair as it was written once: whole weights, layout 1, the names of its time."""
    folder = shutil.copytree(shipped(request.param), tmp_path / request.param)
    with whole_weights(folder / WEIGHTS) as whole:
        shutil.copyfile(whole, tmp_path / "whole.h5")
    shutil.move(tmp_path / "whole.h5", folder / WEIGHTS)
    manifest = Manifest.read(shipped(request.param))
    manifest.source["made_by"] = ["aifashion weights make --seed 1"]
    manifest.write(folder)
    facts = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    del facts["vocabulary"], facts["inputs"]
    (folder / MANIFEST).write_text(json.dumps(facts | {"layout": LAYOUT - 1}))
    return folder


def test_the_networks_and_their_numbers_stay(older):
    files = {name: (older / name).read_bytes() for name in ("model.xml", "model.bin")}
    weights, before = arrays(older / WEIGHTS), Manifest.read(older)
    update(older)
    after = Manifest.read(older)
    assert {name: (older / name).read_bytes() for name in files} == files
    assert (after.visibility, after.temperatures, after.heads) == (before.visibility, before.temperatures, before.heads)
    assert (after.differences, after.vocabulary) == (before.differences, before.vocabulary)
    facts = json.loads((older / MANIFEST).read_text(encoding="utf-8"))
    assert facts["layout"] == LAYOUT and "vocabulary" in facts
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
