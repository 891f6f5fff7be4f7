import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from aifashion.data_gen.formats.challenges import FASHIONAI
from aifashion.data_gen.formats.coco import garments_from_coco, labels_of_coco, read_coco
from aifashion.data_gen.formats.label_names import check_names
from aifashion.data_gen.synthetic.compose import KINDS
from aifashion.data_gen.synthetic.scene_set import SceneCounts, write_scenes
from aifashion.files import locked
from aifashion.records import ABSENT

COUNTS, SIZE = SceneCounts(24, 6, 3), 80


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> tuple[Path, dict[str, int]]:
    folder = tmp_path_factory.mktemp("scenes") / "set"
    return folder, write_scenes(folder, COUNTS, seed=4, size=SIZE)


def content(folder: Path) -> dict[str, bytes]:
    """All but the lock, which stays and is hidden."""
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != ".lock")
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


@pytest.mark.parametrize(("split", "count"), [("train", 24), ("val", 6), ("test", 3)])
def test_the_files_read_as_coco_with_all_photos_and_boxes(written, split, count):
    out, _ = written
    coco = read_coco(out / f"{split}.json", strict=True)
    check_names(labels_of_coco(coco), FASHIONAI)
    assert len(coco.images) == count == len(list((out / f"photos_{split}").iterdir()))
    for image in coco.images:
        photo = cv2.imread(str(out / image.file_name))
        assert photo is not None and photo.shape[:2] == image.size[::-1] and 64 <= max(image.size) <= SIZE
    garments = garments_from_coco(coco, out, FASHIONAI, strict=True)
    assert len(garments) == len(coco.annotations)
    sizes = {image.file_name: image.size for image in coco.images}
    for garment, sample in garments:
        (left, top, right, bottom), size = garment.box, sizes[sample.image_id]
        assert 0 <= left < right <= size[0] and 0 <= top < bottom <= size[1]
        points = sample.keypoints.xy[sample.keypoints.state != ABSENT]
        # Where a slanted hem leaves the photo, its point can be farther out than all cloth that is in the photo.
        points = points[((points >= 0.5) & (points <= np.array(size) - 1.5)).all(axis=1)]
        assert sample.category == garment.category and sample.path.is_file()
        assert (points >= (left - 1.5, top - 1.5)).all() and (points <= (right + 0.5, bottom + 0.5)).all()


def test_photos_without_a_garment_are_images_without_annotations(written):
    out, kinds = written
    told: Counter[str] = Counter()
    for split in ("train", "val", "test"):
        document = json.loads((out / f"{split}.json").read_text())
        told.update(image["kind"] for image in document["images"])
        having = {annotation["image_id"] for annotation in document["annotations"]}
        assert all(image["id"] not in having for image in document["images"] if image["kind"] == "empty")
        for annotation in document["annotations"]:
            assert annotation["iscrowd"] == 0 and 0.1 <= annotation["seen"] <= 1
            assert annotation["area"] == annotation["bbox"][2] * annotation["bbox"][3]
            assert annotation["num_keypoints"] == np.count_nonzero(annotation["keypoints"][2::3])
    assert kinds == {kind: told[kind] for kind in KINDS} and sum(kinds.values()) == 33 and kinds["empty"]


def test_two_workers_write_the_same_bytes(written, tmp_path):
    write_scenes(tmp_path / "two", COUNTS, seed=4, size=SIZE, workers=2)
    assert content(tmp_path / "two") == content(written[0])


def test_an_interrupted_set_is_completed_and_a_photo_does_not_depend_on_the_counts(written, tmp_path):
    whole = content(written[0])
    out = tmp_path / "set"
    write_scenes(out, SceneCounts(3, 2, 0), seed=4, size=SIZE)
    first = content(out)
    assert not (out / "test.json").exists()
    photos = {name for name in first if name.endswith(".jpg")}
    assert len(photos) == 5 and all(first[name] == whole[name] for name in photos)
    (out / "train.json").unlink()
    (out / "photos_train" / "0000001.jpg").unlink()
    (out / "photos_val" / ".0123abcd-x.jpg").write_bytes(b"cut sh")
    write_scenes(out, SceneCounts(3, 2, 0), seed=4, size=SIZE)
    assert content(out) == first
    write_scenes(tmp_path / "other", SceneCounts(3, 2, 0), seed=5, size=SIZE)
    assert not any(content(tmp_path / "other")[name] == first[name] for name in photos)


def test_other_folders_are_refused_and_not_changed(written, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match=r"thesis\.txt"):
        write_scenes(tmp_path, COUNTS, seed=4, size=SIZE)
    assert content(tmp_path) == {"thesis.txt": b"years of work"}
    with pytest.raises(FileExistsError, match="val_count 6, not 5"):
        write_scenes(written[0], SceneCounts(24, 5, 3), seed=4, size=SIZE)
    with locked(written[0]), pytest.raises(BlockingIOError, match="another command is writing to"):
        write_scenes(written[0], COUNTS, seed=4, size=SIZE)


def test_counts_and_sizes_out_of_range_are_refused(tmp_path):
    assert SceneCounts.of(2000) == SceneCounts(2000, 200, 200) and SceneCounts.of(3, test=0) == SceneCounts(3, 5, 0)
    for numbers in ((0, 1, 1), (1, -1, 0), (1, 0, 10_000_001)):
        with pytest.raises(ValueError, match="expected at least 1, 0 and 0, and at most 10,000,000 photos"):
            SceneCounts(*numbers)
    for options in ({"size": 63}, {"size": 64, "workers": 0}):
        with pytest.raises(ValueError, match="expected at least 64 px and 1 process"):
            write_scenes(tmp_path / "set", COUNTS, seed=0, **options)
    assert not (tmp_path / "set").exists()
