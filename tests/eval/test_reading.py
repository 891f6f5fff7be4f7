import threading
from collections.abc import Iterator

import numpy as np
import pytest

from aifashion.data_gen.memory import Budget
from aifashion.eval.reading import AHEAD, full_batch, made_ahead, read_ahead, work_behind


def test_groups_keep_the_order_and_the_last_holds_the_rest():
    for size, expected in ((3, [[0, 1, 4], [9, 16, 25], [36]]), (7, [[0, 1, 4, 9, 16, 25, 36]]), (1, [[0], [1], [4]])):
        count = 3 if size == 1 else 7
        assert list(read_ahead(range(count), lambda i: i**2, size, threads=3)) == expected
    assert [len(group) for group in read_ahead(range(20), abs, 3)] == [3] * 6 + [2]
    assert list(read_ahead([], abs, 4)) == []


def test_a_slow_item_holds_its_place():
    first = threading.Event()

    def load(item: int) -> int:
        if item == 0:
            assert first.wait(10)  # until a later one has been loaded
        else:
            first.set()
        return item

    assert list(read_ahead(range(6), load, 2, threads=2)) == [[0, 1], [2, 3], [4, 5]]


def test_at_most_two_groups_are_loaded_ahead():
    taken = []

    def items() -> Iterator[int]:
        for item in range(1000):
            taken.append(item)
            yield item

    stream = read_ahead(items(), lambda item: item, 5)
    assert next(stream) == [0, 1, 2, 3, 4] and len(taken) <= 15
    assert next(stream) == [5, 6, 7, 8, 9] and len(taken) <= 20
    stream.close()  # type: ignore[attr-defined]


def test_large_items_are_read_ahead_by_bytes():
    budget, loaded, most = Budget(1000), [0], [0]

    def load(number: int) -> np.ndarray:
        loaded[0] += 1
        return np.zeros(100 if number < 20 else 1, np.uint8)

    stream = read_ahead(range(60), load, 8, threads=3, budget=budget)
    sizes = []
    for group in stream:
        most[0] = max(most[0], budget.used)
        sizes.append(len(group))
        budget.add(-sum(item.nbytes for item in group))
    # A quarter of the budget closes a group. Full, it lets in what is waited for and what three threads had begun.
    assert sizes[:6] == [3] * 6 and sum(sizes) == 60 and max(sizes) == 8
    assert most[0] <= 1000 + 3 * 100 and budget.used == 0


def test_a_full_budget_lets_in_only_what_is_waited_for():
    budget, loaded = Budget(100), []

    def load(number: int) -> np.ndarray:
        loaded.append(number)
        return np.zeros(100, np.uint8)

    stream = read_ahead(range(50), load, 4, threads=2, budget=budget)
    for number in range(5):
        assert len(next(stream)) == 1  # nothing is given back, yet all of them come
        assert len(loaded) <= number + 3
    stream.close()  # type: ignore[attr-defined]
    assert len(loaded) <= 8


def test_without_a_shared_budget_each_group_gives_its_bytes_back():
    groups = list(read_ahead(range(40), lambda number: np.zeros(AHEAD // 64, np.uint8), 4))
    assert [len(group) for group in groups] == [4] * 10


def test_a_full_budget_lets_items_be_made_only_when_they_are_asked_for():
    budget, made = Budget(10), []

    def items() -> Iterator[int]:
        for number in range(20):
            made.append(number)
            budget.add(10)
            yield number

    stream = made_ahead(items(), 5, budget)
    for number in range(6):
        assert next(stream) == number and len(made) <= number + 2
    stream.close()  # type: ignore[attr-defined]


def test_a_mistake_while_loading_is_raised():
    def load(item: int) -> int:
        if item == 3:
            raise ValueError("item 3")
        return item

    stream = read_ahead(range(6), load, 2)
    assert next(stream) == [0, 1]
    with pytest.raises(ValueError, match="item 3"):
        next(stream)


def test_items_are_made_ahead_of_their_use():
    made, enough = [], threading.Event()

    def items() -> Iterator[int]:
        for item in range(100):
            made.append(item)
            if len(made) == 4:
                enough.set()
            yield item

    stream = made_ahead(items(), 3)
    assert next(stream) == 0
    assert enough.wait(10)  # three more, though nobody asked for them
    stream.close()  # type: ignore[attr-defined]
    assert len(made) <= 5
    assert list(made_ahead(range(7), 3)) == list(range(7)) and list(made_ahead([], 3)) == []


def test_a_mistake_while_making_is_raised_in_its_place():
    stream = made_ahead((1 / number for number in (1, 2, 0, 4)), 2)
    assert [next(stream), next(stream)] == [1, 0.5]
    with pytest.raises(ZeroDivisionError):
        next(stream)


def test_a_batch_is_filled_up_with_blank_images():
    images = [np.full((2, 3, 3), value, np.uint8) for value in (7, 9)]
    batch = full_batch(images, 4)
    assert batch.shape == (4, 2, 3, 3) and batch.dtype == np.uint8
    assert batch[:, 0, 0, 0].tolist() == [7, 9, 0, 0] and not batch[2:].any()
    np.testing.assert_array_equal(full_batch(images, 2), images)


def test_work_behind_goes_on_while_the_next_item_is_made():
    begun, made = threading.Event(), []

    def items():
        for number in range(5):
            if number == 1:
                assert begun.wait(10)  # the work on the first item is not waited for
            made.append(number)
            yield number

    def work(number: int) -> int:
        begun.set()
        return number * number

    results = work_behind(items(), work)
    assert next(results) == 0 and made == [0, 1]
    assert list(results) == [1, 4, 9, 16]
    assert list(work_behind([], work)) == []


def test_errors_of_work_behind_are_raised_in_their_place():
    results = work_behind([1, 0, 2], lambda number: 1 / number)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_groups_of_nothing_are_refused():
    with pytest.raises(ValueError, match="the batch size is 0; expected at least 1"):
        next(read_ahead([1, 2], str, 0))
