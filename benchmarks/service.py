"""The service, asked by clients on the loopback: throughput, latency, memory and the size of the page.

    python benchmarks/service.py [--requests 200] [--photos 40]

A request has one drawn photo, and all its garments are asked for. With 1, 4 and 16 clients, each of which asks again as
soon as it has its answer; `aifashion predict --garments all` on the same files, in the same run, is what the throughput
is held to. --requests 50000 shows whether memory grows.
"""

import argparse
import http.client
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from measure import SEED, report
from predict_memory import resident

from aifashion.data_gen.synthetic.scene import render
from aifashion.eval.drawing import encoded

CLIENTS = (1, 4, 16)
SIDE = 512  # px
PAGE = Path(__file__).resolve().parent.parent / "src" / "web" / "page"
BOUNDARY = "garments"
COMMAND = [sys.executable, "-m", "aifashion.top.cli"]
CATEGORIES = ("blouse", "dress", "outwear", "skirt", "trousers")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--requests", type=int, default=200, help="for each number of clients")
    parser.add_argument("--photos", type=int, default=40, help="different photos")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        photos = draw(Path(name) / "photos", args.photos)
        predicted = predict(Path(name), args.photos)
        report("service", f"predict, {args.photos} photos", predicted, "photos/s")
        with served() as (process, port, seconds):
            report("service", "start to ready", seconds, "s", "< 1.5")
            ask_all(port, photos, max(CLIENTS), 4 * max(CLIENTS))  # compiles the networks for all lengths of batches
            first = most = resident(process)
            for clients in CLIENTS:
                spent, latencies = ask_all(port, photos, clients, args.requests)
                most = max(most, resident(process))
                label = f"{clients} client{'s' if clients > 1 else ''}"
                rate = args.requests / spent
                report("service", f"{label}: throughput", rate, "photos/s")
                report("service", f"{label}: throughput, of predict", rate / predicted, "x")
                for percent in (50, 99):
                    value = 1000 * float(np.percentile(latencies, percent))
                    report("service", f"{label}: p{percent}", value, "ms")
            case = f"memory growth over {len(CLIENTS) * args.requests:,} requests"
            report("service", case, most - first, "MB", "< 100")
    size = sum(path.stat().st_size for path in PAGE.rglob("*") if path.is_file())
    report("service", "size of the page", size / 1024, "KiB")


def draw(folder: Path, count: int) -> list[bytes]:
    """The bytes of JPEGs, which are also written to the folder."""
    folder.mkdir()
    photos = []
    for number in range(count):
        scene = render(np.random.default_rng([SEED, number]), SIDE, CATEGORIES[number % len(CATEGORIES)])
        photos.append(encoded(scene.image, quality=92))
        (folder / f"{number:04d}.jpg").write_bytes(photos[-1])
    return photos


def predict(folder: Path, count: int) -> float:
    """Photos per second of the command, with its start."""
    words = ["predict", str(folder / "photos"), "--garments", "all", "--out", str(folder / "table.csv")]
    start = time.perf_counter()
    subprocess.run([*COMMAND, *words], check=True, stdout=subprocess.DEVNULL)
    return count / (time.perf_counter() - start)


@contextmanager
def served() -> Iterator[tuple[int, int, float]]:
    """The service as a process: its number, its port, and the seconds until it is ready."""
    start = time.perf_counter()
    words = [*COMMAND, "serve", "--port", "0"]
    variables = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=variables) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().rpartition(":")[2])
        # Nobody else reads what it prints.
        threading.Thread(target=process.stdout.read, daemon=True).start()
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            while ask(connection, "GET", "/readyz") != 200:
                time.sleep(0.005)
            yield process.pid, port, time.perf_counter() - start
        finally:
            process.terminate()


def ask(connection: http.client.HTTPConnection, method: str, path: str, photo: bytes | None = None) -> int:
    body = headers = None
    if photo is not None:
        disposition = 'Content-Disposition: form-data; name="photos"; filename="a.jpg"'
        body = b"--%s\r\n%s\r\n\r\n%s\r\n--%s--\r\n" % (
            BOUNDARY.encode(),
            disposition.encode(),
            photo,
            BOUNDARY.encode(),
        )
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def ask_all(port: int, photos: Sequence[bytes], clients: int, requests: int) -> tuple[float, list[float]]:
    """The seconds of all requests together, and of each. Raises SystemExit where one is not answered."""
    numbers, lock = iter(range(requests)), threading.Lock()
    latencies: list[float] = []
    failed: list[int] = []

    def run() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        while not failed:
            with lock:
                number = next(numbers, None)
            if number is None:
                break
            start = time.perf_counter()
            status = ask(connection, "POST", "/v1/garments", photos[number % len(photos)])
            if status != 200:
                failed.append(status)
            latencies.append(time.perf_counter() - start)
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(clients)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed or len(latencies) != requests:
        raise SystemExit(f"{len(latencies)} of {requests} requests were answered; statuses {failed}")
    return time.perf_counter() - start, latencies


if __name__ == "__main__":
    main()
