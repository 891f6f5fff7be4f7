import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit
from scipy.special import softmax as reference_softmax

from aifashion.eval.heads import head_probabilities
from aifashion.records import HeadSpec

LENGTH = HeadSpec("skirt_length", "ordinal", ("short", "knee", "midi", "floor"))
SHAPE = HeadSpec("shape", "exclusive", ("round", "square", "other"))
STYLE = HeadSpec("style", "independent", ("sport", "lady", "casual"))
SHARES = np.log([0.9 / 0.1, 0.6 / 0.4, 0.2 / 0.8])  # logits of 0.9, 0.6 and 0.2


def test_the_steps_of_a_length_by_hand():
    # Higher than short with 0.9, than knee with 0.6, than midi with 0.2.
    found = head_probabilities(LENGTH, np.array([SHARES, [50, 50, 50], [-50, -50, -50], [50, 0, -50]]))
    np.testing.assert_allclose(found, [[0.1, 0.3, 0.4, 0.2], [0, 0, 0, 1], [1, 0, 0, 0], [0, 0.5, 0.5, 0]], atol=1e-12)
    assert found.dtype == np.float64


def test_the_lower_answer_limits_a_higher_one_that_contradicts_it():
    # 0.2, 0.9, 0.6: higher than knee, but hardly than short; so also hardly than knee and midi.
    found = head_probabilities(LENGTH, SHARES[None, [2, 0, 1]])
    np.testing.assert_allclose(found, [[0.8, 0, 0, 0.2]], atol=1e-12)
    # 0.6, 0.2, 0.9: the middle one limits the last.
    np.testing.assert_allclose(head_probabilities(LENGTH, SHARES[None, [1, 2, 0]]), [[0.4, 0.4, 0, 0.2]], atol=1e-12)


def test_exclusive_and_independent_heads_agree_with_scipy():
    logits = np.random.default_rng(0).normal(0, 3, (20, 3)).astype(np.float32)
    wide = logits.astype(np.float64)
    np.testing.assert_allclose(head_probabilities(SHAPE, logits), reference_softmax(wide, axis=1), rtol=1e-12)
    np.testing.assert_allclose(head_probabilities(STYLE, logits), expit(wide), rtol=1e-12)


@pytest.mark.parametrize("head", [LENGTH, SHAPE, STYLE], ids=lambda head: head.kind)
def test_a_temperature_divides_the_logits(head: HeadSpec):
    logits = np.random.default_rng(1).normal(0, 3, (20, 3))
    np.testing.assert_allclose(head_probabilities(head, logits, 2.5), head_probabilities(head, logits / 2.5))
    assert (head_probabilities(head, logits, 2.5) != head_probabilities(head, logits)).any(axis=1).all()
    # One read back from a file is an array without axes.
    np.testing.assert_array_equal(
        head_probabilities(head, logits, np.array(2.5)), head_probabilities(head, logits, 2.5)
    )


def test_every_label_has_its_own_temperature():
    found = head_probabilities(STYLE, np.array([[2.0, 2.0, 2.0]]), np.array([1.0, 2.0, 4.0]))
    np.testing.assert_allclose(found, expit([[2.0, 1.0, 0.5]]))


@given(arrays(np.float32, (4, 3), elements=st.floats(-(2.0**100), 2.0**100, width=32)), st.floats(0.05, 20))
def test_whatever_the_logits_they_become_probabilities(logits: np.ndarray, temperature: float):
    with np.errstate(all="raise", under="ignore"):
        answers = {head.kind: head_probabilities(head, logits, temperature) for head in (LENGTH, SHAPE, STYLE)}
    for kind, found in answers.items():
        assert ((found >= 0) & (found <= 1)).all()
        if kind != "independent":
            np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-12)


def test_small_probabilities_are_not_lost():
    # 1 / (1 + e^40): as 1 minus something it would be 0.
    np.testing.assert_allclose(head_probabilities(STYLE, np.array([[-40.0, 0, 40]]))[0, 0], np.exp(-40), rtol=1e-9)


def test_no_photos():
    for head, width in ((LENGTH, 4), (SHAPE, 3), (STYLE, 3)):
        assert head_probabilities(head, np.zeros((0, 3))).shape == (0, width)
