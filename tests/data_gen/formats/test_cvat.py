import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from aifashion.data_gen.formats.cvat import is_cvat, read_cvat
from aifashion.data_gen.formats.cvat_tasks import cvat_labels, write_cvat
from aifashion.data_gen.formats.labels import LabelledGarment, LabelledPhoto, LabelSet
from aifashion.data_gen.formats.problems import FormatError
from aifashion.records import Keypoints
from labelled import VOCABULARY, check_comes_back, labels, only, present

SKELETON = """
    <skeleton label="skirt" source="manual" z_order="0"{more}>
      <points label="waist" source="manual" outside="0" occluded="0" points="100.50,0.50"></points>
      <points label="hem" source="manual" outside="0" occluded="1" points="20.25,30.75">
        <attribute name="note">x</attribute>
      </points>
      <points label="slit" source="manual" outside="1" occluded="0" points="5.00,5.00"></points>
    </skeleton>"""


def image(content: str, name: str = "a.jpg", more: str = "") -> str:
    return f'  <image id="3" name="{name}" width="200" height="100"{more}>{content}\n  </image>\n'


def box(
    group: int | None, label: str = "skirt box", place='xtl="10" ytl="20.5" xbr="110" ybr="95"', more: str = ""
) -> str:
    group_id = "" if group is None else f' group_id="{group}"'
    return f'\n    <box label="{label}" occluded="0"{group_id} {place}{more}></box>'


def single(label: str, group: int, place: str = "10.5,20.5", more: str = "") -> str:
    return f'\n    <points label="{label}" group_id="{group}" points="{place}"{more}></points>'


def save(path: Path, *images: str) -> Path:
    head = '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n  <meta></meta>\n'
    path.write_text(head + "".join(images) + "</annotations>\n", encoding="utf-8")
    return path


def read(tmp_path: Path, *images: str) -> LabelSet:
    return read_cvat(save(tmp_path / "annotations.xml", *images))


def test_points_are_edges_and_states_are_outside_and_occluded(tmp_path):
    found = read(tmp_path, image(SKELETON.format(more="")))
    one = only(found)
    # The middle of pixel 100 is 100.5 in CVAT.
    assert one.names == ("waist", "hem", "slit") and one.keypoints.state.tolist() == [1, 0, -1]
    assert one.keypoints.xy.tolist() == [[100, 0], [19.75, 30.25], [-1, -1]]
    assert (one.category, one.box, found.photos[0].size) == ("skirt", None, (200, 100))
    assert not found.problems and not found.left_out


def test_what_is_written_comes_back(tmp_path):
    ours = labels(tmp_path)
    write_cvat(ours, tmp_path / "annotations.xml", VOCABULARY)
    for path in (tmp_path / "annotations.xml", tmp_path):
        assert check_comes_back(path, ours, is_cvat, read_cvat).root == tmp_path


def test_the_box_is_the_rectangle_of_the_group(tmp_path):
    content = SKELETON.format(more=' group_id="7"') + box(8) + box(7) + SKELETON.format(more=' group_id="8"')
    found = read(tmp_path, image(content + SKELETON.format(more="") + box(None) + box(9)))
    assert [garment.box for garment in found.photos[0].garments] == [(10, 20.5, 110, 95)] * 2 + [None]
    assert found.left_out == {"boxes without keypoints": 2}


def test_two_skeletons_in_a_group_have_no_box(tmp_path):
    content = SKELETON.format(more=' group_id="7"') * 2 + box(7)
    assert [garment.box for garment in read(tmp_path, image(content)).photos[0].garments] == [None, None]


def test_single_points_in_a_group_with_a_box_are_a_garment(tmp_path):
    content = (
        single("waist", 4) + box(4) + single("hem", 4, "5,6", ' occluded="1"') + single("hem", 5) + box(6, "dress")
    )
    found = read(tmp_path, image(content))
    assert only(found).category == "skirt" and present(only(found)) == {"waist": (10, 20, 1), "hem": (4.5, 5.5, 0)}
    assert found.left_out == {"points that are in no skeleton": 1, "boxes without keypoints": 1}


def test_a_turned_box_becomes_the_one_around_it(tmp_path):
    place = 'xtl="10" ytl="20" xbr="30" ybr="80"'
    content = SKELETON.format(more=' group_id="7"') + box(7, place=place, more=' rotation="90"')
    assert only(read(tmp_path, image(content))).box == pytest.approx((-10, 40, 50, 60))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("100.50,0.50", "100.50;0.50", "the points '100.50;0.50' of waist; expected x,y"),
        ("100.50,0.50", "1,2;3,4", "expected x,y"),
        ("100.50,0.50", "nan,1", "x: 'nan'; expected a number"),
        ("100.50,0.50", "1e999,1", "expected a number"),
        ('label="hem"', 'label="waist"', "keypoint 'waist' comes twice"),
        ('label="hem" ', "", "no label"),
        (' points="100.50,0.50"', "", "no points"),
    ],
)
def test_a_faulty_skeleton_costs_one_garment_and_is_named(tmp_path, old, new, reason):
    faulty = SKELETON.format(more="").replace(old, new)
    assert faulty != SKELETON.format(more="")
    found = read(tmp_path, image(SKELETON.format(more="") + faulty), image(faulty, "b.jpg"))
    assert only(found).category == "skirt"
    first, second = found.problems
    assert str(first).startswith(f"{tmp_path / 'annotations.xml'}:13: image 3 (a.jpg), skeleton 2: ")
    assert reason in first.message and "(b.jpg)" in second.message


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (image("").replace('"200"', '"0"'), "image 3: width '0' and height '100' must be"),
        (image("").replace('"200"', '"wide"'), "width and height: 'wide'; expected a number"),
        (image("").replace(' name="a.jpg"', ""), "image 3: no name"),
        (image("", "b.jpg"), "the photo b.jpg is listed before"),
    ],
)
def test_a_faulty_image_costs_one_photo(tmp_path, bad, reason):
    found = read(tmp_path, image(SKELETON.format(more=""), "b.jpg"), bad)
    assert only(found).category == "skirt"
    assert reason in found.problems[0].message


def test_what_is_no_garment_is_counted_and_says_nothing_of_the_photo(tmp_path):
    others = '<polygon label="x" points="1,1;2,2;3,1"></polygon><tag label="x"></tag><blob></blob>'
    absent = SKELETON.format(more="").replace('outside="0"', 'outside="1"')
    found = read(tmp_path, image(others), image(absent, "b.jpg"), image("", "none.jpg"))
    assert [photo.file_name for photo in found.photos] == ["none.jpg"] and not found.problems
    assert found.left_out == {
        "shapes of type polygon": 1,
        "shapes of type tag": 1,
        "elements named blob": 1,
        "skeletons without a present point": 1,
    }


def test_photos_lie_in_the_folder_images_and_in_subsets(tmp_path):
    (tmp_path / "images" / "Train").mkdir(parents=True)
    found = read(tmp_path, image("", more=' subset="Train"'), image("", "b.jpg", more=' subset="Test"'))
    assert found.root == tmp_path / "images"
    assert [photo.file_name for photo in found.photos] == ["Train/a.jpg", "b.jpg"]


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>\n'


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (f'<?xml version="1.0"?>\n{BOMB}<annotations>&c;</annotations>', ":2: a document type"),
        ('<!DOCTYPE a SYSTEM "file:///etc/hostname"><annotations/>', ":1: a document type"),
        ("<annotations>&c;</annotations>", "not XML: undefined entity"),
        ("<annotations><version>1.1</version>" + "<x>" * 100, "nested too deeply"),
        ("<html></html>", ":1: the first element is <html>; expected <annotations>"),
        ("<annotations>\n<version>1.1</version>\n<image", ":3: not XML: "),
        ("", "not XML: no element found"),
        ('<?xml version="1.0" encoding="nowhere"?><annotations/>', "not XML"),
        ("<annotations><version>1.1</version></annotations>", "no photo with labelled garments"),
        (
            "<annotations><version>2.0</version><image id='0'></image></annotations>",
            r"version 2\.0 of CVAT's XML; expected 1\.1",
        ),
        ("<annotations><image id='0'></image></annotations>", "version unknown"),
        (
            "<annotations><version>1.1</version><track></track></annotations>",
            "1 tracks and no images; this is CVAT for video",
        ),
        ("PK\x03\x04", r"compressed \(zip\); unpack it first"),
    ],
)
def test_other_files_are_refused_with_the_reason(tmp_path, content, reason):
    path = tmp_path / "x.xml"
    path.write_text(content)
    with pytest.raises(FormatError, match=reason):
        read_cvat(path)


def test_recognising(tmp_path):
    assert is_cvat(save(tmp_path / "any.xml", image("")))
    (tmp_path / "other.xml").write_text("<annotation><folder/></annotation>")  # Pascal VOC
    assert not is_cvat(tmp_path / "other.xml") and not is_cvat(tmp_path) and not is_cvat(tmp_path / "missing.xml")


def test_cvat_finds_all_it_needs(tmp_path):
    """What CVAT's importer and label constructor take from a file without a default."""
    write_cvat(labels(tmp_path), tmp_path / "a.xml", VOCABULARY)
    root = ElementTree.parse(tmp_path / "a.xml").getroot()
    assert root.findtext("version") == "1.1"
    kinds = {(label.findtext("name"), label.findtext("parent")): label.findtext("type") for label in root.iter("label")}
    assert kinds["skirt", None] == "skeleton" and kinds["hemline_left", "skirt"] == "points"
    assert kinds["skirt box", None] == "rectangle"
    for skeleton in root.iter("skeleton"):
        points = [element.get("label") for element in skeleton.iter("points")]
        assert points == [name for name, parent in kinds if parent == skeleton.get("label")]
    for element in root.iter("points"):
        assert {"label", "occluded", "outside", "points"} <= element.attrib.keys()
    for label in json.loads((tmp_path / "a_labels.json").read_text(encoding="utf-8")):
        if label["type"] == "skeleton":
            svg = ElementTree.fromstring(f"<svg>{label['svg']}</svg>")
            names = [circle.get("data-label-name") for circle in svg.iter("circle")]
            assert names == [point["name"] for point in label["sublabels"]]
            nodes = {circle.get("data-node-id") for circle in svg.iter("circle")}
            lines = list(svg.iter("line"))
            assert lines and all({line.get("data-node-from"), line.get("data-node-to")} <= nodes for line in lines)
    assert cvat_labels(VOCABULARY)[0]["name"] == "blouse"


def test_scores_are_told_by_the_source(tmp_path):
    for scored, sources in ((False, {"manual"}), (True, {"auto"})):
        write_cvat(labels(tmp_path, scored), tmp_path / "a.xml", VOCABULARY)
        root = ElementTree.parse(tmp_path / "a.xml").getroot()
        assert {element.get("source") for element in root.iter("points")} == sources
        assert all(
            garment.scores is None for photo in read_cvat(tmp_path / "a.xml").photos for garment in photo.garments
        )


def test_what_cannot_be_written_leaves_the_earlier_file(tmp_path):
    out = tmp_path / "a.xml"
    out.write_text("earlier")
    hat = LabelledGarment("1", "hat", ("brim",), Keypoints(np.ones((1, 2)), np.ones(1)))
    with pytest.raises(ValueError, match=r"photo a\.jpg, garment 1: category 'hat' is not in the vocabulary fashionai"):
        write_cvat(LabelSet(tmp_path, tmp_path, (LabelledPhoto("a.jpg", (9, 9), (hat,)),)), out, VOCABULARY)
    assert out.read_text() == "earlier" and [path.name for path in tmp_path.iterdir()] == ["a.xml"]
