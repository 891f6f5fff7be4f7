import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aifashion import load
from aifashion.data_gen.formats.challenges import CATEGORIES
from aifashion.data_gen.synthetic.scene import render
from aifashion.files import locked
from aifashion.top import demo
from aifashion.vocabulary import load_vocabulary
from small_runs import spoil

KEYPOINTS = {category.name: set(category.keypoints) for category in load_vocabulary().definitions}


def photos_of(data: Path, category: str) -> list[Path]:
    return sorted((data / "test" / "Images" / category).iterdir())


def facts_in(folder: Path) -> list[dict]:
    return json.loads((folder / "results.json").read_text())


def test_no_photos(fails, tmp_path, bare_run):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("")
    error = fails(demo.main, tmp_path / "empty", "--model", bare_run, "--out", tmp_path / "out")
    assert "no photos (.avif, .bmp, " in error and str(tmp_path / "empty") in error


def test_a_category_that_the_shipped_networks_do_not_know(fails, tmp_path):
    error = fails(demo.main, "--model", "shipped", "--out", tmp_path / "out", "--category", "hat")
    assert "unknown category 'hat'; expected one of blouse" in error
    assert not (tmp_path / "out").exists()


def test_the_shipped_networks(own_data, tmp_path, capsys):
    photo, broken = photos_of(own_data, "skirt")[0], spoil(photos_of(own_data, "dress")[0])
    demo.main([str(photo), str(broken), "--model", "shipped", "--out", str(tmp_path / "out")])
    good, bad = facts_in(tmp_path / "out")
    garment = load("shipped")(photo)
    assert good == garment.to_dict() | {name: good[name] for name in ("picture", "crop", "model")}
    assert bad["error"].startswith(str(broken))
    text = capsys.readouterr().out
    assert (
        f"{photo}: {garment}\n" in text
        and f"{next(iter(garment.attributes)).replace('_', ' ')}: " in text
        and f"left out: {broken}" in text
    )
    with Image.open(tmp_path / "out" / good["crop"]) as crop, Image.open(tmp_path / "out" / good["picture"]) as picture:
        # A panel with lengths is beside those of `draw`.
        height, width = garment.draw().shape[:2]
        assert crop.size == garment.crop.shape[1::-1] and picture.height == height and picture.width > width + 100


def test_all_garments_of_a_photo_are_in_one_picture(tmp_path, capsys, fails):
    drawn = [render(np.random.default_rng(n), 200, name).image for n, name in enumerate(("skirt", "blouse"))]
    photo, plain, bad = tmp_path / "two.png", tmp_path / "plain.png", tmp_path / "bad.png"
    Image.fromarray(np.concatenate(drawn, axis=1)).save(photo)
    Image.fromarray(drawn[0]).save(plain)
    bad.write_bytes(b"no photo")
    boxes = tmp_path / "boxes.csv"
    rows = ["two.png,0,0,200,200,skirt,0.5", "two.png,200,0,400,200,blouse,0.75", "two.png,900,0,950,9,skirt,0.5"]
    boxes.write_text("photo,left,top,right,bottom,category,score\n" + "\n".join(rows) + "\n")
    out = tmp_path / "out"
    words = [str(photo), str(plain), str(bad), "--boxes", str(boxes), "--out", str(out)]
    demo.main(words)
    two, one, none = facts_in(out)
    assert [garment["category"] for garment in two["garments"]] == ["blouse", "skirt"]
    assert [garment["crop"] for garment in two["garments"]] == ["crops/two/0.jpg", "crops/two/1.jpg"]
    assert one["garments"][0]["garment"] is False and one["garments"][0]["box"] is None
    assert none["garments"] == [] and none["error"].startswith(str(bad))
    for facts in (two, one):
        for file in [facts["picture"], *(garment["crop"] for garment in facts["garments"])]:
            with Image.open(out / file) as picture:
                picture.load()
    text = capsys.readouterr().out
    assert "left out: the box 900, 0, 950, 9" in text and f"{photo}: blouse, " in text and f"{photo}: skirt, " in text
    assert "Wrote 2 pictures" in text
    demo.main([*words, "--garments", "largest"])
    assert [len(facts["garments"]) for facts in facts_in(out)] == [1, 1, 0]
    assert [path.name for path in (out / "crops" / "two").iterdir()] == ["0.jpg"]
    crop = out / "crops" / "two" / "0.jpg"
    assert "where crops are written" in fails(demo.main, photo, crop, "--boxes", boxes, "--out", out)
    error = fails(demo.main, photo, "--garments", "all", "--detector", "none", "--out", out)
    assert "--garments all needs boxes" in error


def test_without_photos_a_person_in_several_garments_is_drawn_where_garments_are_asked_for(tmp_path, capsys):
    demo.main(["--garments", "all", "--out", str(tmp_path)])
    *singles, street = facts_in(tmp_path)
    assert [Path(facts["photo"]).stem for facts in singles] == [f"synthetic_{name}" for name in CATEGORIES]
    assert Path(street["photo"]).stem == "synthetic_street" and len(street["garments"]) == 3
    assert len(list((tmp_path / "crops" / "synthetic_street").glob("*.jpg"))) == 3
    assert "no --detector: the detector is the shipped one" in capsys.readouterr().out


def test_no_run(fails, tmp_path):
    assert "no run in " in fails(demo.main, "--model", tmp_path, "--out", tmp_path / "out")


def test_a_picture_does_not_replace_its_photo(own_data, fails):
    photo = photos_of(own_data, "skirt")[0]
    before = photo.read_bytes()
    error = fails(demo.main, photo, "--model", "shipped", "--out", photo.parent)
    assert "would replace a photo: choose another --out" in error and photo.read_bytes() == before


def test_where_nothing_is_drawn_the_earlier_results_stay(own_data, tmp_path, fails):
    (tmp_path / "results.json").write_text("earlier")
    broken = spoil(photos_of(own_data, "dress")[0])
    assert "none of the 1 photos could be read" in fails(demo.main, broken, "--model", "shipped", "--out", tmp_path)
    assert (tmp_path / "results.json").read_text() == "earlier"


def test_an_output_that_is_no_folder(own_data, tmp_path, fails):
    (tmp_path / "file").write_text("mine")
    error = fails(demo.main, photos_of(own_data, "dress")[0], "--model", "shipped", "--out", tmp_path / "file")
    assert "is a file, a device or a pipe; expected a folder" in error and (tmp_path / "file").read_text() == "mine"


def test_two_demos_at_once(own_data, tmp_path, fails):
    with locked(tmp_path):
        error = fails(demo.main, photos_of(own_data, "dress")[0], "--model", "shipped", "--out", tmp_path)
    assert "another command is writing to" in error


def test_names_of_pictures_differ_on_every_disk():
    paths = [Path("a/x.jpg"), Path("b/X.png"), Path("c/x_2.jpg"), Path("caf\udce9.jpg")]
    assert demo._unique_names(paths) == ["x", "X_2", "x_2_2", "caf\\xe9"]


@pytest.mark.slow
def test_a_folder_of_photos(skirt_run, own_data, tmp_path, capsys):
    folder, out = own_data / "test" / "Images" / "skirt", tmp_path / "out"
    demo.main([str(folder), "--model", str(skirt_run), "--out", str(out), "--category", "skirt"])
    photos = photos_of(own_data, "skirt")
    text = capsys.readouterr().out
    assert f"Wrote {len(photos)} pictures, their crops and results.json to {out}; 0 photos left out" in text
    assert {path.name for path in out.iterdir()} == {f"{p.stem}.jpg" for p in photos} | {
        "crops",
        "results.json",
        ".lock",
    }
    assert {path.name for path in (out / "crops").iterdir()} == {f"{p.stem}.jpg" for p in photos}
    for facts, photo in zip(facts_in(out), photos, strict=True):
        assert facts["photo"] == str(photo) and facts["model"].startswith(str(skirt_run))
        assert (facts["category"], facts["category_probability"]) == ("skirt", None)
        assert set(facts["keypoints"]) == KEYPOINTS["skirt"]
        with Image.open(photo) as image:
            assert (facts["width"], facts["height"]) == image.size
        for point in facts["keypoints"].values():
            assert 0 <= point["x"] < facts["width"] and 0 <= point["y"] < facts["height"]
            assert 0 <= point["score"] <= 1 and 0 <= point["visible"] <= 1
        assert facts["garment"] in (True, False)
        left, top, right, bottom = facts["region"] or (0, 0, facts["width"], facts["height"])
        with Image.open(out / facts["crop"]) as crop:
            # The region is what of the square lies in the photo.
            assert 0 <= left < right <= facts["width"] and 0 <= top < bottom <= facts["height"]
            assert crop.width >= right - left and crop.height >= bottom - top
        with Image.open(out / f"{photo.stem}.jpg") as picture:
            picture.load()
            assert picture.width > picture.height


@pytest.mark.slow
def test_the_network_chooses_the_category(all_run, data, tmp_path):
    photo = photos_of(data, "dress")[0]
    demo.main([str(photo), "--model", str(all_run), "--out", str(tmp_path), "--augment", "True"])
    (facts,) = facts_in(tmp_path)
    assert facts["category"] in CATEGORIES and 1 / 5 <= facts["category_probability"] <= 1
    assert set(facts["keypoints"]) == KEYPOINTS[facts["category"]]


@pytest.mark.slow
def test_without_photos_it_draws_some(all_run, tmp_path):
    demo.main(["--model", str(all_run), "--out", str(tmp_path)])
    assert [Path(facts["photo"]).stem for facts in facts_in(tmp_path)] == [f"synthetic_{name}" for name in CATEGORIES]
    assert len(list((tmp_path / "photos").glob("*.jpg"))) == len(CATEGORIES)


@pytest.mark.slow
def test_photos_that_cannot_be_read_are_left_out(skirt_run, own_data, tmp_path, capsys, fails):
    good, other = photos_of(own_data, "skirt")[0], photos_of(own_data, "dress")[0]
    bad = spoil(other)
    namesake = bad.with_name(good.name)
    namesake.write_bytes(good.read_bytes())
    options = ["--model", str(skirt_run), "--out", str(tmp_path / "out"), "--show", "False"]
    demo.main([str(good), str(bad), str(namesake), *options])
    text = capsys.readouterr().out
    assert "left out: " in text and bad.name in text
    assert "Wrote 2 pictures" in text and "; 1 photos left out" in text
    results = facts_in(tmp_path / "out")
    assert [facts.get("picture") for facts in results] == [f"{good.stem}.jpg", None, f"{good.stem}_2.jpg"]
    assert bad.name in results[1]["error"] and not results[1]["keypoints"]
    assert "none of the 2 photos could be read" in fails(demo.main, bad, own_data / "nowhere.jpg", *options)


@pytest.mark.slow
def test_a_category_that_the_run_does_not_know(skirt_run, data, tmp_path, fails):
    options = [photos_of(data, "dress")[0], "--model", skirt_run, "--out", tmp_path / "out", "--category"]
    assert "unknown category 'dress'; expected" in fails(demo.main, *options, "dress")
    assert "unknown category 'hat'; expected" in fails(demo.main, *options, "hat")
