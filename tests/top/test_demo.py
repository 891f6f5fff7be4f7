import json
from pathlib import Path

import pytest
from PIL import Image

from aifashion.data_gen.formats.challenges import CATEGORIES, CATEGORY_KEYPOINTS
from aifashion.top import demo
from small_runs import spoil


def photos_of(data: Path, category: str) -> list[Path]:
    return sorted((data / "test" / "Images" / category).iterdir())


def facts_in(folder: Path) -> list[dict]:
    return json.loads((folder / "results.json").read_text())


def test_no_photos(fails, tmp_path, bare_run):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("")
    error = fails(demo.main, tmp_path / "empty", "--modelfile", bare_run, "--outpath", tmp_path / "out")
    assert f"no photos (.bmp, .jpeg, .jpg, .png, .tif, .tiff, .webp) in {tmp_path / 'empty'}" in error


def test_no_run(fails, tmp_path):
    assert "no run in " in fails(demo.main, "--modelfile", tmp_path, "--outpath", tmp_path / "out")


@pytest.mark.slow
def test_a_folder_of_photos(skirt_run, own_data, tmp_path, capsys):
    folder, out = own_data / "test" / "Images" / "skirt", tmp_path / "out"
    demo.main([str(folder), "--modelfile", str(skirt_run), "--outpath", str(out), "--category", "skirt"])
    photos = photos_of(own_data, "skirt")
    text = capsys.readouterr().out
    assert f"Wrote {len(photos)} pictures, their crops and results.json to {out}; 0 photos left out" in text
    assert {path.name for path in out.iterdir()} == {f"{p.stem}.jpg" for p in photos} | {"crops", "results.json"}
    assert {path.name for path in (out / "crops").iterdir()} == {f"{p.stem}.jpg" for p in photos}
    for facts, photo in zip(facts_in(out), photos, strict=True):
        assert facts["photo"] == str(photo) and facts["model"].startswith(str(skirt_run))
        assert (facts["category"], facts["category_probability"]) == ("skirt", None)
        assert set(facts["keypoints"]) == set(CATEGORY_KEYPOINTS["skirt"])
        with Image.open(photo) as image:
            assert (facts["width"], facts["height"]) == image.size
        for point in facts["keypoints"].values():
            assert 0 <= point["x"] < facts["width"] and 0 <= point["y"] < facts["height"]
            assert 0 <= point["score"] <= 1 and 0 <= point["visible"] <= 1
        assert facts["garment"] in (True, False)
        left, top, right, bottom = facts["region"] or (0, 0, facts["width"], facts["height"])
        with Image.open(out / facts["crop"]) as crop:
            assert crop.size == (right - left, bottom - top)
        with Image.open(out / f"{photo.stem}.jpg") as picture:
            picture.load()
            assert picture.width > picture.height


@pytest.mark.slow
def test_the_network_tells_the_category(all_run, data, tmp_path):
    photo = photos_of(data, "dress")[0]
    demo.main([str(photo), "--modelfile", str(all_run), "--outpath", str(tmp_path), "--augment", "True"])
    (facts,) = facts_in(tmp_path)
    assert facts["category"] in CATEGORIES and 1 / 5 <= facts["category_probability"] <= 1
    assert set(facts["keypoints"]) == set(CATEGORY_KEYPOINTS[facts["category"]])


@pytest.mark.slow
def test_without_photos_it_draws_its_own(all_run, tmp_path):
    demo.main(["--modelfile", str(all_run), "--outpath", str(tmp_path)])
    assert [Path(facts["photo"]).stem for facts in facts_in(tmp_path)] == [f"synthetic_{name}" for name in CATEGORIES]
    assert len(list((tmp_path / "photos").glob("*.jpg"))) == len(CATEGORIES)


@pytest.mark.slow
def test_photos_that_cannot_be_read_are_left_out(skirt_run, own_data, tmp_path, capsys, fails):
    good, other = photos_of(own_data, "skirt")[0], photos_of(own_data, "dress")[0]
    bad = spoil(other)
    namesake = bad.with_name(good.name)
    namesake.write_bytes(good.read_bytes())
    words = ["--modelfile", str(skirt_run), "--outpath", str(tmp_path / "out"), "--show", "False"]
    demo.main([str(good), str(bad), str(namesake), *words])
    text = capsys.readouterr().out
    assert "left out: " in text and bad.name in text
    assert "Wrote 2 pictures" in text and "; 1 photos left out" in text
    told = facts_in(tmp_path / "out")
    assert [facts.get("picture") for facts in told] == [f"{good.stem}.jpg", None, f"{good.stem}_2.jpg"]
    assert bad.name in told[1]["error"] and "keypoints" not in told[1]
    assert "none of the photos could be read" in fails(demo.main, bad, own_data / "nowhere.jpg", *words)


@pytest.mark.slow
def test_a_category_that_the_run_does_not_know(skirt_run, data, tmp_path, fails):
    words = [photos_of(data, "dress")[0], "--modelfile", skirt_run, "--outpath", tmp_path / "out", "--category"]
    assert "unknown category 'dress'; expected" in fails(demo.main, *words, "dress")
    assert "unknown category 'hat'; expected" in fails(demo.main, *words, "hat")
