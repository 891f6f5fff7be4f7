"""Datumaro reads our XML for CVAT, and we read what it writes. CVAT itself, a server, is not tested."""

import xml.etree.ElementTree as ElementTree

import pytest
from PIL import Image

datumaro = pytest.importorskip("datumaro", reason="make interop")

from aifashion.data_gen.formats.cvat import read_cvat  # noqa: E402
from aifashion.data_gen.formats.cvat_tasks import write_cvat  # noqa: E402
from labelled import VOCABULARY, check_same, labels  # noqa: E402

pytestmark = pytest.mark.interop


@pytest.fixture
def dataset(tmp_path):
    ours = labels(tmp_path)
    for photo in ours.photos:
        path = tmp_path / "cvat" / "images" / photo.file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", photo.size).save(path)
    write_cvat(ours, tmp_path / "cvat" / "annotations.xml", VOCABULARY)
    return datumaro.Dataset.import_from(str(tmp_path / "cvat"), "cvat")


def test_datumaro_reads_our_boxes_and_points(tmp_path, dataset):
    ours = labels(tmp_path)
    items = {item.id: item for item in dataset}
    assert items.keys() == {photo.file_name.rpartition(".")[0] for photo in ours.photos}
    names = [label.name for label in dataset.categories()[datumaro.AnnotationType.label]]
    for photo in ours.photos:
        item = items[photo.file_name.rpartition(".")[0]]
        assert item.media.size == (photo.size[1], photo.size[0])
        boxes = [a for a in item.annotations if a.type == datumaro.AnnotationType.bbox]
        assert [names[box.label] for box in boxes] == [f"{garment.category} box" for garment in photo.garments]
        for box, garment in zip(boxes, photo.garments, strict=True):
            assert box.points == pytest.approx(garment.box, abs=0.005)  # it rounds to two decimals
        points = [a for a in item.annotations if a.type == datumaro.AnnotationType.points]
        there = iter(points)
        for garment in photo.garments:
            for name, xy, state in zip(garment.names, garment.keypoints.xy, garment.keypoints.state, strict=True):
                point = next(there)
                assert names[point.label] == name
                if state >= 0:
                    assert point.points == pytest.approx((xy + 0.5).tolist(), abs=0.005)
                    assert point.attributes["occluded"] == (state == 0)
        assert next(there, None) is None


def test_what_datumaro_writes_is_read(tmp_path, dataset):
    """It writes skeletons as single points, without groups or outside marks: both are added again here."""
    dataset.export(str(tmp_path / "again"), "cvat", save_media=True)
    (file,) = (tmp_path / "again").glob("*.xml")
    found = read_cvat(file)
    assert not found.problems and set(found.left_out) == {"boxes without keypoints", "points that are in no skeleton"}
    ours = ElementTree.parse(tmp_path / "cvat" / "annotations.xml").getroot()
    theirs = ElementTree.parse(file).getroot()
    for image in theirs.iter("image"):
        (same,) = (other for other in ours.iter("image") if other.get("name") == image.get("name"))
        points = iter(image.findall("points"))
        for skeleton in same.iter("skeleton"):
            for point in skeleton.iter("points"):
                one = next(points)
                one.attrib |= {"group_id": skeleton.attrib["group_id"], "outside": point.attrib["outside"]}
    ElementTree.ElementTree(theirs).write(file, encoding="utf-8")
    found = read_cvat(file)
    check_same(found, labels(tmp_path), within=0.005 + 1e-9)
    assert not found.problems and not found.left_out
