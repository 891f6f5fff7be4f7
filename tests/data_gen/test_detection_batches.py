import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aifashion.boxes import Detections, no_detections
from aifashion.config import DetectionConfig
from aifashion.data_gen.detection_batches import DetectionExamples, detection_batches
from aifashion.data_gen.formats.scenes import Scene

STILL = {"rotate": 0, "zoom": 0, "shift": 0, "flip": False, "colour": 0, "blur": 0, "erase": 0}
CONFIG = replace(DetectionConfig(network="lite", size=64, batch_size=2, seed=3), **STILL)
NONE = np.zeros((0, 4))


def scene(folder: Path, boxes: list, categories: list[int], ignored: np.ndarray = NONE, name: str = "a.png") -> Scene:
    """A grey photo of 128 x 64 whose boxes are filled with red."""
    photo = np.full((64, 128, 3), 90, np.uint8)
    for left, top, right, bottom in boxes:
        photo[top:bottom, left:right] = (250, 0, 0)
    Image.fromarray(photo).save(folder / name)
    garments = Detections(np.array(boxes), np.array(categories), np.ones(len(boxes))) if boxes else no_detections()
    return Scene(name, folder / name, garments, ignored, (128, 64))


def test_the_maps_have_the_boxes_where_the_photo_has_them(tmp_path):
    example = DetectionExamples([scene(tmp_path, [(16, 8, 48, 56), (80, 16, 120, 40)], [0, 4])], CONFIG, 0)(0)
    (found,) = CONFIG.codec.decode(example["heat"][None], example["distances"][None], lowest=1.0)
    # Half as large, in the middle of a square of 64 px: 16 px lower.
    expected = {0: [8, 20, 24, 44], 4: [40, 24, 60, 36]}
    assert {int(c): box.tolist() for c, box in zip(found.category, found.boxes, strict=True)} == expected
    for left, top, right, bottom in expected.values():
        assert (example["image"][top + 1 : bottom - 1, left + 1 : right - 1, 0] > 200).all()
    assert example["readable"] and example["index"] == 0


@pytest.mark.parametrize("epoch", range(6))
def test_boxes_go_with_the_pixels_through_every_augmentation(tmp_path, epoch):
    config = replace(CONFIG, zoom=0.3, shift=0.1, flip=True)
    example = DetectionExamples([scene(tmp_path, [(40, 20, 90, 50)], [1])], config, epoch)(0)
    (found,) = config.codec.decode(example["heat"][None], example["distances"][None], lowest=1.0)
    red = (example["image"][..., 0] > 170) & (example["image"][..., 1] < 60)
    rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
    seen = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    np.testing.assert_allclose(found.boxes[0], seen, atol=1)


def test_a_garment_that_is_mostly_outside_is_neither_learned_nor_background(tmp_path):
    config = replace(CONFIG, shift=0.4)
    photo = scene(tmp_path, [(0, 0, 12, 60)], [2])
    for epoch in range(30):
        example = DetectionExamples([photo], config, epoch)(0)
        if not (example["heat"] == 1).any() and (example["counted"] == 0).any():
            break
    else:
        pytest.fail("in no epoch the garment was cut off")
    assert (example["counted"][..., 2] == 0).sum() == (example["counted"][..., 0] == 0).sum()


def test_what_is_ignored_is_ignored_in_all_categories(tmp_path):
    example = DetectionExamples([scene(tmp_path, [], [], np.array([[0, 0, 64, 64.0]]))], CONFIG, 0)(0)
    assert (example["counted"][2:6, :4] == 0).all()
    assert (example["counted"][:, 4:] == 1).all()
    assert not example["heat"].any() and not example["weight"].any()


def test_a_photo_that_cannot_be_read_teaches_nothing(tmp_path):
    photo = scene(tmp_path, [(16, 8, 48, 56)], [0])
    photo.path.write_bytes(b"no photo")
    example = DetectionExamples([photo], CONFIG, 0)(0)
    assert not example["readable"]
    assert not any(example[name].any() for name in ("image", "heat", "counted", "weight", "distances"))


def test_an_epoch_can_be_made_again_from_any_step(tmp_path):
    photos = [scene(tmp_path, [(4 * i, 8, 48, 56)], [i % 5], name=f"{i}.png") for i in range(7)]
    config = replace(CONFIG, zoom=0.3, colour=0.4, erase=1.0, flip=True)
    whole = list(detection_batches(photos, config, epoch=1))
    assert len(whole) == 3
    later = list(detection_batches(photos, config, epoch=1, first_step=1))
    for first, second in zip(whole[1:], later, strict=True):
        assert all(np.array_equal(first[name], second[name]) for name in first)
    other = next(detection_batches(photos, config, epoch=2))
    assert not np.array_equal(other["index"], whole[0]["index"])
    assert pickle.loads(pickle.dumps(DetectionExamples(photos, config, 1)))(0)["index"] == 0
