"""Ultralytics reads and mirrors the pose data sets that are written here; and how it handles invalid rows."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

pytestmark = pytest.mark.interop
pytest.importorskip("ultralytics")

from ultralytics.data.dataset import YOLODataset  # noqa: E402
from ultralytics.data.utils import check_det_dataset, verify_image_label  # noqa: E402
from ultralytics.utils.instance import Instances  # noqa: E402

from aifashion.data_gen.formats.labels import LabelledGarment, LabelledPhoto, LabelSet  # noqa: E402
from aifashion.data_gen.formats.yolo_pose import read_yolo_pose, write_yolo_pose  # noqa: E402
from aifashion.geometry import flip  # noqa: E402
from aifashion.records import Keypoints  # noqa: E402
from aifashion.vocabulary import load_vocabulary  # noqa: E402

VOCABULARY = load_vocabulary()
WIDTH, HEIGHT = 200, 120


def garment(category: str, seed: int) -> LabelledGarment:
    rng = np.random.default_rng(seed)
    names = VOCABULARY.definitions[VOCABULARY.category_index(category)].keypoints
    xy = rng.uniform((0, 0), (WIDTH - 1, HEIGHT - 1), (len(names), 2))
    state = rng.integers(-1, 2, len(names))
    return LabelledGarment("made", category, names, Keypoints(xy, state), (10.0, 20.0, 190.5, 110.0))


@pytest.fixture
def made(tmp_path: Path) -> LabelSet:
    photos = []
    for index, category in enumerate(VOCABULARY.categories):
        name = f"p{index}.jpg"
        Image.fromarray(np.full((HEIGHT, WIDTH, 3), 40 * index, np.uint8)).save(tmp_path / name)
        photos.append(LabelledPhoto(name, (WIDTH, HEIGHT), (garment(category, index), garment("skirt", index + 50))))
    Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(tmp_path / "none.jpg")
    return LabelSet(tmp_path, tmp_path, (*photos, LabelledPhoto("none.jpg", (WIDTH, HEIGHT), ())))


def loaded(folder: Path) -> tuple[dict, list[dict]]:
    data = check_det_dataset(folder / "data.yaml", autodownload=False)
    dataset = YOLODataset(img_path=data["train"], data=data, task="pose", imgsz=64, augment=False)
    return data, dataset.labels


def test_every_photo_and_garment_is_taken(made: LabelSet, tmp_path: Path, monkeypatch) -> None:
    write_yolo_pose(made, tmp_path / "out", VOCABULARY)
    monkeypatch.chdir("/")  # paths in data.yaml are relative to that file
    data, labels = loaded(tmp_path / "out")
    assert data["names"] == dict(enumerate(VOCABULARY.categories)) and data["kpt_shape"] == [24, 3]
    found = {Path(label["im_file"]).name: label for label in labels}
    assert set(found) == {photo.file_name for photo in made.photos}
    for photo in made.photos:
        label = found[photo.file_name]
        assert label["shape"] == (HEIGHT, WIDTH) and len(label["cls"]) == len(photo.garments)
        rows = {int(cls[0]): n for n, cls in enumerate(label["cls"])}
        for index, garment in enumerate(photo.garments):
            # Its order of rows is kept if all differ: two skirts are matched by order.
            n = index if photo.file_name == "p3.jpg" else rows[VOCABULARY.category_index(garment.category)]
            units, box = label["keypoints"][n], label["bboxes"][n]
            at = [VOCABULARY.indices[name] for name in garment.names]
            assert units[at, 2].tolist() == (garment.keypoints.state + 1).tolist()
            assert not np.delete(units, at, axis=0).any()
            present = garment.keypoints.state >= 0
            px = units[at, :2] * (WIDTH, HEIGHT)
            np.testing.assert_allclose(px[present], garment.keypoints.xy[present] + 0.5, atol=1e-3)
            np.testing.assert_allclose(box * [WIDTH, HEIGHT, WIDTH, HEIGHT], (100.25, 65, 180.5, 90), atol=1e-3)


def test_it_mirrors_as_this_package_does(made: LabelSet, tmp_path: Path) -> None:
    """The mirrored centre of a pixel is the centre of a pixel only if fractions count pixel edges."""
    write_yolo_pose(made, tmp_path / "out", VOCABULARY)
    data, labels = loaded(tmp_path / "out")
    (label,) = (label for label in labels if Path(label["im_file"]).name == "p0.jpg")
    instances = Instances(label["bboxes"].copy(), keypoints=label["keypoints"].copy(), bbox_format="xywh")
    instances.denormalize(WIDTH, HEIGHT)
    instances.fliplr(WIDTH)
    mirrored = instances.keypoints[:, data["flip_idx"]]
    garments = made.photos[0].garments
    order = [int(cls[0]) for cls in label["cls"]]
    for garment in garments:
        row = mirrored[order.index(VOCABULARY.category_index(garment.category))]
        for name, xy, state in zip(garment.names, garment.keypoints.xy, garment.keypoints.state, strict=True):
            if state >= 0:
                twin = VOCABULARY.twins[VOCABULARY.indices[name]]
                np.testing.assert_allclose(row[twin, :2] - 0.5, flip(WIDTH).forward(xy), atol=1e-3)


def test_one_error_counts_the_same_whatever_the_number_of_keypoints(made: LabelSet, tmp_path: Path) -> None:
    """Without sigmas in data.yaml, ultralytics uses 1 / K, and this would be 0.99 and 0.7."""
    import torch
    from ultralytics.utils.metrics import kpt_iou

    names = VOCABULARY.restricted("skirt").keypoints
    scores = []
    for vocabulary in (VOCABULARY.restricted("skirt"), VOCABULARY):
        folder = tmp_path / str(len(vocabulary.keypoints))
        write_yolo_pose(LabelSet(tmp_path, tmp_path, ()), folder, vocabulary)
        sigma = yaml.safe_load((folder / "data.yaml").read_text())["kpt_oks_sigmas"]
        assert len(sigma) == len(vocabulary.keypoints) and min(sigma) > 0  # otherwise its validator refuses them
        truth = torch.zeros(1, len(vocabulary.keypoints), 3)
        truth[0, [vocabulary.indices[name] for name in names]] = torch.tensor([50.0, 60.0, 2.0])
        answer = truth + torch.tensor([8.0, 0.0, 0.0])
        scores.append(float(kpt_iou(truth, answer, torch.tensor([200.0 * 200.0]), sigma)))
    assert scores[0] == pytest.approx(scores[1]) and 0.5 < scores[0] < 0.95


@pytest.mark.parametrize(("x", "taken"), [("1.01", True), ("1.02", False), ("-0.01", True), ("-0.02", False)])
def test_one_point_outside_costs_it_the_whole_photo(made: LabelSet, tmp_path: Path, x: str, taken: bool) -> None:
    """The reason for the limit in `yolo_pose`: our reader accepts and refuses the same rows."""
    write_yolo_pose(made, tmp_path / "out", VOCABULARY)
    label = tmp_path / "out" / "labels" / "p0.txt"
    rows = label.read_text().splitlines()
    cells = rows[0].split()
    cells[5:8] = [x, "0.5", "2"]
    label.write_text("\n".join([" ".join(cells), *rows[1:]]))
    photo = str(tmp_path / "out" / "images" / "p0.jpg")
    answer = verify_image_label((photo, str(label), "", True, 5, 24, 3, False))
    assert (answer[0] is not None) == taken
    found = read_yolo_pose(tmp_path / "out")
    assert bool(found.problems) != taken


def test_a_data_set_in_its_own_form_is_read_the_same(tmp_path: Path) -> None:
    """A data set without keypoint names, with a `path`, a nested folder, and a photo without labels."""
    root = tmp_path / "sets" / "socks"
    for name in ("train/a", "train/deep/b", "val/c"):
        photo = root / "images" / f"{name}.png"
        photo.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(photo)
    label = root / "labels" / "train" / "deep" / "b.txt"
    label.parent.mkdir(parents=True)
    label.write_text("1 0.5 0.5 0.4 0.4 0.25 0.5 2 0 0 0\n")
    content = {
        "path": str(root),
        "train": "images/train",
        "val": "images/val",
        "kpt_shape": [2, 3],
        "names": ["l", "r"],
    }
    (root / "data.yaml").write_text(yaml.safe_dump(content))
    _, labels = loaded(root)
    theirs = {Path(item["im_file"]).stem: (item["cls"].ravel().tolist(), item["keypoints"].tolist()) for item in labels}
    ours = {Path(photo.file_name).stem: photo.garments for photo in read_yolo_pose(root).photos}
    assert set(theirs) == {"a", "b"} and set(ours) == {"a", "b", "c"}
    assert theirs["a"][0] == [] and ours["a"] == ()
    (garment,) = ours["b"]
    assert theirs["b"] == ([1.0], [[[0.25, 0.5, 2.0], [0.0, 0.0, 0.0]]])
    assert garment.category == "r" and garment.keypoints.xy[0].tolist() == [49.5, 59.5]
    assert garment.keypoints.state.tolist() == [1, -1]
