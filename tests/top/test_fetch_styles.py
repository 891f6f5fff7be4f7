import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aifashion.data_gen.fetch import Outcome, photo_path, read_failures
from aifashion.data_gen.formats.jingdong import style_table
from aifashion.data_gen.images import decode_image
from aifashion.data_gen.tfrecords import ShardError, check_shard, index_path, open_shards, shard_path
from aifashion.top import cli, fetch_styles


class Server(ThreadingHTTPServer):
    """Has the photos /0 to /19 but for those in `missing`; those in `slow` it never finishes."""

    daemon_threads = True

    def __init__(self) -> None:
        self.missing: set[str] = set()
        self.slow: set[str] = set()
        self.seen: Counter[str] = Counter()
        self.closing = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)

    def url(self, number: int) -> str:
        return f"http://127.0.0.1:{self.server_port}/{number}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that are killed are what is tested here."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.seen[self.path] += 1
        if self.path in self.server.missing:
            self.send_error(404)
            return
        self.send_response(200)
        self.end_headers()
        if self.path in self.server.slow:
            self.server.closing.wait(30)
        self.wfile.write(photo(int(self.path[1:])))

    def log_message(self, format: str, *args: object) -> None:
        pass


def photo(number: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (100 + number, 50), (number * 10, 0, 0)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.closing.set()
    server.shutdown()
    thread.join()
    server.server_close()


LABELS = np.random.default_rng(0).integers(0, 2, (20, 13))


def write_list(path: Path, server: Server, numbers: range, labels: bool = True) -> Path:
    rows = [[f"id{n}", server.url(n), *(map(str, LABELS[n]) if labels else ())] for n in numbers]
    path.write_text("".join(",".join(row) + "\n" for row in rows))
    return path


@pytest.fixture
def styles(server: Server, tmp_path: Path) -> Path:
    """A list of ten photos."""
    return write_list(tmp_path / "train.txt", server, range(10))


def run(listed: Path, out: Path, *more: str) -> None:
    private = () if "--allow-private" in more else ("--allow-private", "True")
    fetch_styles.main([str(listed), "--out", str(out), "--retries", "0", *private, *more])


def states(out: Path) -> dict[str, tuple[int, bytes]]:
    """When each shard file was written, and what is in it."""
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in out.glob("photos-*")}


def test_photos_and_labels_end_in_shards(
    server: Server, styles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    server.missing = {"/3", "/8"}
    run(styles, out, "--shards", "2")
    photos = open_shards(out)
    numbers = [0, 1, 2, 4, 5, 6, 7, 9]
    assert [photos.name(row) for row in range(8)] == [f"id{n}" for n in numbers]
    assert photos.labels is not None
    np.testing.assert_array_equal(photos.labels, LABELS[numbers])
    for row, number in enumerate(numbers):
        np.testing.assert_array_equal(photos.read(row), decode_image(photo(number), "x"))
    np.testing.assert_array_equal(style_table(photos, photos.labels).counts(0), LABELS[numbers].sum(0))
    assert sorted(path.name for path in out.glob("[!.]*")) == sorted([*states(out), "failed.csv", "fetch.json"])
    assert (out / "failed.csv").read_text().splitlines() == [
        "id,url,reason",
        f"id3,{server.url(3)},HTTP 404 Not Found",
        f"id8,{server.url(8)},HTTP 404 Not Found",
    ]
    told = capsys.readouterr().out
    assert f"8 of 10 photos are in 2 shards in {out}" in told and "8 of them new" in told
    assert f"2 could not be fetched, see {out / 'failed.csv'}" in told and "2 HTTP 404 Not Found" in told


def test_a_second_run_fetches_only_what_failed(server: Server, styles: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    server.missing = {"/3", "/8"}
    run(styles, out, "--shards", "2")
    before, server.missing = states(out), {"/8"}
    run(styles, out)
    assert [open_shards(out).name(row) for row in range(9)] == [f"id{n}" for n in range(10) if n != 8]
    assert list(read_failures(out / "failed.csv")) == ["id8"]
    after = states(out)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"photos-00000-of-00002.tfrecord", "photos-00000-of-00002.index.json"}
    server.missing = set()
    run(styles, out)
    assert len(open_shards(out)) == 10 and (out / "failed.csv").read_text() == "id,url,reason\n"
    assert {path: times for path, times in server.seen.items() if times > 1} == {"/3": 2, "/8": 3}
    before = states(out)
    run(styles, out)
    assert states(out) == before and sum(server.seen.values()) == 13


def test_two_rows_with_one_url_are_one_photo_to_fetch(server: Server, tmp_path: Path) -> None:
    listed = tmp_path / "test.txt"
    listed.write_text(
        f"a,{server.url(1)}\nb,{server.url(2)}\nc,{server.url(1)}\nd,{server.url(9)}\ne,{server.url(9)}\n"
    )
    server.missing = {"/9"}
    run(listed, tmp_path / "out", "--shards", "3")
    photos = open_shards(tmp_path / "out")
    assert [photos.name(row) for row in range(3)] == ["a", "b", "c"] and photos.labels is None
    assert [photos.read(row).shape[1] for row in range(3)] == [101, 102, 101]
    assert list(read_failures(tmp_path / "out" / "failed.csv")) == ["d", "e"]
    assert set(server.seen.values()) == {1}


def test_a_damaged_shard_is_mended_alone(
    server: Server, styles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    run(styles, out, "--shards", "3")
    sound, path = states(out), shard_path(out, 1, 3)
    place = check_shard(path)["id4"]
    data = bytearray(path.read_bytes())
    data[place.offset + 50] ^= 255
    path.write_bytes(data)
    with pytest.raises(ShardError, match="fetch again into the same folder"):
        open_shards(out).read(4)
    run(styles, out)
    assert "damaged" in capsys.readouterr().out
    mended = states(out)
    assert {name for name in sound if mended[name][0] != sound[name][0]} == {path.name, index_path(path).name}
    assert {name: data for name, (_, data) in mended.items()} == {name: data for name, (_, data) in sound.items()}
    assert server.seen == {f"/{n}": 2 if n == 4 else 1 for n in range(10)}


def test_missing_shards_are_fetched_and_missing_indexes_written(server: Server, styles: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(styles, out, "--shards", "3")
    sound = states(out)
    shard_path(out, 2, 3).unlink()
    index_path(shard_path(out, 0, 3)).unlink()
    run(styles, out)
    assert {name: data for name, (_, data) in states(out).items()} == {name: data for name, (_, data) in sound.items()}
    assert {path for path, times in server.seen.items() if times > 1} == {"/6", "/7", "/8", "/9"}


def test_photos_are_reduced(styles: Path, tmp_path: Path) -> None:
    run(styles, tmp_path / "out", "--size", "104")
    photos = open_shards(tmp_path / "out")
    assert [photos.read(row).shape[1] for row in range(10)] == [100, 101, 102, 103, *[104] * 6]


def fails(listed: Path, out: Path, *more: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        run(listed, out, *more)
    assert caught.value.code == 1
    return capsys.readouterr().err


def test_a_folder_holds_one_list_in_one_way(
    server: Server, styles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    run(styles, out, "--shards", "2")
    before = states(out)
    assert "was begun with shards 2; give the same" in fails(styles, out, "--shards", "3", capsys=capsys)
    assert "was begun with size 0" in fails(styles, out, "--size", "64", capsys=capsys)
    other = write_list(tmp_path / "other.txt", server, range(1, 11))
    assert "was begun with another list" in fails(other, out, capsys=capsys)
    assert states(out) == before and sum(server.seen.values()) == 10
    (out / "fetch.json").write_text("{")
    assert "holds other things" in fails(styles, out, capsys=capsys)
    assert "holds other things (other.txt, out, train.txt)" in fails(styles, tmp_path, capsys=capsys)


def test_mistakes_are_told_in_one_line(tmp_path: Path, styles: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    submission = tmp_path / "submit.txt"
    submission.write_text("a" + ",0" * 13 + "\n")
    assert "has no URLs" in fails(submission, out, capsys=capsys)
    assert "too small: workers 0" in fails(styles, out, "--workers", "0", capsys=capsys)
    assert "need --size >= 0" in fails(styles, out, "--size", "-1", capsys=capsys)
    assert not out.exists()


def test_nothing_inside_this_network_is_fetched_unless_allowed(
    server: Server, styles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = fails(styles, tmp_path / "out", "--allow-private", "False", capsys=capsys)
    assert "no photo" in told and not server.seen
    failures = read_failures(tmp_path / "out" / "failed.csv")
    assert len(failures) == 10 and "127.0.0.1, which is not in the open internet" in failures["id0"][1]
    run(styles, tmp_path / "out")
    assert len(open_shards(tmp_path / "out")) == 10


def test_headers_and_proxies_are_spoken_of(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    listed = tmp_path / "test.csv"
    listed.write_text(f"id,url\na,{server.url(1)}\n")
    run(listed, tmp_path / "out")
    told = capsys.readouterr().out
    assert "is taken as a header" in told and "HTTP_PROXY is set, but proxies are not used" in told


def test_ctrl_c_keeps_what_is_done(
    server: Server, styles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, fetch_photos = tmp_path / "out", fetch_styles.fetch_photos
    server.missing = {"/0"}

    def interrupted(*args, **options) -> Iterator[Outcome]:
        outcomes = fetch_photos(*args, **options)
        try:
            for _ in range(6):
                yield next(outcomes)
            raise KeyboardInterrupt
        finally:
            outcomes.close()

    with monkeypatch.context() as patch:
        patch.setattr(fetch_styles, "fetch_photos", interrupted)
        told = fails(styles, out, "--shards", "5", "--workers", "1", capsys=capsys)
    assert f"what was fetched is kept in {out}" in told and "goes on from there" in told
    assert list(read_failures(out / "failed.csv")) == ["id0"]
    assert shard_path(out, 2, 5).exists() and not shard_path(out, 4, 5).exists()
    run(styles, out, "--shards", "5")
    assert len(open_shards(out)) == 9 and not (out / "loose").exists()
    again = {path for path, times in server.seen.items() if times > 1}
    assert "/0" in again and again.isdisjoint({f"/{n}" for n in range(1, 6)}) and len(again) <= 2  # one was under way


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_stopped_in_the_middle_goes_on(server: Server, styles: Path, tmp_path: Path, how: int) -> None:
    out = tmp_path / "out"
    server.slow = {"/7", "/8", "/9"}
    # Tests that run in the background of a shell ignore the signal, and so would what they start.
    heeding = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from aifashion.top import cli"
    command = [sys.executable, "-c", f"{heeding}; cli.main()", "data", "fetch-styles", str(styles), "--out", str(out)]
    more = ["--shards", "2", "--workers", "4", "--allow-private", "True"]
    with subprocess.Popen([*command, *more], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        try:
            start = time.monotonic()
            done = [index_path(shard_path(out, 0, 2)), *(photo_path(out / "loose", server.url(n)) for n in (5, 6))]
            while not all(path.exists() for path in done):
                assert process.poll() is None and time.monotonic() - start < 60
                time.sleep(0.02)
            process.send_signal(how)
            _, told = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == (1 if how == signal.SIGINT else -signal.SIGKILL)
    assert (b"stopped by the keyboard" in told) == (how == signal.SIGINT)
    server.slow = set()
    left = out / ".0123abcd-photos-00001-of-00002.tfrecord"
    left.write_bytes(b"half a shard")
    run(styles, out)
    assert not left.exists()
    assert len(open_shards(out)) == 10 and not (out / "loose").exists()
    assert {path for path, times in server.seen.items() if times > 1} == {"/7", "/8", "/9"}


def test_two_at_once_lose_nothing(
    server: Server, styles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    server.slow = {"/9"}
    command = [sys.executable, "-m", "aifashion.top.cli", "data", "fetch-styles", str(styles), "--out", str(out)]
    with subprocess.Popen([*command, "--shards", "2", "--allow-private", "True"], stdout=subprocess.DEVNULL) as first:
        try:
            start = time.monotonic()
            while not shard_path(out, 0, 2).exists():
                assert first.poll() is None and time.monotonic() - start < 60
                time.sleep(0.02)
            told = fails(styles, out, "--shards", "2", capsys=capsys)
            assert f"another command is writing to {out}" in told
            server.closing.set()
            assert first.wait(timeout=60) == 0
        finally:
            first.kill()
    assert len(open_shards(out)) == 10 and set(server.seen.values()) == {1}


def test_a_photo_that_is_gone_before_its_shard_is_written_is_missed(
    server: Server, styles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, fetch_photos = tmp_path / "out", fetch_styles.fetch_photos

    def thief(*args, **options) -> Iterator[Outcome]:
        for number, outcome in enumerate(fetch_photos(*args, **options)):
            if number == 3 and outcome.path is not None:
                outcome.path.unlink()
            yield outcome

    with monkeypatch.context() as patch:
        patch.setattr(fetch_styles, "fetch_photos", thief)
        assert "was fetched and is gone; fetch again" in fails(styles, out, "--shards", "1", capsys=capsys)
    assert not shard_path(out, 0, 1).exists()
    run(styles, out)
    assert len(open_shards(out)) == 10


def test_a_folder_of_something_else_gets_no_lock(
    server: Server, styles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").write_text("mine")
    assert "holds other things (notes.txt)" in fails(styles, other, capsys=capsys)
    assert [path.name for path in other.iterdir()] == ["notes.txt"] and not server.seen


def test_the_command_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["data", "fetch-styles", "--help"])
    assert caught.value.code == 0 and "--allow-private" in capsys.readouterr().out
