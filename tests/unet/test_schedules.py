import keras
import numpy as np
import pytest

from aifashion.unet.schedules import (
    SCHEDULES,
    StepDecay,
    check_schedule,
    find_schedule,
    learning_rate_schedule,
    schedule_epochs,
)

PEAK = 0.2


def rate(schedule, step: int | np.integer) -> float:
    return float(keras.ops.convert_to_numpy(schedule(step)))


def rates(name: str, epochs: int, places: list[int], steps_per_epoch: int = 10, warmup: float = 0) -> list[float]:
    schedule = learning_rate_schedule(name, PEAK, steps_per_epoch, epochs, warmup)
    return [rate(schedule, step) for step in places]


def approx(shares: list[float]):
    return pytest.approx([PEAK * share for share in shares], rel=1e-5, abs=1e-9)


def test_1x_drops_after_the_last_steps_of_epochs_7_and_10():
    assert rates("1x", 12, [0, 69, 70, 99, 100, 119, 1000]) == approx([1, 1, 0.1, 0.1, 0.01, 0.01, 0.01])


@pytest.mark.parametrize(("name", "first", "second"), [("2x", 14, 20), ("10x", 70, 100), ("20e", 16, 19)])
def test_where_others_drop(name, first, second):
    epochs = schedule_epochs(name)
    assert epochs is not None
    places = [10 * first - 1, 10 * first, 10 * second - 1, 10 * second]
    assert rates(name, epochs, places) == approx([1, 0.1, 0.1, 0.01])


def test_100e():
    assert rates("100e", 100, [799, 800, 949, 950]) == approx([1, 0.1, 0.1, 0.01])


def test_epochs_that_a_name_implies():
    multiples = {f"{n}x": 12 * n for n in range(1, 11)}
    assert {name: schedule_epochs(name) for name in SCHEDULES} == multiples | {
        "cosine": None,
        "constant": None,
        "20e": 20,
        "100e": 100,
    }
    assert schedule_epochs("8=0.1") is None


def test_the_warmup_is_part_of_the_epochs():
    # Over 15 steps; the drop after epoch 7 stays where it is.
    assert rates("1x", 12, [0, 3, 14, 15, 69, 70], warmup=1.5) == approx([0, 0.2, 14 / 15, 1, 1, 0.1])


def test_the_warmup_takes_half_of_the_steps_at_most():
    # 2 epochs of 10 steps, of which 5 epochs of warm-up are asked for.
    assert rates("constant", 2, [0, 5, 10, 19], warmup=5) == approx([0, 0.5, 1, 1])


def test_cosine():
    # 10 steps of warm-up, then 100 steps from 1 to 0.01; half way: 0.505.
    assert rates("cosine", 11, [0, 5, 10, 60, 110], warmup=1) == approx([0, 0.5, 1, 0.505, 0.01])
    assert rates("cosine", 10, [0, 50, 100]) == approx([1, 0.505, 0.01])


def test_constant():
    assert rates("constant", 10, [0, 50, 99]) == approx([1, 1, 1])


@pytest.mark.parametrize("text", ["8=0.1,11=0.01", "steps:8=0.1,11=0.01", " 8 = .1 , 11=1e-2"])
def test_steps_in_words(text):
    assert rates(text, 12, [79, 80, 109, 110]) == approx([1, 0.1, 0.1, 0.01])


@pytest.mark.parametrize(
    "text", ["8=", "=0.1", "8=0.1,", "8=0.1;9=0.01", "0=0.5", "8=0", "8=1.5", "8=-1", "9=0.1,8=0.01", "8=0.1,8=0.01"]
)
def test_steps_that_make_no_sense(text):
    with pytest.raises(ValueError, match=r"expected EPOCH=RATIO,\.\.\. with rising epochs from 1 and ratios"):
        find_schedule(text)


def test_an_unknown_name_is_told_the_others():
    with pytest.raises(ValueError, match=r"unknown schedule 'linear'; expected one of cosine, constant, 1x, 2x, .*"):
        schedule_epochs("linear")


def test_a_drop_that_is_never_reached():
    check_schedule("1x", 12)
    check_schedule("1x", 11)
    check_schedule("cosine", 1)
    with pytest.raises(ValueError, match="1x: 8 epochs never reach the drop after epoch 10; 1x lasts 12 epochs"):
        check_schedule("1x", 8)
    with pytest.raises(ValueError, match=r"8=0\.1: 8 epochs never reach the drop after epoch 8$"):
        check_schedule("8=0.1", 8)


def test_a_function_of_ones_own_joins_by_one_entry(monkeypatch):
    def falling(peak, steps_per_epoch, epochs, warmup_steps):
        return keras.optimizers.schedules.PolynomialDecay(peak, steps_per_epoch * epochs, 0.0)

    monkeypatch.setitem(SCHEDULES, "falling", falling)
    assert rates("falling", 10, [0, 50, 100]) == approx([1, 0.5, 0])
    assert schedule_epochs("falling") is None
    check_schedule("falling", 3)


def test_steps_beyond_what_floats_count_exactly():
    schedule = StepDecay(1.0, [2**24 + 1], [0.5])
    assert [rate(schedule, np.int64(2**24 + n)) for n in (0, 1)] == [1, 0.5]


def test_drives_an_optimizer_and_is_kept_as_a_configuration():
    schedule = StepDecay(1.0, [2], [0.25], warmup_steps=2)
    weight = keras.Variable([10.0])
    optimizer = keras.optimizers.deserialize(keras.optimizers.serialize(keras.optimizers.SGD(schedule)))
    optimizer.build([weight])
    found = []
    for _ in range(4):
        optimizer.apply([keras.ops.ones(1)])
        found.append(float(keras.ops.convert_to_numpy(weight)[0]))
    assert found == [10, 9.5, 9.25, 9]  # rates 0, 0.5, 0.25, 0.25
