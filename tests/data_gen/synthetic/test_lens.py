import cv2
import numpy as np

from aifashion.data_gen.synthetic.lens import bent, develop, grid, random_bend


def test_bent_points_are_where_the_bent_picture_shows_them(rng):
    bend = random_bend(rng, 120, 90)
    points = rng.uniform(20, 70, (30, 2))
    moved = bent(points, bend)
    x, y = np.round(moved).astype(int).T
    np.testing.assert_allclose(moved + bend[:, y, x].T, points, atol=0.25)


def test_a_bend_moves_the_picture_and_its_points_equally():
    image = np.zeros((120, 90, 3), np.float32)
    image[60:63, 40:43] = 1.0
    rng = np.random.default_rng(11)
    bend = next(b for b in (random_bend(rng, 120, 90) for _ in range(20)) if np.abs(b).max() > 1.5)
    moved = cv2.remap(image, *grid(bend), cv2.INTER_LINEAR)[..., 0]
    rows, columns = np.mgrid[:120, :90]
    centre = np.array([(moved * columns).sum(), (moved * rows).sum()]) / moved.sum()
    np.testing.assert_allclose(bent(np.array([[41.0, 61.0]]), bend)[0], centre, atol=0.3)


def test_a_developed_picture_is_like_the_drawn_one():
    drawn = np.zeros((60, 40, 3), np.float32)
    drawn[:, 20:] = (0.8, 0.4, 0.2)
    for seed in range(20):
        photo = develop(np.random.default_rng(seed), drawn)
        assert photo.dtype == np.uint8 and photo.shape == drawn.shape
        dark, bright = photo[:, :15].mean(axis=(0, 1)), photo[:, 25:].mean(axis=(0, 1))
        assert dark.max() < 20 < bright.min() and bright[0] > bright[1] > bright[2]
