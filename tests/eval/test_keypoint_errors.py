"""Errors of keypoints from the form of their heatmaps, and the constants fitted to errors that are known."""

import numpy as np
import pytest

from aifashion.eval.keypoint_errors import (
    KeypointErrors,
    Observed,
    coverage,
    covering_factor,
    default_errors,
    fit_errors,
    fit_lengths,
    spreads,
)

SIDE = 48


def bump(x: float, y: float, deviations: tuple[float, float], angle: float = 0.0) -> np.ndarray:
    """(h, w): a Gaussian with these deviations along two axes, the first turned by `angle`."""
    ys, xs = np.mgrid[:SIDE, :SIDE].astype(float)
    dx, dy = xs - x, ys - y
    along = dx * np.cos(angle) + dy * np.sin(angle)
    across = dy * np.cos(angle) - dx * np.sin(angle)
    return np.exp(-0.5 * ((along / deviations[0]) ** 2 + (across / deviations[1]) ** 2))


def test_the_spread_is_the_covariance_of_a_heatmap_about_its_point():
    maps = np.stack([bump(20, 22, (2, 2)), bump(24.3, 20.1, (4, 2), np.pi / 4), 0 * bump(1, 1, (1, 1))], axis=-1)
    places = np.array([[20, 22], [24.3, 20.1], [0, 0]])
    found = spreads(maps[None].astype(np.float32), places[None])[0]
    # What lies below a tenth of the peak does not count, so that a little is missing.
    assert np.allclose(np.linalg.eigvalsh(found[0]), 4, rtol=0.35)
    variances, axes = np.linalg.eigh(found[1])
    assert 0.2 < variances[0] / variances[1] < 0.3 and abs(axes[0, 1] - axes[1, 1]) < 0.1
    assert (np.diag(found[2]) >= SIDE).all()  # an empty map says nothing


def test_a_point_beside_its_heatmap_s_middle_is_less_sure():
    heat = bump(20, 20, (1.5, 1.5))[None, ..., None].astype(np.float32)
    near, far = (spreads(heat, np.array([[[x, 20.0]]]))[0, 0] for x in (20, 23))
    assert far[0, 0] == pytest.approx(near[0, 0] + 9, rel=0.02) and far[1, 1] == pytest.approx(near[1, 1], rel=1e-6)


def test_two_places_in_one_heatmap_widen_it_between_them():
    # As of two of ten passes that see the point elsewhere.
    one = bump(20, 20, (1.5, 1.5))
    both = (one + bump(20, 28, (1.5, 1.5))) / 2
    single, double = (
        spreads(m[None, ..., None].astype(np.float32), np.array([[[20.0, 20]]]))[0, 0] for m in (one, both)
    )
    assert double[1, 1] > single[1, 1] + 16 and double[0, 0] == pytest.approx(single[0, 0], rel=0.1)


def test_the_formula():
    errors = KeypointErrors(np.array([0.5, 1.0]), 0.5, -0.25)
    spread = np.stack([np.diag([4.0, 9.0]), np.eye(2)])
    found = errors.covariance(spread, np.array([0.5, 0.8]))
    np.testing.assert_allclose(found[0], np.diag([0.25 * 4, 0.25 * 9]))
    np.testing.assert_allclose(found[1], np.eye(2) * 4**-0.5)


def observed(rng: np.random.Generator, count: int, truth: KeypointErrors, keypoints: int = 3) -> Observed:
    variances = np.exp(rng.normal(1, 0.7, (count, keypoints, 2)))
    angles = rng.uniform(0, np.pi, (count, keypoints))
    axes = np.stack([np.cos(angles), -np.sin(angles), np.sin(angles), np.cos(angles)], -1).reshape(
        count, keypoints, 2, 2
    )
    spread = (axes * variances[..., None, :]) @ np.swapaxes(axes, -1, -2)
    peaks = rng.uniform(0.2, 0.95, (count, keypoints))
    covariance = truth.covariance(spread, peaks)
    errors = np.linalg.cholesky(covariance) @ rng.normal(size=(count, keypoints, 2, 1))
    return Observed(errors[..., 0], spread, peaks, rng.random((count, keypoints)) < 0.8)


def test_constants_are_found_again():
    truth = KeypointErrors(np.array([0.3, 0.6, 1.2]), 0.6, -0.3)
    seen = observed(np.random.default_rng(1), 3000, truth)
    found = fit_errors(seen)
    assert found.width == pytest.approx(0.6, abs=0.05) and found.height == pytest.approx(-0.3, abs=0.03)
    np.testing.assert_allclose(found.scale, truth.scale, rtol=0.1)
    inverse = np.linalg.inv(found.covariance(seen.spread, seen.peaks)[seen.seen])
    square = np.einsum("ni,nij,nj->n", seen.errors[seen.seen], inverse, seen.errors[seen.seen])
    assert np.mean(square < 1) == pytest.approx(1 - np.exp(-0.5), abs=0.02)


def test_a_keypoint_without_examples_is_as_the_others():
    truth = KeypointErrors(np.array([0.5, 0.5, 0.5]), 0.6, -0.3)
    seen = observed(np.random.default_rng(2), 800, truth)
    seen.seen[:, 2] = False
    np.testing.assert_allclose(fit_errors(seen).scale, 0.5, rtol=0.1)
    seen.seen[:] = False
    with pytest.raises(ValueError, match="no annotated photo has a visible keypoint"):
        fit_errors(seen)


def test_factors_of_lengths():
    rng = np.random.default_rng(3)
    errors = KeypointErrors(np.ones(2), 0.5, -0.2)
    found = fit_lengths(errors, {"a": rng.normal(0, 2, 4000), "b": rng.normal(0, 1, 4000), "few": rng.normal(0, 9, 2)})
    shared = found.scale[0]
    assert shared * found.lengths["a"] == pytest.approx(2, rel=0.06)
    assert shared * found.lengths["b"] == pytest.approx(1, rel=0.06)
    assert 0.8 < found.lengths["few"] < 1.4  # two examples hardly count
    assert fit_lengths(errors, {}) is errors


def test_the_factor_covers_both_shares():
    rng = np.random.default_rng(4)
    normal = np.abs(rng.normal(0, 3, 20_000))
    assert covering_factor(normal) == pytest.approx(3, rel=0.03)
    one, two = coverage(normal / covering_factor(normal))
    assert one == pytest.approx(0.6827, abs=0.01) and two == pytest.approx(0.9545, abs=0.01)
    # Of heavier tails both shares are missed by as much.
    laplace = np.abs(rng.laplace(0, 1, 20_000))
    one, two = coverage(laplace / covering_factor(laplace))
    assert one - 0.6827 == pytest.approx(0.9545 - two, abs=0.005) and one > 0.69
    assert covering_factor(np.zeros(5)) == 1


def test_they_are_kept_and_read():
    errors = KeypointErrors(np.array([0.5, 1.0]), 0.5, -0.25, {"between a b": 1.5})
    read = KeypointErrors.from_json(errors.to_json(), 2)
    assert read.to_json() == errors.to_json() and read.lengths == {"between a b": 1.5}
    assert default_errors(2).scale.shape == (2,)


@pytest.mark.parametrize(
    "changes",
    [
        {"scale": [1.0]},
        {"scale": [1.0, 0.0]},
        {"scale": 3},
        {"width": "x"},
        {"width": 10**400},
        {"scale": [1.0, 10**400]},
        {"lengths": {"a": -1}},
        {"lengths": []},
        {"z": 1},
    ],
)
def test_what_they_cannot_be(changes):
    facts = KeypointErrors(np.array([0.5, 1.0]), 0.5, -0.25).to_json()
    with pytest.raises(ValueError, match="errors of keypoints"):
        KeypointErrors.from_json(facts | changes, 2)
