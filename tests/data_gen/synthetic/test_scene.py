import numpy as np
import pytest

from aifashion.data_gen.formats.challenges import ATTRIBUTE_TASKS, CATEGORIES, KEYPOINTS
from aifashion.data_gen.synthetic import outfit, scene
from aifashion.data_gen.synthetic.body import random_body
from aifashion.data_gen.synthetic.paint import Canvas
from aifashion.data_gen.synthetic.scene import render
from aifashion.records import ABSENT, VISIBLE
from aifashion.vocabulary import load_vocabulary

ALL = load_vocabulary()

TASKS = {
    "blouse": {"sleeve_length"},
    "dress": {"sleeve_length", "skirt_length"},
    "outwear": {"sleeve_length", "coat_length"},
    "skirt": {"skirt_length"},
    "trousers": {"pant_length"},
}
DESIGNS = {"collar_design", "lapel_design", "neck_design", "neckline_design"}


def photos(category: str, count: int, size: int = 96):
    return [render(np.random.default_rng([3, i]), size, category) for i in range(count)]


def test_the_same_seed_draws_the_same_photo():
    one, two, other = (render(np.random.default_rng(seed), 96, "dress") for seed in (5, 5, 6))
    np.testing.assert_array_equal(one.image, two.image)
    assert one.keypoints == two.keypoints
    assert one.attributes == two.attributes
    assert one.image.shape != other.image.shape or (one.image != other.image).any()


@pytest.mark.parametrize("category", CATEGORIES)
def test_photos_have_the_given_size_and_points_inside(category):
    has = ALL.mask(category)
    for photo in photos(category, 25):
        height, width = photo.image.shape[:2]
        assert photo.image.dtype == np.uint8
        assert max(height, width) == 96
        assert min(height, width) >= 67
        state, xy = photo.keypoints.state, photo.keypoints.xy
        assert state.shape == (len(KEYPOINTS),)
        assert (state[~has] == ABSENT).all()
        pixel = np.round(xy[state != ABSENT])
        assert (pixel >= 0).all()
        assert (pixel <= [width - 1, height - 1]).all()


@pytest.mark.parametrize("category", CATEGORIES)
def test_most_points_are_present_and_visible(category):
    has = ALL.mask(category)
    states = np.stack([photo.keypoints.state[has] for photo in photos(category, 40)])
    assert (states != ABSENT).mean() > 0.85
    assert 0.7 < (states == VISIBLE).mean() < 1.0


@pytest.mark.parametrize("category", CATEGORIES)
def test_left_is_the_image_s_left(category):
    for photo in photos(category, 40):
        for k, name in enumerate(KEYPOINTS):
            twin = name.replace("left", "right")
            if not name.endswith("left") or name.startswith("cuff"):
                continue
            j = KEYPOINTS.index(twin)
            if ABSENT not in photo.keypoints.state[[k, j]]:
                assert photo.keypoints.xy[k, 0] < photo.keypoints.xy[j, 0], name


@pytest.mark.parametrize("category", CATEGORIES)
def test_attributes_are_labels_of_the_category_s_tasks(category):
    for photo in photos(category, 25):
        assert TASKS[category] <= set(photo.attributes) <= TASKS[category] | DESIGNS
        for task, label in photo.attributes.items():
            assert len(label) == len(ATTRIBUTE_TASKS[task])
            assert set(label) <= set("ymn")
            assert label.count("y") == 1


@pytest.mark.parametrize("on", [False, True])
@pytest.mark.parametrize("category", CATEGORIES)
def test_visible_points_lie_on_the_garment_and_hidden_ones_under_something_else(category, on):
    wrong, count = [], 0
    for seed in range(12):
        rng = np.random.default_rng([seed, 17])
        body = random_body(rng, on)
        target, pieces = (outfit.worn if on else outfit.laid_out)(rng, body, category)
        camera = scene._camera(rng, target, 160, 140)
        canvas = Canvas(np.ones((160, 140, 3), np.float32), camera, 0.0, 1.0, 0.1, 1.0)
        for piece in sorted(pieces, key=lambda p: p.z):
            canvas.paint(piece, rng)
        keypoints, _ = scene._keypoints(canvas, target, np.zeros((2, 160, 140), np.float32))
        ours = np.array([p.owner == category for p in canvas.pieces] + [False])
        for k in np.flatnonzero(keypoints.state != ABSENT):
            mark = target.marks[KEYPOINTS[k]]
            x, y = np.round(keypoints.xy[k]).astype(int)
            around = canvas.top[max(y - 3, 0) : y + 4, max(x - 3, 0) : x + 4]
            count += 1
            if keypoints.state[k] == VISIBLE:
                # An arm that hangs over an armpit does not hide it.
                spared = {canvas.pieces[i].part for i in around.ravel() if i >= 0} & mark.spared
                right = ours[around].any() or spared
            else:
                home = mark.home
                index = max(i for i, p in enumerate(canvas.pieces) if p.part == home and p.owner == category)
                # At the edge of a boot, the boot is one of the pieces around the point.
                right = canvas.top[y, x] > index or (mark.hidden and (around > index).any())
            if not right:
                wrong.append((seed, KEYPOINTS[k]))
    # A point at the very edge of hair or of a bag is visible if 30% of a small square around it are, cloth or not.
    assert len(wrong) <= 0.015 * count, wrong


def test_side_bars_cover_no_keypoints(rng):
    photo = render(np.random.default_rng(2), 96, "skirt")
    image = np.full((96, 96, 3), 0.5, np.float32)
    scene._pad_sides(rng, image, photo.keypoints)
    x = photo.keypoints.xy[photo.keypoints.state != ABSENT, 0]
    assert (image[:, int(x.min()) : int(x.max()) + 1] == 0.5).all()


def test_unknown_categories_and_tiny_photos_are_refused(rng):
    with pytest.raises(ValueError, match="unknown category 'hat'"):
        render(rng, 96, "hat")
    with pytest.raises(ValueError, match="32 px"):
        render(rng, 8)
