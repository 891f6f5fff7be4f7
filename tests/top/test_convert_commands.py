import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aifashion.data_gen.formats.challenges import KEYPOINTS
from aifashion.data_gen.formats.coco import read_coco_labels
from aifashion.data_gen.formats.fashionai import read_keypoint_csv
from aifashion.data_gen.formats.table import FORMATS
from aifashion.top import convert_commands

SKIRT = ["waistband_left", "waistband_right", "hemline_left", "hemline_right"]


def coco(path: Path, *garments: dict, names: list[str] = SKIRT, **image: object) -> Path:
    """A photo for each garment, all of them skirts unless said otherwise."""
    entries = [
        {"id": n, "image_id": n, "category_id": 1, "keypoints": [10.25, 10, 2, 30, 10, 1, 5, 60, 2, 0, 0, 0]} | garment
        for n, garment in enumerate(garments, start=1)
    ]
    content = {
        "images": [
            {"id": n, "file_name": f"{n}.png", "width": 60, "height": 80} | image for n in range(1, len(garments) + 1)
        ],
        "categories": [
            {"id": 1, "name": "skirt", "keypoints": names},
            {"id": 2, "name": "dress", "keypoints": ["neckline_left", "hemline_left"]},
            {"id": 3, "name": "person", "keypoints": ["nose"]},
        ],
        "annotations": entries,
    }
    path.write_text(json.dumps(content))
    return path


def convert(*words: object) -> None:
    convert_commands.convert([str(word) for word in words])


def said(capsys) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_from_one_format_to_another_and_back(tmp_path, capsys):
    source, csv, back = coco(tmp_path / "x.json", {}, {}), tmp_path / "x.csv", tmp_path / "back.json"
    convert(source, "--to", "fashionai", "--out", csv)
    assert (
        said(capsys) == f"Read 2 photos with 2 garments from {source}, format coco "
        f"Wrote 2 photos with 2 garments to {csv}, format fashionai"
    )
    first = read_keypoint_csv(csv)[0]
    assert (first.image_id, first.category) == ("1.png", "skirt") and 10.25 in first.keypoints.xy
    for number in (1, 2):
        Image.new("RGB", (60, 80)).save(tmp_path / f"{number}.png")
    convert(csv, "--to", "coco", "--out", back)
    first, again = (read_coco_labels(path).photos for path in (source, back))
    assert [p.size for p in first] == [p.size for p in again] == [(60, 80)] * 2
    assert first[0].garments[0].keypoints == again[0].garments[0].keypoints


def test_all_that_is_left_out_is_counted_with_its_reason(tmp_path, capsys):
    garments = (
        {},
        {"keypoints": [1, 2]},
        {"keypoints": [0] * 12},
        {"iscrowd": 1},
        {"keypoints": [10, 10, 2, 90, 10, 2, 0, 0, 0, 0, 0, 0]},
        {"category_id": 3, "keypoints": [1, 1, 2]},
        {"image_id": 1, "keypoints": [10, 10, 2, 12, 10, 1, 0, 0, 0, 0, 0, 0]},
    )
    source, out = coco(tmp_path / "x.json", *garments), tmp_path / "x.csv"
    convert(source, "--to", "fashionai", "--out", out)
    text = said(capsys)
    for reason in (
        "left out 2 entries with problems, 1 are used",
        "annotations, id 2: 2 keypoint numbers; expected x, y, v for 4 keypoints",
        "annotations, id 5, photo 5.png: waistband_right at 90, 10 lies outside the photo of 60 x 80 px",
        "1 annotations of crowds",
        "1 garments of the category person, of which the vocabulary fashionai has no name",
        "1 garments without a labelled keypoint",
        "1 garments that are not the largest of their photo",
        # The photo of the last garment, which is in another one, has no annotation.
        f"Wrote 2 photos with 1 garments to {out}",
    ):
        assert reason in text
    assert [(s.image_id, s.category) for s in read_keypoint_csv(out, strict=False)] == [("1.png", "skirt")]


def test_where_nothing_is_converted_the_earlier_output_stays(tmp_path, fails):
    out = tmp_path / "out.json"
    out.write_text("earlier")
    source = coco(tmp_path / "x.json", {"keypoints": [0] * 12})
    assert f"{source} has no garment to convert: {out} stays as it is" in fails(
        convert_commands.convert, source, "--to", "coco", "--out", out
    )
    Image.new("RGB", (80, 60)).save(tmp_path / "1.png")
    error = fails(convert_commands.convert, coco(tmp_path / "x.json", {}), "--to", "coco", "--out", out)
    assert "photo 1.png: the file says 60 x 80 px, but the photo has 80 x 60" in error
    assert out.read_text() == "earlier"


def test_the_folder_of_the_photos_can_be_named(tmp_path, fails):
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (60, 80)).save(tmp_path / "photos" / "1.png")
    source, out = coco(tmp_path / "x.json", {}, width=None, height=None), tmp_path / "out.json"
    error = fails(convert_commands.convert, source, "--to", "coco", "--out", out)
    assert "photo 1.png: the file says no width and height, and the photo is not there" in error
    convert(source, "--to", "coco", "--out", out, "--photos", tmp_path / "photos")
    assert read_coco_labels(out).photos[0].size == (60, 80)
    assert "no such folder" in fails(
        convert_commands.convert, source, "--to", "coco", "--out", out, "--photos", tmp_path / "no"
    )


def test_names_can_be_mapped_and_ignored(tmp_path, fails, capsys):
    names = ["left top", "waistband-right", "hemline_left", "pocket"]
    source, out = coco(tmp_path / "x.json", {}, names=names), tmp_path / "x.csv"
    words = [source, "--to", "fashionai", "--out", out]
    assert "keypoint 'left top' of the category skirt is not in the vocabulary" in fails(
        convert_commands.convert, *words
    )
    (tmp_path / "map.toml").write_text('[keypoints.skirt]\n"left top" = "waistband_left"\n')
    convert(*words, "--names", tmp_path / "map.toml")
    (sample,) = read_keypoint_csv(out)
    assert (sample.keypoints.state >= 0).sum() == 3
    assert "'waistband-right' for waistband_right (1)" in said(capsys)
    convert(*words, "--ignore", "left top", "--ignore", "hem*")
    (sample,) = read_keypoint_csv(out)
    assert (sample.keypoints.state >= 0).sum() == 1 and "left out keypoints, as asked: left top (1)" in said(capsys)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--to", "cocoa"], "--to cocoa: expected one of fashionai, coco"),
        (["--to", "coco", "--from", "x"], "--from x: expected one of"),
        (["--to", "coco", "--from", "fashionai"], "missing columns"),
        (["--to", "coco", "--names", "nowhere"], "no map 'nowhere': expected deepfashion-to-fashionai"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path, fails, words, reason):
    source = coco(tmp_path / "x.json", {})
    assert reason in fails(convert_commands.convert, source, *words, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_of_no_format_and_the_source_as_output_are_refused(tmp_path, fails):
    path = tmp_path / "x.json"
    path.write_text("[]")
    assert "not a format that is known: a file; expected one of: " in fails(
        convert_commands.convert, path, "--to", "coco", "--out", tmp_path / "y"
    )
    coco(path, {})
    assert "is what is read: name another file" in fails(convert_commands.convert, path, "--to", "coco", "--out", path)


def test_deepfashion2_becomes_fashionai_by_the_map_of_the_package(tmp_path):
    """Of a skirt the waist's ends are landmarks 1 and 3, the hem's 5 and 7: as in figure 2 of the data set."""
    names = [f"skirt_{n}" for n in range(1, 9)]
    triples = [value for n in range(1, 9) for value in (n, 10 + n, 1 + n % 2)]
    source, out = coco(tmp_path / "x.json", {"keypoints": triples}, names=names), tmp_path / "x.csv"
    convert(source, "--to", "fashionai", "--out", out, "--names", "deepfashion2-to-fashionai")
    (sample,) = read_keypoint_csv(out)
    at = [KEYPOINTS.index(name) for name in SKIRT]
    assert sample.category == "skirt" and sample.keypoints.state[at].tolist() == [1, 1, 1, 1]
    assert sample.keypoints.xy[at].tolist() == [[1, 11], [3, 13], [5, 15], [7, 17]]
    assert (sample.keypoints.state >= 0).sum() == 4


@pytest.mark.parametrize("target", ["label-studio", "cvat", "labelme", "table", "coco"])
def test_every_tool_gets_what_another_one_says(tmp_path, target):
    out = tmp_path / f"out.{ {'cvat': 'xml', 'labelme': 'folder', 'table': 'csv'}.get(target, 'json') }"
    convert(coco(tmp_path / "x.json", {}, {"image_id": 1}), "--to", target, "--out", out)
    back = tmp_path / "back.json"
    convert(out, "--to", "coco", "--out", back)
    photo = read_coco_labels(back).photos[0]
    assert photo.file_name == "1.png" and len(photo.garments) == 2
    np.testing.assert_allclose(photo.garments[0].keypoints.xy, [[10.25, 10], [30, 10], [5, 60], [-1, -1]], atol=1e-6)
    assert photo.garments[0].keypoints.state.tolist() == [1, 0, 1, -1]


@pytest.mark.parametrize("target", ["fashionai", "coco", "label-studio", "cvat", "labelme", "yolo-pose", "table"])
def test_a_screenshot_keeps_the_name_that_macos_gives_it(tmp_path, target):
    name = "Screenshot 2026-11-30 at 10.04\u202fPM.png"
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (60, 80)).save(tmp_path / "photos" / name)
    source = coco(tmp_path / "photos" / "x.json", {}, file_name=name)
    suffix = {"fashionai": ".csv", "coco": ".json", "label-studio": ".json", "cvat": ".xml", "table": ".csv"}
    between, back = tmp_path / f"y{suffix.get(target, '')}", tmp_path / "back.json"
    convert(source, "--to", target, "--out", between)
    convert(between, "--from", target, "--photos", tmp_path / "photos", "--to", "coco", "--out", back)
    (photo,) = read_coco_labels(back).photos
    assert Path(photo.file_name).name == name and len(photo.garments) == 1


def test_the_help_and_the_page_name_all_formats(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    with pytest.raises(SystemExit):
        convert("--help")
    text = capsys.readouterr().out
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
    for name in FORMATS:
        assert name in text and f"| `{name}` |" in page
