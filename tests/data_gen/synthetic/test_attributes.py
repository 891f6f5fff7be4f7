import numpy as np
import pytest

from aifashion.data_gen.formats.challenges import ATTRIBUTE_TASKS
from aifashion.data_gen.synthetic.attributes import BOUNDS, MARGIN, length_label, one_hot


def test_one_hot_writes_one_letter_per_class_in_label_order():
    assert one_hot("collar_design", "Peter Pan") == "nnynn"
    assert one_hot("pant_length", "Mid Length", ("Short Pant",)) == "nmynnn"


def test_one_hot_names_an_unknown_class():
    with pytest.raises(ValueError, match="Mandarin"):
        one_hot("collar_design", "Mandarin")


@pytest.mark.parametrize(
    ("task", "value", "label"),
    [
        ("sleeve_length", 0.0, "nynnnnnnn"),
        ("sleeve_length", 0.3, "nnnynnnnn"),
        ("sleeve_length", 0.39, "nnnmynnnn"),
        ("sleeve_length", 0.37, "nnnymnnnn"),
        ("sleeve_length", 1.15, "nnnnnnnny"),
        ("skirt_length", 3.0, "nynnnn"),
        ("skirt_length", 6.1, "nnnnny"),
    ],
)
def test_lengths_fall_into_their_classes(task, value, label):
    assert length_label(task, value) == label


@pytest.mark.parametrize("task", BOUNDS)
def test_every_length_has_one_y_and_m_only_near_a_bound(task):
    for value in np.linspace(-0.5, 7, 400):
        label = length_label(task, float(value))
        assert len(label) == len(ATTRIBUTE_TASKS[task])
        assert label.count("y") == 1
        assert label[0] == "n"  # a length is never invisible
        distance = min(abs(value - bound) for bound in BOUNDS[task])
        if "m" in label:
            assert distance < MARGIN[task]
            assert abs(label.index("m") - label.index("y")) == 1


@pytest.mark.parametrize("task", BOUNDS)
def test_a_longer_garment_never_has_an_earlier_class(task):
    classes = [length_label(task, float(v)).index("y") for v in np.linspace(-0.5, 7, 300)]
    assert classes == sorted(classes)
    assert set(classes) >= set(range(2, len(ATTRIBUTE_TASKS[task])))
