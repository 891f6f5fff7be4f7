import threading
import time
import weakref
from concurrent.futures import Future
from typing import Any

import pytest
from served import Client, Networks, client, parts

from aifashion.recognition.recognizer import EncodedPhoto
from aifashion.web.metrics import Metrics
from aifashion.web.options import Options
from aifashion.web.problems import RequestError
from aifashion.web.worker import Worker


def photo(number: int, data: bytes = b"x") -> EncodedPhoto:
    return EncodedPhoto(str(number), data)


@pytest.fixture
def worker(networks: Networks):
    made = Worker(lambda: networks, 40, Metrics())
    made.start()
    yield made
    networks.go.set()
    made.stop()


def held(networks: Networks, worker: Worker) -> list[Future[Any]]:
    """Keeps the thread busy with one photo, until `networks.go` is set."""
    networks.go.clear()
    busy = worker.submit([photo(0)], Options())
    while not busy[0].running():
        time.sleep(0.001)
    return busy


def names(networks: Networks) -> list[list[str]]:
    return [[*batch] for batch, _ in networks.batches]


def test_photos_that_wait_are_recognised_together(networks: Networks, worker: Worker):
    busy = held(networks, worker)
    jobs = [job for n in range(1, 21) for job in worker.submit([photo(n)], Options())]
    networks.go.set()
    assert [job.result(30)["name"] for job in [*busy, *jobs]] == [str(n) for n in range(21)]
    assert names(networks) == [["0"], [str(n) for n in range(1, 17)], ["17", "18", "19", "20"]]


def test_photos_that_arrive_within_moments_share_a_batch(networks: Networks, worker: Worker, monkeypatch):
    monkeypatch.setattr("aifashion.web.worker.GATHER", 0.5)
    first = worker.submit([photo(1)], Options())
    time.sleep(0.02)
    second = worker.submit([photo(2)], Options())
    assert first[0].result(30)["name"] == "1" and second[0].result(30)["name"] == "2"
    assert names(networks) == [["1", "2"]]


def test_other_options_go_in_other_batches(networks: Networks, worker: Worker):
    held(networks, worker)
    skirt = Options(category="skirt")
    jobs = [worker.submit([photo(n)], skirt if n % 2 else Options())[0] for n in range(1, 7)]
    networks.go.set()
    assert [job.result(30)["name"] for job in jobs] == ["1", "2", "3", "4", "5", "6"]
    assert networks.batches[1:] == [(["1", "3", "5"], skirt), (["2", "4", "6"], Options())]


def test_a_full_queue_refuses_and_takes_again(networks: Networks, worker: Worker):
    held(networks, worker)
    jobs = worker.submit([photo(n) for n in range(39)], Options())
    with pytest.raises(RequestError, match="39 photos are waiting already; try again in") as caught:
        worker.submit([photo(1), photo(2)], Options())
    assert caught.value.status == 429 and 1 <= int(caught.value.headers["Retry-After"]) <= 60
    worker.submit([photo(1)], Options())
    networks.go.set()
    jobs[-1].result(30)


def test_photos_that_nobody_waits_for_are_left_out(networks: Networks, worker: Worker):
    held(networks, worker)
    gone, wanted = worker.submit([photo(1)], Options()), worker.submit([photo(2)], Options())
    assert gone[0].cancel()
    networks.go.set()
    assert wanted[0].result(30)["name"] == "2" and names(networks) == [["0"], ["2"]]


def test_photos_that_nobody_waits_for_leave_their_places_and_bytes(networks: Networks, worker: Worker):
    held(networks, worker)
    gone = worker.submit([photo(n) for n in range(40)], Options())
    watched = weakref.ref(gone[-1])  # which the photo lives as long as
    assert all(job.cancel() for job in gone)
    assert worker._metrics.registry.get_sample_value("aifashion_queue_length") == 0
    del gone
    assert watched() is None
    wanted = worker.submit([photo(n) for n in range(1, 41)], Options())  # there is room for all
    networks.go.set()
    assert wanted[-1].result(30)["name"] == "40"


def test_a_photo_that_fails_costs_itself_alone(networks: Networks, worker: Worker, caplog):
    held(networks, worker)
    jobs = worker.submit([photo(1), photo(2, b"bad"), photo(3, b"worse"), photo(4)], Options())
    networks.go.set()
    assert [job.result(30) for job in jobs] == [
        {"name": "1", "length": 1},
        {"name": "2", "error": "2: not a readable image"},
        {"name": "3", "error": "the photo could not be recognised"},
        {"name": "4", "length": 1},
    ]
    assert "RuntimeError" in caplog.text and "secret" not in caplog.text


def test_stopping_finishes_what_waits(networks: Networks, worker: Worker):
    held(networks, worker)
    jobs = worker.submit([photo(n) for n in range(20)], Options())
    threading.Timer(0.05, networks.go.set).start()
    worker.stop()
    assert all(job.done() for job in jobs)
    with pytest.raises(RequestError, match="being stopped"):
        worker.submit([photo(1)], Options())


def test_networks_that_cannot_be_loaded_are_told():
    def load() -> None:
        raise ValueError("no such run")

    failed = threading.Event()
    made = Worker(load, 1, Metrics())
    made.start(failed.set)
    assert failed.wait(30) and str(made.failure) == "no such run" and made.networks is None
    made.stop()


def test_clients_share_batches(pretended: Client, networks: Networks, monkeypatch):
    monkeypatch.setattr("aifashion.web.worker.GATHER", 30)
    monkeypatch.setattr("aifashion.web.worker.MOST", 8)  # a batch of so many does not wait for more
    requests = [("POST", "/v1/garments", parts((f"{n}.jpg", b"x" * n))) for n in range(1, 9)]
    for n, done in enumerate(pretended.together(requests), start=1):
        assert done.json() == {"photos": [{"name": f"{n}.jpg", "length": n}]}
    assert len(networks.batches) == 1 and len(networks.batches[0][0]) == 8
    text = pretended.get("/metrics").text
    assert 'aifashion_batch_size_bucket{le="8.0"} 1.0' in text and 'aifashion_batch_size_bucket{le="4.0"} 0.0' in text
    assert 'aifashion_photos_total{outcome="recognised"} 8.0' in text
    assert 'aifashion_requests_total{route="/v1/garments",status="200"} 8.0' in text


def test_a_client_is_told_when_to_come_again(networks: Networks):
    with client(networks, queue=2) as made:
        networks.go.clear()
        threading.Timer(0.5, networks.go.set).start()
        found = made.together([("POST", "/v1/garments", parts((f"{n}.jpg", b"x"))) for n in range(6)])
        refused = [done for done in found if done.status_code == 429]
        assert {done.status_code for done in found} == {200, 429} and all("retry-after" in r.headers for r in refused)
        assert "photos are waiting already" in refused[0].json()["error"]
