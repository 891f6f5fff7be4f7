import pickle
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aifashion.config import KeypointConfig
from aifashion.data_gen.keypoint_batches import KeypointExamples, keypoint_batches
from aifashion.data_gen.preprocess import PADDING
from aifashion.records import ABSENT, NO_GARMENT, Box, Keypoints, Sample
from aifashion.vocabulary import load_vocabulary

ALL = load_vocabulary()

SKIRT = KeypointConfig(category="skirt", network="lite", size=96, batch_size=4, seed=5)
# Waistband left and right, hemline left and right, and the spot that marks each in a photo of 160 x 120: one brighter
# in red, in green, in blue, and one darker in all three.
SPOTS = np.array([[50.0, 30], [110, 34], [42, 90], [121, 86]])
MOVED = np.add(SPOTS, [200, 40])
STILL = {"rotate": 0, "zoom": 0, "shift": 0, "flip": False, "colour": 0, "blur": 0, "erase": 0}


def skirt(path: Path, image_id: str, xy: np.ndarray = SPOTS, state=(1, 1, 1, 1)) -> Sample:
    """A sample of the skirt's four keypoints."""
    return Sample(image_id, path, "skirt", Keypoints(np.array(xy), np.array(state)))


def save_spots(path: Path, xy: np.ndarray, size: tuple[int, int] = (160, 120)) -> None:
    x, y = np.arange(size[0]), np.arange(size[1])[:, None]
    spots = [100 * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * 4.0**2)) for cx, cy in xy]
    photo = np.array(PADDING) + np.stack(spots[:3], axis=-1) - spots[3][..., None]
    Image.fromarray(np.rint(photo).astype(np.uint8)).save(path)


def spots_in(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(H, W, 3) -> where the four spots are, (4, 2) px, and how much of each there is, (4,)."""
    change = image.astype(float) - PADDING
    # The dark spot takes from all channels; in a bright one two of them stay as they are.
    maps = np.concatenate([np.maximum(change, 0), np.maximum(-change.max(axis=2, keepdims=True), 0)], axis=2)
    mass = maps.sum(axis=(0, 1))
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    sums = np.stack([(maps * x[..., None]).sum(axis=(0, 1)), (maps * y[..., None]).sum(axis=(0, 1))], axis=1)
    return sums / np.maximum(mass, 1)[:, None], mass


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """11 small photos with noise; no two alike."""
    folder = tmp_path_factory.mktemp("photos")
    result = []
    for i in range(11):
        noise = np.random.default_rng(i).integers(0, 256, (40 + i, 60, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{i}.png")
        result.append(skirt(folder / f"{i}.png", f"{i}.png", SPOTS / 3))
    return result


@pytest.fixture(scope="module")
def spots(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    path = tmp_path_factory.mktemp("spots") / "skirt.png"
    save_spots(path, SPOTS)
    return skirt(path, "skirt.png")


def assert_same(first: list[dict], second: list[dict]) -> None:
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            assert one[name].dtype == other[name].dtype
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def indices(batches: list[dict]) -> list[int]:
    return [int(index) for batch in batches for index in batch["index"]]


# ------------------------------------------------------------------------------------------------------ the batches


def test_shapes_and_types(samples):
    batch = next(keypoint_batches(samples, SKIRT, epoch=0))
    assert {name: (values.shape, values.dtype) for name, values in batch.items()} == {
        "image": ((4, 96, 96, 3), np.uint8),
        "mask": ((4, 4), np.float32),
        "heatmaps": ((4, 24, 24, 4), np.float32),
        "labelled": ((4, 4), np.float32),
        "category": ((4,), np.int32),
        "index": ((4,), np.int32),
        "readable": ((4,), bool),
        "categorised": ((4,), bool),
    }
    assert (
        batch["mask"].all() and batch["readable"].all() and batch["categorised"].all() and not batch["category"].any()
    )


def test_batches_are_reproducible(samples):
    first = list(keypoint_batches(samples, SKIRT, epoch=3))
    assert len(first) == 2
    assert_same(list(keypoint_batches(samples, SKIRT, epoch=3)), first)
    assert (first[0]["image"] != first[1]["image"]).any()


def test_resuming_gives_the_remaining_batches(samples):
    config = replace(SKIRT, batch_size=2)
    whole = list(keypoint_batches(samples, config, epoch=1))
    assert len(whole) == 5
    for first_step in range(6):
        assert_same(list(keypoint_batches(samples, config, 1, first_step)), whole[first_step:])


def test_batches_are_not_overwritten_by_later_ones(samples):
    stream = keypoint_batches(samples, replace(SKIRT, batch_size=2), epoch=0)
    kept, copies = [], []
    for batch in stream:
        kept.append(batch)
        copies.append({name: values.copy() for name, values in batch.items()})
    assert_same(kept, copies)


def test_each_sample_comes_once_an_epoch_in_a_new_order(samples):
    epochs = [indices(list(keypoint_batches(samples, SKIRT, epoch))) for epoch in range(6)]
    for order in epochs:
        assert len(order) == len(set(order)) == 8  # two batches of 4; three of the 11 are left out
    assert all(one != other for one, other in pairwise(epochs))
    assert set().union(*epochs) == set(range(11))  # not always the same three
    whole = indices(list(keypoint_batches(samples, replace(SKIRT, batch_size=11), 0)))
    assert sorted(whole) == list(range(11)) != whole


def test_seed_epoch_and_index_decide_the_augmentation(samples):
    image = KeypointExamples(samples, SKIRT, 0)(0)["image"]
    assert (KeypointExamples(samples, SKIRT, 0)(0)["image"] == image).all()
    twice = [samples[0], samples[0]]
    for other in (
        KeypointExamples(samples, SKIRT, 1)(0),
        KeypointExamples(samples, replace(SKIRT, seed=6), 0)(0),
        KeypointExamples(twice, SKIRT, 0)(1),
    ):
        assert (other["image"] != image).any()


def test_examples_can_be_sent_to_another_process(samples):
    examples = KeypointExamples(samples, SKIRT, 0)
    again = pickle.loads(pickle.dumps(examples))
    assert_same([again(4)], [examples(4)])


@pytest.mark.slow  # the worker process imports everything again
def test_worker_processes_give_the_same_batches(samples):
    config = replace(SKIRT, batch_size=2)
    threads = list(keypoint_batches(samples, config, epoch=2, first_step=1))
    for workers in (1, 2):
        assert_same(list(keypoint_batches(samples, config, epoch=2, first_step=1, workers=workers)), threads)


def test_fewer_samples_than_a_batch_are_refused(samples):
    with pytest.raises(ValueError, match=r"3 training samples do not fill a batch of 4: use --batch-size 3 or less"):
        keypoint_batches(samples[:3], SKIRT, 0)
    assert len(list(keypoint_batches(samples[:4], SKIRT, 0))) == 1


# ------------------------------------------------------------------------------------------------------- the targets


def test_heatmaps_peak_where_the_keypoints_are_seen(spots):
    config = replace(SKIRT, colour=0, blur=0, erase=0, shift=0.05)
    turns = mirrors = 0
    for epoch in range(24):
        example = KeypointExamples([spots], config, epoch)(0)
        seen, _ = spots_in(example["image"])
        # Left stays left in the picture, because a mirrored garment exchanges its twins. With them exchanged, the
        # colours run the other way round the garment.
        (ax, ay), (bx, by) = seen[1] - seen[0], seen[2] - seen[0]
        mirrored = ax * by - ay * bx < 0
        expected = seen[[1, 0, 3, 2]] if mirrored else seen
        assert expected[0, 0] < expected[1, 0] and expected[2, 0] < expected[3, 0]
        assert example["labelled"].tolist() == [1, 1, 1, 1]
        peaks = [np.unravel_index(example["heatmaps"][..., k].argmax(), (24, 24)) for k in range(4)]
        cells = np.array([[x, y] for y, x in peaks]) * 4 + 1.5  # the middle of 4 pixels from 4i to 4i + 3
        np.testing.assert_allclose(cells, expected, rtol=0, atol=2.1)
        # OpenCV rounds source positions to 1/32 px; the rest is the decoder's 0.01 px and 8 bits.
        decoded = config.codec.decode(example["heatmaps"][None], "dark")[0][0]
        np.testing.assert_allclose(decoded, expected, rtol=0, atol=0.1)
        mirrors += mirrored
        turns += abs(ay) > 0.2 * abs(ax)
    assert 5 <= mirrors <= 19 and turns >= 5


def test_points_outside_the_picture_are_not_labelled(spots):
    # Measured by the visible part of the spot: more than half when the point is inside, less when it is outside.
    config = replace(SKIRT, shift=0.45, colour=0, blur=0, erase=0)
    counts = {True: 0, False: 0}
    for epoch in range(60):
        example = KeypointExamples([spots], config, epoch)(0)
        seen, mass = spots_in(example["image"])
        share = mass / mass.max()  # at least one spot is seen whole in most pictures
        (ax, ay), (bx, by) = seen[1] - seen[0], seen[2] - seen[0]
        if share.min() < 0.02:  # too little is left to measure the rotation, so use the shares alone
            expected_sets = [share, share[[1, 0, 3, 2]]]
        else:
            expected_sets = [share[[1, 0, 3, 2]] if ax * by - ay * bx < 0 else share]
        labelled = example["labelled"] > 0
        assert any(
            all(labelled[k] == (part[k] > 0.5) for k in range(4) if not 0.4 < part[k] < 0.6) for part in expected_sets
        )
        np.testing.assert_array_equal(example["heatmaps"].any(axis=(0, 1)), labelled)
        for value in labelled:
            counts[bool(value)] += 1
    assert min(counts.values()) > 30


def test_without_augmentation_the_photo_is_letterboxed(spots):
    # 160 x 120 into 96 x 96: 0.6 times, 72 rows from 12 on. A point (x, y) lies at (x + 0.5) * 0.6 - 0.5, 12 lower.
    config = replace(SKIRT, **STILL)
    example = KeypointExamples([spots], config, 0)(0)
    expected = (SPOTS + 0.5) * 0.6 - 0.5 + [0, 12]
    np.testing.assert_allclose(spots_in(example["image"])[0], expected, rtol=0, atol=0.1)
    np.testing.assert_allclose(config.codec.decode(example["heatmaps"][None])[0][0], expected, rtol=0, atol=0.01)


@pytest.mark.parametrize(("weight", "expected"), [(0.0, [1, 0, 0, 1]), (0.25, [1, 0.25, 0, 1])])
def test_hidden_points_have_the_configured_weight(spots, weight: float, expected: list[float]):
    sample = skirt(spots.path, "x", state=(1, 0, -1, 1))
    example = KeypointExamples([sample], replace(SKIRT, **STILL, hidden_weight=weight), 0)(0)
    assert example["labelled"].tolist() == expected
    assert example["heatmaps"].any(axis=(0, 1)).tolist() == [value > 0 for value in expected]
    assert example["mask"].tolist() == [1, 1, 1, 1]  # the category has the point, labelled or not


def test_mirroring_exchanges_the_states_of_twins(spots):
    sample = skirt(spots.path, "x", state=(1, 0, 1, -1))
    found = {
        tuple(KeypointExamples([sample], replace(SKIRT, shift=0, rotate=0), epoch)(0)["labelled"])
        for epoch in range(16)
    }
    assert found == {(1, 0, 1, 0), (0, 1, 0, 1)}


def test_masks_and_categories_of_a_network_for_all_categories(spots):
    config = KeypointConfig(network="lite", size=96, batch_size=4, seed=5, **STILL)
    every, states = np.full((24, 2), -1.0), np.full(24, -1)
    every[15:19], states[15:19] = SPOTS, 1
    example = KeypointExamples([replace(spots, keypoints=Keypoints(every, states))], config, 0)(0)
    assert example["category"] == ALL.categories.index("skirt")
    for name in ("mask", "labelled"):
        assert np.flatnonzero(example[name]).tolist() == [15, 16, 17, 18], name
    assert np.flatnonzero(example["heatmaps"].any(axis=(0, 1))).tolist() == [15, 16, 17, 18]


def test_a_photo_without_a_garment_teaches_every_heatmap_to_be_empty_and_no_category(samples):
    points = Keypoints(np.full((4, 2), -1.0), np.full(4, ABSENT))
    sample = replace(samples[0], category=NO_GARMENT, keypoints=points)
    batch = next(keypoint_batches([sample] * 4, SKIRT, epoch=0))
    assert batch["labelled"].all() and batch["mask"].all() and not batch["heatmaps"].any()
    assert batch["readable"].all() and not batch["categorised"].any() and batch["image"].any()


def test_an_unreadable_photo_gives_a_blank_example_marked_unreadable(samples, tmp_path: Path):
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    broken, missing = skirt(tmp_path / "broken.png", "broken"), skirt(tmp_path / "missing.png", "missing")
    mixed = [samples[0], broken, samples[1], missing]
    (batch,) = keypoint_batches(mixed, SKIRT, 0)
    order = batch["index"].tolist()
    assert sorted(order) == [0, 1, 2, 3]
    for index, sample in enumerate(mixed):
        position = order.index(index)
        readable = sample in (samples[0], samples[1])
        assert batch["readable"][position] == batch["categorised"][position] == readable
        for name in ("image", "heatmaps", "labelled"):
            assert batch[name][position].any() == readable, name
        assert batch["mask"][position].all()


def test_an_unreadable_photo_does_not_change_the_others(samples, tmp_path: Path):
    missing = skirt(tmp_path / "missing.png", "missing")
    alone = KeypointExamples([missing, samples[1]], SKIRT, 0)(1)
    assert_same([alone], [KeypointExamples([samples[0], samples[1]], SKIRT, 0)(1)])


def test_samples_without_the_needed_keypoints_are_named(samples):
    unlabelled = replace(samples[0], keypoints=None, image_id="Images/skirt/7.png")
    with pytest.raises(ValueError, match=r"Images/skirt/7\.png: training needs the 4 keypoints of the vocabulary"):
        KeypointExamples([unlabelled], SKIRT, 0)(0)
    with pytest.raises(ValueError, match="unknown category 'dress'; expected one of skirt"):
        KeypointExamples([replace(samples[0], category="dress")], SKIRT, 0)(0)


def test_one_of_several_garments_is_seen_in_its_square_alone(tmp_path):
    """What a photo of it alone gives: the same picture and heatmaps."""
    save_spots(tmp_path / "alone.png", SPOTS, (160, 120))
    save_spots(tmp_path / "beside.png", MOVED, (420, 300))
    alone = replace(skirt(tmp_path / "alone.png", "alone.png"), square=Box(0, -20, 160, 140))
    beside = replace(skirt(tmp_path / "beside.png", "beside.png", MOVED), square=Box(200, 20, 360, 180))
    config = replace(SKIRT, **STILL)
    first, second = (KeypointExamples([sample], config, 0)(0) for sample in (alone, beside))
    np.testing.assert_allclose(second["heatmaps"], first["heatmaps"], atol=1e-5)
    # The first one's padding has the grey of the photos.
    np.testing.assert_allclose(second["image"].astype(int), first["image"].astype(int), atol=1)
    whole = KeypointExamples([skirt(tmp_path / "alone.png", "alone.png")], config, 0)(0)
    np.testing.assert_array_equal(first["image"], whole["image"])


def test_the_square_is_jittered_as_whole_photos_are(tmp_path):
    save_spots(tmp_path / "beside.png", MOVED, (420, 300))
    sample = replace(skirt(tmp_path / "beside.png", "b.png", MOVED), square=Box(200, 20, 360, 180))
    config = replace(SKIRT, **STILL | {"zoom": 0.2, "shift": 0.05})
    example = KeypointExamples([sample], config, 1)(0)
    xy, _ = config.codec.decode(example["heatmaps"][None], "dark")
    np.testing.assert_allclose(spots_in(example["image"])[0], xy[0], atol=0.5)
