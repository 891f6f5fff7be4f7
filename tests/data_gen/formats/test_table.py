"""What every format of the table does, and how a file tells its format."""

import json
from pathlib import Path

import numpy as np
import pytest

from aifashion.data_gen.formats import table
from aifashion.data_gen.formats.conversion import convertible
from aifashion.data_gen.formats.labels import LabelledGarment, LabelledPhoto, LabelSet
from aifashion.data_gen.formats.problems import FormatError, first_keys
from aifashion.data_gen.formats.table import FORMATS, format_of
from aifashion.records import Keypoints
from aifashion.vocabulary import load_vocabulary

ALL = load_vocabulary()
BOTH = [name for name, entry in FORMATS.items() if entry.read is not None and entry.write is not None]


def drawn(count: int = 6) -> LabelSet:
    """A garment a photo, with visible, hidden and absent points that have decimals."""
    rng = np.random.default_rng(0)
    photos = []
    for number in range(count):
        category = ALL.definitions[number % len(ALL.definitions)]
        state = rng.integers(-1, 2, len(category.keypoints))
        state[0] = 1
        xy = np.where(state[:, None] < 0, -1, np.round(rng.uniform(5, 90, (len(state), 2)), 2))
        garment = LabelledGarment(str(number + 1), category.name, category.keypoints, Keypoints(xy, state))
        photos.append(LabelledPhoto(f"photos/{number}.jpg", (100, 96), (garment,)))
    return LabelSet(Path("drawn"), Path("nowhere"), tuple(photos))


def written(name: str, folder: Path) -> Path:
    ending = {"CSV file": ".csv", "JSON file": ".json", "XML file": ".xml"}.get(FORMATS[name].writes, "")
    out = folder / f"labels{ending}"
    FORMATS[name].write(drawn(), out, ALL)
    return out


@pytest.mark.parametrize("name", ["fashionai", "coco"])
def test_what_is_written_is_read_again(tmp_path, name):
    out = written(name, tmp_path)
    assert format_of(out).name == name
    found = convertible(FORMATS[name].read(out), FORMATS["fashionai"], ALL)
    assert not found.problems and not found.left_out
    for first, again in zip(drawn().photos, found.photos, strict=True):
        (one,), (two,) = first.garments, again.garments
        assert first.file_name == again.file_name and (one.category, one.names) == (two.category, two.names)
        assert one.keypoints == two.keypoints


@pytest.mark.parametrize("name", BOTH)
def test_a_format_knows_its_own_files_and_no_others(tmp_path, name):
    out = written(name, tmp_path)
    assert [entry.name for entry in FORMATS.values() if entry.recognises(out)] == [name]


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff\xfe", b"image_id", b'{"a": [', b"<xml/>", b"\0" * 100])
def test_other_files_are_of_no_format(tmp_path, content):
    for ending in ("json", "csv", "xml", "txt", "yaml"):
        path = tmp_path / f"x.{ending}"
        path.write_bytes(content)
        assert not [entry.name for entry in FORMATS.values() if entry.recognises(path)]
        with pytest.raises(
            FormatError, match=r"not a format that is known; name it with --from, one of: .*coco \(JSON"
        ):
            format_of(path)
        path.unlink()
    assert not [entry.name for entry in FORMATS.values() if entry.recognises(tmp_path)]


def test_the_format_can_be_named(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    path.write_text("{}")
    assert format_of(path, "coco").name == "coco"
    with pytest.raises(ValueError, match="--from cocoa: expected one of fashionai, coco"):
        format_of(path, "cocoa")
    with pytest.raises(FileNotFoundError):
        format_of(tmp_path / "nowhere.json")
    alike = {name: table.LabelFormat(name, "", "", "", lambda _: True, lambda _: None, None) for name in ("a", "b")}
    monkeypatch.setattr(table, "FORMATS", alike)
    with pytest.raises(FormatError, match="it can be a or b; name it with --from"):
        format_of(path)


def test_the_first_keys_of_a_file(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"info": {"images": 1}, 'a\\"b': [{"c": "}]{"}], "images": []}))
    assert first_keys(path) == {"info", 'a\\\\\\"b', "images"}
    path.write_text('\ufeff {"images": [' + '{"id": 1, "file_name": "x"},' * 10_000)
    assert first_keys(path) == {"images"}
    path.write_text("[1]")
    assert first_keys(path) == set() == first_keys(tmp_path)
