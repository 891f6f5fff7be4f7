"""labelme opens our files, and we read what it saves."""

import pytest
from PIL import Image

label_file = pytest.importorskip("labelme._label_file", reason="make interop")

from aifashion.data_gen.formats.labelme import read_labelme  # noqa: E402
from aifashion.data_gen.formats.labelme_files import write_labelme  # noqa: E402
from labelled import VOCABULARY, check_same, labels  # noqa: E402

pytestmark = pytest.mark.interop


@pytest.fixture
def ours(tmp_path):
    found = labels(tmp_path / "photos")
    for photo in found.photos:
        path = found.root / photo.file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", photo.size).save(path)
    return found


def test_labelme_opens_our_files_and_their_photos(tmp_path, ours):
    write_labelme(ours, tmp_path / "out", VOCABULARY)
    files = sorted((tmp_path / "out").rglob("*.json"))
    assert len(files) == 3
    loaded = {file.stem: label_file.LabelFile(str(file)) for file in files}
    first = loaded["first photo"]
    assert len(first.image_data) and len([s for s in first.shapes if s["shape_type"] == "rectangle"]) == 3
    hidden = sum(int((garment.keypoints.state == 0).sum()) for garment in ours.photos[0].garments)
    assert sum(shape["flags"].get("hidden", False) for shape in first.shapes) == hidden > 0


def test_what_labelme_saves_is_read(tmp_path, ours):
    write_labelme(ours, tmp_path / "out", VOCABULARY)
    for file in (tmp_path / "out").rglob("*.json"):
        loaded = label_file.LabelFile(str(file))
        with Image.open(file.parent / loaded.image_path) as photo:
            width, height = photo.size
        shapes = [{key: value for key, value in shape.items() if key != "other_data"} for shape in loaded.shapes]
        # With the photo in the file, as older versions save it.
        loaded.save(str(file), shapes, loaded.image_path, height, width, image_data=loaded.image_data)
    found = read_labelme(tmp_path / "out")
    check_same(found, ours)
    assert not found.problems and not found.left_out
