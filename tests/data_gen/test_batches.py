from typing import Any

import numpy as np
import pytest

from aifashion.data_gen.batches import prepared_batches, steps_per_epoch


def squared(item: int) -> dict[str, Any]:
    return {"item": np.int32(item), "square": np.full(2, item**2, np.float32)}


def numbered(number: int, batch: dict[str, Any]) -> dict[str, Any]:
    return batch | {"number": np.int32(number)}


def contents(batches) -> list[list[int]]:
    return [batch["item"].tolist() for batch in batches]


def test_steps_count_full_batches():
    assert [steps_per_epoch(count, 4) for count in (4, 7, 8, 401)] == [1, 1, 2, 100]
    for count, most in ((3, 3), (1, 1), (0, 1)):
        with pytest.raises(ValueError, match=rf"^{count} training samples .* batch of 4: use --batch-size {most} or"):
            steps_per_epoch(count, 4)


def test_items_keep_their_order_and_an_incomplete_batch_is_left_out():
    batches = list(prepared_batches([5, 3, 9, 9, 0, 2, 7], squared, 3))
    assert contents(batches) == [[5, 3, 9], [9, 0, 2]]
    for batch in batches:
        assert batch["square"].dtype == np.float32
        np.testing.assert_array_equal(batch["square"], np.repeat(batch["item"][:, None] ** 2, 2, axis=1))


def test_change_gets_each_batch_once_with_its_number():
    batches = list(prepared_batches(range(25), squared, 2, numbered))
    assert contents(batches) == [[2 * i, 2 * i + 1] for i in range(12)]
    assert [int(batch["number"]) for batch in batches] == list(range(12))


def test_without_items_there_are_no_batches():
    assert list(prepared_batches([], squared, 3, numbered)) == []
    assert list(prepared_batches([1, 2], squared, 3)) == []


def test_errors_of_an_example_are_raised():
    def fails(item: int) -> dict[str, Any]:
        raise ValueError(f"item {item} is broken")

    with pytest.raises(ValueError, match="item 8 is broken"):
        list(prepared_batches([8], fails, 1))


def test_batches_are_prepared_only_a_few_ahead():
    made = []

    def noted(item: int) -> dict[str, Any]:
        made.append(item)
        return squared(item)

    stream = prepared_batches(range(10000), noted, 10)
    assert contents([next(stream), next(stream)]) == [list(range(10)), list(range(10, 20))]
    assert len(made) < 200  # those two, and a few ahead


@pytest.mark.slow  # each worker process imports everything again
@pytest.mark.parametrize("workers", [1, 2])
def test_worker_processes_give_the_same_batches_in_the_same_order(workers: int):
    expected = list(prepared_batches(range(23), squared, 3, numbered))
    found = list(prepared_batches(range(23), squared, 3, numbered, workers))
    assert len(found) == len(expected) == 7
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])
