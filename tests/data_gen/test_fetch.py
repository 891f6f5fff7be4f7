"""Lists of photos, fetched from the server of `unreliable_server.py`; test_web.py tests single downloads."""

import io
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from unreliable_server import Route, Server, drip, first, send, serving

from aifashion.data_gen import fetch
from aifashion.data_gen.fetch import (
    Decoding,
    Outcome,
    decoding_bytes,
    fetch_photos,
    photo_path,
    read_failures,
    whole_photo,
    write_failures,
)
from aifashion.data_gen.images import ImageError, decode_image
from aifashion.data_gen.web import Limits


def photo(width: int = 40, height: int = 30, kind: str = "JPEG", seed: int = 0) -> bytes:
    stream = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(noise).save(stream, kind)
    return stream.getvalue()


PHOTO = photo()
MANY = Limits(backoff=0.01, read_timeout=5, total_timeout=5, allow_private=True)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits in s before each further try; the tries come without waiting."""
    noted: list[float] = []
    settle = fetch._Jobs.settle

    def at_once(jobs: fetch._Jobs, job: fetch._Job, wait: float | None = None) -> None:
        noted.extend([] if wait is None else [wait])
        settle(jobs, job, None if wait is None else 0.0)

    monkeypatch.setattr(fetch._Jobs, "settle", at_once)
    return noted


def one(url: str, folder: Path, limits: Limits = MANY, **options: object) -> Outcome:
    (outcome,) = fetch_photos([url], folder, limits, **options)  # type: ignore[arg-type]
    return outcome


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_photos_arrive_as_they_were_sent(server: Server, tmp_path: Path) -> None:
    photos = {server.url(f"/{kind}"): photo(kind=kind) for kind in ("JPEG", "PNG", "WEBP", "BMP", "GIF")}
    for url, data in photos.items():
        server.routes["/" + url.rpartition("/")[2]] = send(data, Content_Type="text/plain")
    outcomes = list(fetch_photos(photos, tmp_path, MANY))
    assert sorted(outcome.url for outcome in outcomes) == sorted(photos)
    for outcome in outcomes:
        assert outcome.path is not None and outcome.path == photo_path(tmp_path, outcome.url) and outcome.fresh
        assert outcome.path.read_bytes() == photos[outcome.url]
    assert sorted(files(tmp_path)) == sorted(photo_path(tmp_path, url) for url in photos)


def test_complete_photos_are_not_fetched_again_and_repeated_urls_only_once(server: Server, tmp_path: Path) -> None:
    server.routes |= {"/a": send(PHOTO), "/b": first(send(b"", 404), send(PHOTO))}
    urls = [server.url("/a"), server.url("/b"), server.url("/a")]
    assert sorted((outcome.url, outcome.reason) for outcome in fetch_photos(urls, tmp_path, MANY)) == [
        (urls[0], ""),
        (urls[1], "HTTP 404 Not Found"),
    ]
    again = list(fetch_photos(urls, tmp_path, MANY))
    assert [(outcome.url, outcome.fresh) for outcome in again] == [(urls[0], False), (urls[1], True)]
    assert server.seen == {"/a": 1, "/b": 2}


def test_each_worker_uses_its_connection_again(server: Server, tmp_path: Path) -> None:
    server.routes |= {f"/{i}": send(PHOTO) for i in range(0, 20, 2)}
    urls = [server.url(f"/{i}") for i in range(20)]
    outcomes = list(fetch_photos(urls, tmp_path, Limits(workers=2, allow_private=True)))
    assert sum(outcome.path is not None for outcome in outcomes) == 10 and sum(server.seen.values()) == 20
    assert server.connections <= 2


@pytest.mark.parametrize(("workers", "per_host", "most"), [(8, 3, 3), (2, 8, 2)])
def test_the_limits_of_parallel_downloads_are_used_fully(
    server: Server, tmp_path: Path, workers: int, per_host: int, most: int
) -> None:
    arrived = threading.Barrier(most)  # no request is answered before the others have arrived

    def together(handler: BaseHTTPRequestHandler) -> None:
        arrived.wait(5)
        send(PHOTO, sleep=0.03)(handler)  # time for a request beyond the limit to arrive

    server.routes |= {f"/{i}": together for i in range(6)}
    limits = Limits(workers=workers, per_host=per_host, allow_private=True)
    outcomes = fetch_photos([server.url(f"/{i}") for i in range(6)], tmp_path, limits)
    assert all(outcome.path is not None for outcome in outcomes) and server.most_at_once == most


FINAL: dict[str, tuple[Route, str]] = {
    "missing": (send(b"", 404), "HTTP 404 Not Found"),
    "huge": (send(b"x" * 200_001), "larger than the limit of 200,000 bytes"),
    "page": (send(b"<html>gone</html>", Content_Type="image/jpeg"), "the downloaded file: not a readable image"),
    "empty": (send(b""), "the downloaded file: the file is empty"),
    "half": (send(PHOTO[:-400]), "the downloaded file: "),
    "length too small": (send(PHOTO, length=len(PHOTO) - 300), "the downloaded file: "),
    "many pixels": (send(b"P5 9000 9000 255\n"), "pixels are more than the limit"),
}


@pytest.mark.parametrize("what", FINAL)
def test_permanent_failures_are_tried_once(server: Server, tmp_path: Path, what: str) -> None:
    server.routes["/"], reason = FINAL[what]
    limits = Limits(backoff=0.01, max_bytes=200_000, read_timeout=5, total_timeout=5, allow_private=True)
    outcome = one(server.url("/"), tmp_path, limits)
    assert outcome.path is None and reason in outcome.reason
    assert server.seen["/"] == 1 and not files(tmp_path)


PASSING: dict[str, tuple[Route, str]] = {
    "server error": (send(b"", 500), "HTTP 500 Internal Server Error"),
    "broken off": (send(PHOTO[:500], length=len(PHOTO)), "broke off after 500 bytes"),
}


@pytest.mark.parametrize("what", PASSING)
def test_temporary_failures_are_tried_again(server: Server, tmp_path: Path, what: str) -> None:
    route, reason = PASSING[what]
    server.routes |= {"/once": first(route, send(PHOTO)), "/always": route}
    outcome = one(server.url("/once"), tmp_path)
    assert outcome.path is not None and outcome.path.read_bytes() == PHOTO and server.seen["/once"] == 2
    outcome = one(server.url("/always"), tmp_path)
    assert outcome.path is None and outcome.reason == reason
    assert server.seen["/always"] == 4 and len(files(tmp_path)) == 1


def test_endless_slow_downloads_are_ended(server: Server, tmp_path: Path) -> None:
    server.routes["/"] = lambda handler: drip(handler, b"HTTP/1.1 200 OK\r\n\r\n")
    start = time.monotonic()
    outcome = one(server.url("/"), tmp_path, Limits(retries=0, read_timeout=5, total_timeout=0.15, allow_private=True))
    assert outcome.reason == "not complete after 0.15 s" and time.monotonic() - start < 3
    assert not files(tmp_path)


def test_retry_after_sets_the_wait(server: Server, tmp_path: Path, waits: list[float]) -> None:
    server.routes["/"] = first(send(b"", 503, Retry_After="7"), send(b"", 503, Retry_After="3600"), send(PHOTO))
    assert one(server.url("/"), tmp_path).path is not None
    assert waits == [7, 60]


def test_other_photos_are_fetched_while_one_waits(server: Server, tmp_path: Path) -> None:
    server.routes |= {"/0": first(send(b"", 503), send(PHOTO)), "/1": send(PHOTO), "/2": send(PHOTO)}
    urls = [server.url(f"/{i}") for i in range(3)]
    start = time.monotonic()
    limits = Limits(workers=1, backoff=0.2, allow_private=True)
    order = [outcome.url for outcome in fetch_photos(urls, tmp_path, limits)]
    assert order == [urls[1], urls[2], urls[0]] and time.monotonic() - start >= 0.1


def test_the_waits_double_and_their_jitter_depends_on_the_seed_alone(tmp_path: Path, waits: list[float]) -> None:
    def nowhere(host: str, port: int) -> list[str]:
        raise socket.gaierror("no such host")

    runs = []
    for seed in (1, 1, 2):
        outcome = one("http://a/", tmp_path, Limits(backoff=8), seed=seed, resolver=nowhere)
        assert outcome.reason == "gaierror: no such host"
        runs.append(waits.copy())
        waits.clear()
    assert runs[0] == runs[1] != runs[2] and len(runs[0]) == 3
    for wait, mean in zip(runs[0], (8, 16, 32), strict=True):
        assert mean * 0.5 <= wait <= mean * 1.5


def test_a_host_that_never_answers_is_not_tried_again(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    limits = Limits(workers=4, retries=0, allow_private=True)
    reasons = [o.reason for o in fetch_photos([f"http://127.0.0.1:{port}/{i}" for i in range(60)], tmp_path, limits)]
    assert len(reasons) == 60 and "ConnectionRefusedError" in reasons[0]
    assert reasons.count("127.0.0.1 failed 20 times in a row and is not tried again in this run") >= 30


def test_the_path_depends_on_the_url_before_redirects(server: Server, tmp_path: Path) -> None:
    server.routes |= {"/0": send(b"over there", 302, Location="/1"), "/1": send(PHOTO)}
    outcome = one(server.url("/0"), tmp_path)
    assert outcome.reason == "" and outcome.path == photo_path(tmp_path, server.url("/0"))


def test_invalid_urls_do_not_end_the_run(server: Server, tmp_path: Path) -> None:
    server.routes["/"] = send(PHOTO)
    wrong = ["", "x", "//a/x.jpg", "file:///etc/passwd", "http://[::1/x.jpg", "http://a..b/x.jpg", "http://a:b/"]
    outcomes = list(fetch_photos([*wrong, server.url("/")], tmp_path, MANY))
    assert sorted(outcome.url for outcome in outcomes if outcome.reason) == sorted(wrong) and len(outcomes) == 8


def test_closing_the_iterator_ends_at_once_and_keeps_complete_photos(server: Server, tmp_path: Path) -> None:
    server.routes |= {
        f"/{i}": send(PHOTO) if i < 2 else lambda h: drip(h, b"HTTP/1.1 200 OK\r\n\r\n") for i in range(9)
    }
    urls = [server.url(f"/{i}") for i in range(9)]
    outcomes = fetch_photos(urls, tmp_path, Limits(workers=4, allow_private=True))
    done = [next(outcomes).url, next(outcomes).url]
    start = time.monotonic()
    outcomes.close()
    assert time.monotonic() - start < 3
    assert sorted(done) == urls[:2] and sorted(files(tmp_path)) == sorted(photo_path(tmp_path, url) for url in done)
    server.routes = {f"/{i}": send(PHOTO) for i in range(9)}
    again = list(fetch_photos(urls, tmp_path, Limits(workers=4, allow_private=True)))
    assert sorted(outcome.url for outcome in again if not outcome.fresh) == urls[:2]
    assert all(outcome.path is not None for outcome in again) and server.seen["/0"] == server.seen["/1"] == 1


def test_a_full_disk_ends_the_run(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetch, "write_atomic", full)
    server.routes["/"] = send(PHOTO)
    with pytest.raises(OSError, match="No space left"):
        one(server.url("/"), tmp_path)


def test_large_photos_are_reduced() -> None:
    data = photo(60, 40, "PNG")
    assert whole_photo(data) is data and whole_photo(data, 60) is data
    reduced = whole_photo(data, 30)
    assert reduced[:3] == b"\xff\xd8\xff" and decode_image(reduced, "x").shape == (20, 30, 3)
    assert decode_image(whole_photo(photo(3, 300, "PNG"), 30), "x").shape == (30, 1, 3)
    red = Image.new("RGB", (40, 40), (255, 0, 0))
    stream = io.BytesIO()
    red.save(stream, "PNG")
    assert (np.abs(decode_image(whole_photo(stream.getvalue(), 8), "x").astype(int) - (255, 0, 0)) < 3).all()
    with pytest.raises(ImageError, match="the downloaded file: not a readable image"):
        whole_photo(b"<html>")


def test_written_failures_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "failed.csv"
    assert read_failures(path) == {}
    failures = [("a", "http://x/?a=1,2", 'HTTP 404 "Not Found"'), ("b", "http://ü/", "broke off")]
    write_failures(path, failures)
    assert path.read_bytes().startswith(b'id,url,reason\na,"http://x/?a=1,2",')
    assert read_failures(path) == {name: (url, reason) for name, url, reason in failures}
    write_failures(path, [])
    assert path.read_text() == "id,url,reason\n" and read_failures(path) == {}
    path.write_bytes(b"id,url,reason\na,b\n\xff,c,d\n")
    assert list(read_failures(path).values()) == [("c", "d")]


def test_photos_are_decoded_together_only_as_far_as_they_fit() -> None:
    decoding, together, most = Decoding(4, 100), [], 0
    lock = threading.Lock()

    def decode(size: int) -> None:
        nonlocal most
        with decoding.place(size):
            with lock:
                together.append(size)
                most = max(most, len(together))
                assert sum(together) <= 100 or together == [size]
            time.sleep(0.005)
            with lock:
                together.remove(size)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(decode, [10, 40, 60, 1000, 30, 5] * 5))
    assert 1 < most <= 4


def test_what_decoding_takes_is_known_from_the_header() -> None:
    stream = io.BytesIO()
    Image.new("RGBA", (2000, 1000)).save(stream, "PNG")
    assert decoding_bytes(stream.getvalue()[:200]) >= 2000 * 1000 * 4
    stream = io.BytesIO()
    Image.new("RGB", (200, 100)).save(stream, "JPEG")
    assert decoding_bytes(stream.getvalue()) >= 200 * 100 * 3
    assert decoding_bytes(b"") == decoding_bytes(b"no photo") == 0
