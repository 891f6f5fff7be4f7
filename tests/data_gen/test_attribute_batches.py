import pickle
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aifashion.config import AttributeConfig
from aifashion.data_gen.attribute_batches import (
    AttributeExamples,
    attribute_batches,
    batch_sides,
    epoch_order,
    row_targets,
    row_weights,
)
from aifashion.data_gen.label_table import LabelTable, PhotoFiles
from aifashion.data_gen.preprocess import PADDING, letterboxed
from aifashion.records import HeadSpec

SHAPE = HeadSpec("shape", "exclusive", ("round", "square", "other"))
LENGTH = HeadSpec("length", "ordinal", ("short", "knee", "long", "floor"))
STYLE = HeadSpec("style", "independent", ("sport", "lady"))
SHAPES = np.array([[1, 0, 0], [0, 0.8, 0.2]], np.float32)
STYLES = np.array([[0, 0], [1, 0], [1, 1]], np.float32)
# For each photo: row in SHAPES, length, row in STYLES; -1 if it is not labelled.
CODES = [[0, -1, -1], [1, -1, -1], [-1, 3, -1], [-1, -1, 1], [0, 2, 2], [-1, -1, -1]]
CONFIG = AttributeConfig(size=64, batch_size=3, seed=5)
STILL = replace(CONFIG, rotate=0, zoom=0, shift=0, flip=False, hue=0, saturation=0, brightness=0, blur=0, erase=0)
MIXED = replace(CONFIG, batch_size=2, mixup=0.4, cutmix=1.0, scales=(0.5, 1.0, 1.5), label_smoothing=0.1)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> PhotoFiles:
    """11 photos of noise; no two alike."""
    folder = tmp_path_factory.mktemp("photos")
    for i in range(11):
        noise = np.random.default_rng(i).integers(0, 256, (40 + i, 60, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{i}.png")
    return PhotoFiles(folder, [f"{i}.png" for i in range(11)])


@pytest.fixture(scope="module")
def table(photos: PhotoFiles) -> LabelTable:
    codes = np.array((CODES * 2)[:11], np.int32)
    return LabelTable(photos, (SHAPE, LENGTH, STYLE), codes, (SHAPES, None, STYLES))


def listed(counts: list[int], head: HeadSpec = SHAPE, targets: np.ndarray | None = None) -> LabelTable:
    """A table without files, with `counts` photos of each code."""
    codes = np.repeat(np.arange(len(counts), dtype=np.int32), counts)[:, None]
    return LabelTable(PhotoFiles(Path("there"), [f"{i}.png" for i in range(len(codes))]), (head,), codes, (targets,))


def assert_same(first: list[dict], second: list[dict]) -> None:
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            assert one[name].dtype == other[name].dtype
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def rows_of(batches: list[dict]) -> list[int]:
    return [int(row) for batch in batches for row in batch["index"]]


# ------------------------------------------------------------------------------------------------------ the batches


def test_shapes_and_types(table: LabelTable) -> None:
    batch = next(attribute_batches(table, CONFIG, epoch=1))
    heads = {f"target/{head.name}": ((3, len(head.classes)), np.float32) for head in table.heads}
    heads |= {f"known/{head.name}": ((3,), np.float32) for head in table.heads}
    assert {name: (values.shape, values.dtype) for name, values in batch.items()} == heads | {
        "image": ((3, 64, 64, 3), np.uint8),
        "index": ((3,), np.int32),
        "readable": ((3,), bool),
    }
    assert batch["readable"].all()


def test_labels_belong_to_their_photos(table: LabelTable) -> None:
    seen = 0
    for batch in attribute_batches(table, replace(CONFIG, batch_size=11), epoch=1):
        for i, row in enumerate(batch["index"]):
            shape, length, style = (CODES * 2)[row]
            for name, code, targets in (
                ("shape", shape, SHAPES),
                ("length", length, np.eye(4)),
                ("style", style, STYLES),
            ):
                assert batch[f"known/{name}"][i] == (code >= 0)
                expected = targets[code] if code >= 0 else 0 * targets[0]
                np.testing.assert_allclose(batch[f"target/{name}"][i], expected, rtol=1e-6)
            seen += 1
    assert seen == 11


@pytest.mark.parametrize("config", [replace(CONFIG, batch_size=2), MIXED, replace(MIXED, balance=0.5)])
def test_batches_are_reproducible_and_resuming_gives_the_remaining_ones(table: LabelTable, config: AttributeConfig):
    whole = list(attribute_batches(table, config, epoch=1))
    assert len(whole) == 5
    for first_step in range(6):
        assert_same(list(attribute_batches(table, config, 1, first_step)), whole[first_step:])
    for other in (attribute_batches(table, config, 2), attribute_batches(table, replace(config, seed=6), 1)):
        assert any(
            one["image"].shape != two["image"].shape or (one["image"] != two["image"]).any()
            for one, two in zip(whole, other, strict=True)
        )


def test_each_row_comes_once_an_epoch_in_a_new_order(table: LabelTable) -> None:
    epochs = [rows_of(list(attribute_batches(table, CONFIG, epoch))) for epoch in range(6)]
    for order in epochs:
        assert len(order) == len(set(order)) == 9  # three batches of 3; two of the 11 are left out
    assert all(one != other for one, other in pairwise(epochs))
    assert set().union(*epochs) == set(range(11))  # not always the same two
    assert sorted(epoch_order(table, CONFIG, 3)) == list(range(11))


def test_seed_epoch_and_row_decide_the_augmentation(table: LabelTable, photos: PhotoFiles) -> None:
    image = AttributeExamples(table, CONFIG, 1)((0, 64))["image"]
    assert (AttributeExamples(table, CONFIG, 1)((0, 64))["image"] == image).all()
    twice = replace(table, photos=PhotoFiles(photos.root, ["0.png"] * 11))
    for other in (
        AttributeExamples(table, CONFIG, 2)((0, 64)),
        AttributeExamples(table, replace(CONFIG, seed=6), 1)((0, 64)),
        AttributeExamples(twice, CONFIG, 1)((1, 64)),
    ):
        assert (other["image"] != image).any()


def test_without_augmentation_the_photo_is_letterboxed(table: LabelTable) -> None:
    for row, side in ((0, 64), (7, 96)):
        image = AttributeExamples(table, STILL, 1)((row, side))["image"]
        np.testing.assert_array_equal(image, letterboxed(table.photos.read(row), (side, side))[0])
        assert (image[0] == PADDING).all()  # wider than high


def test_every_augmentation_reaches_the_image(table: LabelTable) -> None:
    still = AttributeExamples(table, STILL, 1)((0, 64))["image"]
    strengths = {"rotate": 20, "zoom": 0.3, "shift": 0.2, "hue": 0.2, "saturation": 0.5, "brightness": 0.5}
    for change in (*({name: value} for name, value in strengths.items()), {"blur": 1.0}, {"erase": 1.0}):
        assert (AttributeExamples(table, replace(STILL, **change), 1)((0, 64))["image"] != still).any(), change
    mirrored = [AttributeExamples(table, replace(STILL, flip=True), epoch)((0, 64))["image"] for epoch in range(40)]
    same = [(image == still).all() for image in mirrored]
    assert 8 <= sum(same) <= 32  # half of 40, four standard deviations of 3.2
    for image, unchanged in zip(mirrored, same, strict=True):
        assert unchanged or (image == still[:, ::-1]).all()


def test_examples_can_be_sent_to_another_process(table: LabelTable) -> None:
    examples = AttributeExamples(table, CONFIG, 1)
    assert_same([pickle.loads(pickle.dumps(examples))((4, 64))], [examples((4, 64))])


@pytest.mark.slow  # the worker process imports everything again
def test_worker_processes_give_the_same_batches(table: LabelTable) -> None:
    threads = list(attribute_batches(table, MIXED, epoch=2, first_step=1))
    for workers in (1, 2):
        assert_same(list(attribute_batches(table, MIXED, epoch=2, first_step=1, workers=workers)), threads)


def test_fewer_photos_than_a_batch_are_refused(table: LabelTable) -> None:
    with pytest.raises(ValueError, match=r"11 training samples do not fill a batch of 12: use --batch-size 11 or less"):
        attribute_batches(table, replace(CONFIG, batch_size=12), 1)


def test_an_unreadable_photo_is_blank_and_without_labels(table: LabelTable, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    root = table.photos.root  # type: ignore[attr-defined]
    (tmp_path / "4.png").write_bytes((root / "4.png").read_bytes())
    names = ["broken.png", "missing.png", "4.png", "4.png"]
    codes = np.array([CODES[4]] * 4, np.int32)
    other = LabelTable(PhotoFiles(tmp_path, names), table.heads, codes, table.targets)
    (batch,) = attribute_batches(other, replace(CONFIG, batch_size=4), 1)
    for i, row in enumerate(batch["index"]):
        readable = names[row] == "4.png"
        assert batch["readable"][i] == readable
        assert batch["image"][i].any() == readable
        for head in table.heads:
            assert batch[f"known/{head.name}"][i] == readable
    # It does not change the other photos of the batch.
    alone = AttributeExamples(other, CONFIG, 1)((2, 64))
    sound = replace(other, photos=PhotoFiles(tmp_path, ["4.png"] * 4))
    assert_same([alone], [AttributeExamples(sound, CONFIG, 1)((2, 64))])


# ------------------------------------------------------------------------------------------------------- the targets


def test_hard_labels_are_the_most_probable_class(table: LabelTable) -> None:
    soft, hard = (row_targets(table, 1, replace(CONFIG, labels=kind)) for kind in ("soft", "hard"))
    np.testing.assert_allclose(soft["target/shape"], [0, 0.8, 0.2])
    np.testing.assert_array_equal(hard["target/shape"], [0, 1, 0])
    # A label that several styles share stays, and an unlabelled head has no class.
    both = row_targets(table, 4, replace(CONFIG, labels="hard"))
    np.testing.assert_array_equal(both["target/style"], [1, 1])
    np.testing.assert_array_equal(both["target/length"], [0, 0, 1, 0])
    np.testing.assert_array_equal(hard["target/length"], [0, 0, 0, 0])


@pytest.mark.parametrize("labels", ["soft", "hard"])
def test_smoothed_labels_sum_to_one(table: LabelTable, labels) -> None:
    config = replace(CONFIG, label_smoothing=0.3, labels=labels)
    shape = row_targets(table, 1, config)["target/shape"]
    # A tenth to each of the three classes, 0.7 as before.
    np.testing.assert_allclose(shape, [0.1, 0.8, 0.1] if labels == "hard" else [0.1, 0.66, 0.24], rtol=1e-6)
    np.testing.assert_allclose(row_targets(table, 2, config)["target/length"], [0.075, 0.075, 0.075, 0.775], rtol=1e-6)
    for row in range(11):
        found = row_targets(table, row, config)
        for head in (SHAPE, LENGTH):
            assert found[f"target/{head.name}"].sum() == pytest.approx(float(found[f"known/{head.name}"]))


def test_smoothing_of_independent_labels_gives_half_to_each_answer(table: LabelTable) -> None:
    config = replace(CONFIG, label_smoothing=0.3)
    np.testing.assert_allclose(row_targets(table, 3, config)["target/style"], [0.85, 0.15], rtol=1e-6)
    np.testing.assert_array_equal(row_targets(table, 0, config)["target/style"], [0, 0])


# --------------------------------------------------------------------------------------------------------- the order


def test_balanced_classes_are_drawn_equally_often() -> None:
    table, config = listed([900, 90, 10]), replace(CONFIG, balance=1.0)
    order = epoch_order(table, config, 1)
    drawn = np.bincount(table.codes[order, 0])
    # 1000 draws with a probability of a third each: five standard deviations of sqrt(1000 * 2 / 9) = 15.
    assert len(order) == 1000 and (abs(drawn - 1000 / 3) < 75).all()
    np.testing.assert_array_equal(epoch_order(table, config, 1), order)
    assert (epoch_order(table, config, 2) != order).any()
    # Photos of one class have equal probabilities: 900 photos share the draws of the first, so none is drawn often.
    assert np.bincount(order, minlength=1000)[:900].max() < 8


def test_partly_balanced_classes_follow_the_exponent() -> None:
    table = listed([900, 90, 10])
    drawn = np.bincount(table.codes[epoch_order(table, replace(CONFIG, balance=0.5), 1), 0])
    # n photos of weight 1 / sqrt(n) each: sqrt(n) together.
    share = np.sqrt([900, 90, 10]) / np.sqrt([900, 90, 10]).sum()
    assert (abs(drawn - 1000 * share) < 5 * np.sqrt(1000 * share * (1 - share))).all()


def test_weights_of_rows_by_hand() -> None:
    # Three photos of class 0 and one of class 1: each class has weight 1 in total, so 1/6 a photo and 1/2.
    np.testing.assert_allclose(row_weights(listed([3, 1]), 1.0), [1 / 6] * 3 + [1 / 2])
    np.testing.assert_allclose(row_weights(listed([3, 1]), 0.0), [1 / 4] * 4)
    # Soft labels count in fractions (2 x 1 + 0.2, and 0.8), and a row belongs to its most probable class.
    soft = np.array([[1, 0, 0], [0.2, 0.8, 0]], np.float32)
    expected = np.array([1 / 2.2, 1 / 2.2, 1 / 1.0])  # 0.8 photos count as one
    np.testing.assert_allclose(row_weights(listed([2, 1], targets=soft), 1.0), expected / expected.sum(), rtol=1e-6)


def test_a_row_of_several_heads_is_as_rare_as_its_rarest_label() -> None:
    # Codes: shape (three, one) and length (two, two); the last is not labelled at all.
    codes = np.array([[0, 0], [0, -1], [0, 1], [1, 1], [-1, 0], [-1, -1]], np.int32)
    table = LabelTable(listed([6]).photos, (SHAPE, LENGTH), codes, (None, None))
    expected = np.array([1 / 2, 1 / 3, 1 / 2, 1, 1 / 2, 0])
    np.testing.assert_allclose(row_weights(table, 1.0), expected / expected.sum())


def test_a_photo_of_several_styles_is_as_rare_as_its_rarest_one() -> None:
    # Four photos have sport, one has lady; three have no style, which counts as a label, too.
    table = listed([3, 3, 1], STYLE, STYLES)
    expected = np.array([1 / 3] * 3 + [1 / 4] * 3 + [1])
    np.testing.assert_allclose(row_weights(table, 1.0), expected / expected.sum())


def test_without_labels_all_rows_have_the_same_weight() -> None:
    table = LabelTable(listed([4]).photos, (SHAPE,), np.full((4, 1), -1, np.int32), (None,))
    np.testing.assert_array_equal(row_weights(table, 1.0), [0.25] * 4)


# --------------------------------------------------------------------------------------------------------- the sides


def test_the_side_is_drawn_for_each_batch(table: LabelTable) -> None:
    config = replace(STILL, scales=(0.5, 1.0, 1.6), size=64, batch_size=1)
    sides = batch_sides(config, 1, 600)
    assert set(sides) == {32, 64, 96}  # 1.6 x 64 = 102.4, to the nearest multiple of 32
    assert all(abs((sides == side).sum() - 200) < 58 for side in (32, 64, 96))  # five standard deviations of 11.5
    np.testing.assert_array_equal(batch_sides(config, 1, 600), sides)
    assert (batch_sides(config, 2, 600) != sides).any()
    shapes = [batch["image"].shape[1:] for batch in attribute_batches(table, config, 1)]
    assert shapes == [(side, side, 3) for side in batch_sides(config, 1, 11)] and len(set(shapes)) > 1


def test_sides_of_a_size_that_is_no_multiple_of_32_are_not_rounded_to_32() -> None:
    assert set(batch_sides(replace(CONFIG, size=50, scales=(0.5, 1.0)), 1, 40)) == {25, 50}
    assert set(batch_sides(replace(CONFIG, size=50), 1, 40)) == {50}


def test_the_shift_is_a_fraction_of_the_side_of_the_batch(table: LabelTable, tmp_path: Path) -> None:
    # White, so that the edges show by how much it was shifted.
    Image.fromarray(np.full((50, 50, 3), 255, np.uint8)).save(tmp_path / "white.png")
    other = LabelTable(PhotoFiles(tmp_path, ["white.png"]), table.heads, np.full((1, 3), -1, np.int32), table.targets)
    config = replace(STILL, shift=0.25)
    for side in (32, 128):
        images = [AttributeExamples(other, config, epoch)((0, side))["image"] for epoch in range(60)]
        moved = [side - (image == 255).all(axis=2).any(axis=0).sum() for image in images]
        assert 0.18 * side < max(moved) <= 0.25 * side + 1
