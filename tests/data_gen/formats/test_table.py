"""What every format of the table does, and how a file tells its format."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aifashion.data_gen.formats import table
from aifashion.data_gen.formats.conversion import convertible
from aifashion.data_gen.formats.labels import LabelledGarment, LabelledPhoto, LabelSet
from aifashion.data_gen.formats.problems import FormatError, first_keys
from aifashion.data_gen.formats.table import FORMATS, format_of
from aifashion.records import Keypoints
from aifashion.vocabulary import Vocabulary, load_vocabulary

BOTH = [name for name, entry in FORMATS.items() if entry.read is not None and entry.write is not None]
ENDINGS = {"CSV file": ".csv", "JSON file": ".json", "XML file": ".xml", "CSV or Parquet file": ".parquet"}


def vocabulary_of(name: str) -> Vocabulary:
    return load_vocabulary("deepfashion2" if name == "deepfashion2" else "fashionai")


def drawn(root: Path, vocabulary: Vocabulary, count: int = 6) -> LabelSet:
    """A garment a photo, with visible, hidden and absent points that have decimals."""
    rng = np.random.default_rng(0)
    (root / "photos").mkdir()
    photos = []
    for number in range(1, count + 1):
        category = vocabulary.definitions[number % len(vocabulary.definitions)]
        state = rng.integers(-1, 2, len(category.keypoints))
        state[0] = 1
        xy = np.where(state[:, None] < 0, -1, np.round(rng.uniform(5, 90, (len(state), 2)), 2))
        garment = LabelledGarment(str(number), category.name, category.keypoints, Keypoints(xy, state))
        photos.append(LabelledPhoto(f"photos/{number:06d}.png", (100, 96), (garment,)))
        Image.new("RGB", (100, 96)).save(root / photos[-1].file_name)
    return LabelSet(Path("drawn"), root, tuple(photos))


def written(name: str, folder: Path) -> tuple[LabelSet, Path]:
    labels = drawn(folder, vocabulary_of(name))
    out = folder / f"labels{ENDINGS.get(FORMATS[name].writes, '')}"
    FORMATS[name].write(labels, out, vocabulary_of(name))
    return labels, out


@pytest.mark.parametrize("name", BOTH)
def test_what_is_written_is_read_again(tmp_path, name):
    labels, out = written(name, tmp_path)
    found = convertible(FORMATS[name].read(out), FORMATS["fashionai"], vocabulary_of(name))
    assert not found.problems and not found.left_out and len(found.photos) == len(labels.photos)
    by_name = {Path(photo.file_name).name: photo for photo in found.photos}
    for first in labels.photos:
        (one,), (two,) = first.garments, by_name[Path(first.file_name).name].garments
        assert (one.category, one.names) == (two.category, two.names)
        assert two.keypoints.state.tolist() == one.keypoints.state.tolist()
        np.testing.assert_allclose(two.keypoints.xy, one.keypoints.xy, atol=1e-3)


@pytest.mark.parametrize("name", BOTH)
def test_a_format_knows_its_own_files_and_no_others(tmp_path, name):
    _, out = written(name, tmp_path)
    assert [entry.name for entry in FORMATS.values() if entry.recognises(out)] == [name] == [format_of(out).name]


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
