import shutil

import pytest

from aifashion.recognition.network_digest import network_digest
from aifashion.serve.shipped import SHIPPED
from small_runs import keep_model


def test_whatever_answers_depend_on_changes_it(bare_run):
    keep_model(bare_run)
    (bare_run / "calibration.json").write_text("{}")
    found = [network_digest(bare_run)]
    assert network_digest(bare_run) == found[0] and len(found[0]) == 12
    for name in ("config.json", "calibration.json", "best.json", "heads.json", "vocabulary.json"):
        with (bare_run / name).open("a") as file:
            file.write(" ")
        found.append(network_digest(bare_run))
    (bare_run / "calibration.json").rename(bare_run / "calibration.txt")
    found.append(network_digest(bare_run))
    assert len(set(found)) == 7


def test_of_an_artifact_it_is_that_of_the_manifest(tmp_path):
    shutil.copy(SHIPPED / "keypoints" / "manifest.json", tmp_path)
    assert network_digest(tmp_path) == network_digest(SHIPPED / "keypoints") != network_digest(SHIPPED / "attributes")


def test_a_folder_of_neither(tmp_path):
    with pytest.raises(OSError, match=r"best\.json"):
        network_digest(tmp_path)
