import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from installing import Part, check_out, install
from small_artifacts import NETWORK, small_manifest, write_artifact

from aifashion.serve.artifact import Manifest
from aifashion.serve.shipped import CARD, STAGES, WEIGHTS


def part(folder: Path, stage, text: str = "one") -> Part:
    """Of a run in `folder`, exported."""
    run, artifact = folder / "runs" / stage / f"2026_01_01_{text}", folder / stage / "artifact"
    run.mkdir(parents=True)
    with h5py.File(run / "best.h5", "w") as file:
        file["kernel"] = np.full((3, 3), len(text))
    manifest = replace(small_manifest(stage), source={"run": run.name})
    write_artifact(artifact, manifest, NETWORK | {"model.bin": text})

    def card(beside: Path) -> str:
        return f"{text}, with {', '.join(sorted(Manifest.read(beside).files))}"

    return Part(stage, artifact, run, run / "best.h5", [f"aifashion {text}"], card)


NAMES = {3: "one", 5: "three"}
"""Networks by the number in their weights."""


def kernel(path: Path) -> int:
    with h5py.File(path) as file:
        assert file["kernel"].dtype == np.float16
        return int(file["kernel"][0, 0])


def trio(folder: Path, text: str = "one") -> list[Part]:
    return [part(folder, stage, text) for stage in STAGES]


def texts(out: Path) -> list[str]:
    """What weights and cards of a whole set of networks were made of; its manifests have every file's digest."""
    manifests = [Manifest.read(out / stage) for stage in STAGES]
    assert all({WEIGHTS, CARD, "model.xml"} < set(manifest.files) for manifest in manifests)
    weights = [NAMES[kernel(out / stage / WEIGHTS)] for stage in STAGES]
    return weights + [(out / stage / CARD).read_text().partition(",")[0] for stage in STAGES]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_networks_take_the_place_of_the_one_before(tmp_path):
    out = tmp_path / "networks"
    install(out, trio(tmp_path / "a"))
    assert (out / "keypoints" / CARD).read_text() == "one, with model.bin, model.weights.h5, model.xml"
    assert Manifest.read(out / "attributes").source["made_by"] == ["aifashion one"]
    install(out, trio(tmp_path / "b", "three"))
    assert texts(out) == ["three"] * 6 and names(out) == sorted(STAGES)
    assert "made_by" not in Manifest.read(tmp_path / "b" / "keypoints" / "artifact").source


def test_networks_that_cannot_all_be_made_leave_those_before(tmp_path):
    out = tmp_path / "networks"
    install(out, trio(tmp_path / "a"))
    parts = trio(tmp_path / "b", "three")
    parts[1].weights.unlink()
    with pytest.raises(FileNotFoundError, match=r"best\.h5"):
        install(out, parts)
    assert texts(out) == ["one"] * 6


def test_whoever_is_stopped_while_old_networks_are_removed_has_whole_ones(tmp_path, monkeypatch):
    out = tmp_path / "networks"
    install(out, trio(tmp_path / "a"))
    parts, remove = trio(tmp_path / "b", "three"), shutil.rmtree

    def stopped(path: Path, ignore_errors: bool = False) -> None:
        if not path.exists():
            return
        next(file for file in path.rglob("*") if file.is_file()).unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", stopped)
    with pytest.raises(KeyboardInterrupt):
        install(out, parts)
    assert sorted(texts(out)) == ["one"] * 4 + ["three"] * 2  # each stage is whole
    monkeypatch.setattr(shutil, "rmtree", remove)
    install(out, parts)
    assert texts(out) == ["three"] * 6 and names(out) == sorted(STAGES)


def test_an_artifact_of_another_run_is_refused(tmp_path):
    out = tmp_path / "networks"
    install(out, trio(tmp_path / "a"))
    parts = trio(tmp_path / "b", "three")
    stale = part(tmp_path / "b", "attributes", "older").artifact
    expected = (
        rf"{stale} was exported from the run 2026_01_01_older, but the last phase's run is .*2026_01_01_three: delete"
    )
    with pytest.raises(ValueError, match=f"{expected} {stale.parent}, .* and run the recipe again"):
        install(out, parts)
    assert texts(out) == ["one"] * 6 and names(out) == sorted(STAGES)


def test_places_that_hold_other_things(tmp_path):
    check_out(tmp_path / "new")
    (tmp_path / "networks" / ".keypoints").mkdir(parents=True)  # left by a call that was cut short
    (tmp_path / "networks" / "keypoints").mkdir()
    check_out(tmp_path / "networks")
    shutil.copytree(part(tmp_path / "a", "attributes").artifact, tmp_path / "networks" / "attributes")
    check_out(tmp_path / "networks")
    thesis = tmp_path / "networks" / "keypoints" / "thesis.txt"
    thesis.write_text("years of work")
    with pytest.raises(FileExistsError, match="keypoints holds other things than an artifact: choose another --out"):
        check_out(tmp_path / "networks")
    with pytest.raises(FileExistsError, match=r"holds other things \(thesis\.txt\); choose another --out"):
        check_out(thesis.parent)
    with pytest.raises(FileExistsError, match=r"thesis\.txt is a file; .*: choose another --out"):
        check_out(thesis)
