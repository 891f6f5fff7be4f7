import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from aifashion.data_gen.memory import Budget, array_bytes


def test_bytes_are_reserved_by_as_many_as_there_is_room_for():
    budget, inside, most = Budget(100), [0], [0]
    changing = threading.Lock()

    def work(count: int) -> None:
        with budget.reserved(count):
            with changing:
                inside[0] += count
                most[0] = max(most[0], inside[0])
            threading.Event().wait(0.002)
            with changing:
                inside[0] -= count

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [30, 50, 20, 60, 10, 70, 90, 5] * 4))
    assert 50 < most[0] <= 100 and budget.used == 0


def test_what_needs_more_than_the_limit_gets_all_of_it():
    budget = Budget(10)
    with budget.reserved(1000):
        assert budget.full
    assert not budget.full and budget.used == 0


def test_an_error_gives_the_bytes_back():
    budget = Budget(10)
    try:
        with budget.reserved(7):
            raise KeyError
    except KeyError:
        assert budget.used == 0


def test_who_is_asked_for_does_not_wait_for_room():
    budget, asked = Budget(10), threading.Event()
    budget.add(10)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(budget.wait, asked.is_set)
        assert not waiting.done()
        asked.set()
        budget.changed()
        waiting.result(10)


def test_bytes_of_arrays():
    pixels = np.zeros((4, 5, 3), np.uint8)
    assert array_bytes(pixels) == 60
    assert array_bytes(("a.jpg", (pixels, None, [pixels]))) == 120 and array_bytes(None) == 0
