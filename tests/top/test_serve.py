"""`aifashion serve` as a process: it answers, stops in good order, and leaves nothing behind."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from test_offline import QUIET, can_unshare, offline

from aifashion.top.serve import main

PHOTO = Path(__file__).parents[1] / "golden" / "shipped" / "dress.jpg"


@contextmanager
def served(folder: Path, *options: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and where it serves."""
    words = [sys.executable, "-m", "aifashion.top.cli", "serve", "--port", "0", *options]
    variables = os.environ | {"COLUMNS": "200", "PYTHONUNBUFFERED": "1"} | environment
    with subprocess.Popen(
        words, cwd=folder, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        try:
            found = re.fullmatch(r"serving on (http://\S+)\n", process.stdout.readline())
            assert found, process.stdout.read()
            yield process, found[1]
        finally:
            if process.poll() is None:
                process.terminate()


def ask(address: str, data: bytes | None = None, **headers: str) -> tuple[int, dict]:
    request = urllib.request.Request(address, data, {name.replace("_", "-"): text for name, text in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_it_answers_and_stops_in_good_order(tmp_path: Path):
    log = tmp_path / "log.txt"
    with served(tmp_path, "--token", "s3cret", AIFASHION_RUN_LOG=str(log)) as (process, address):
        assert ask(f"{address}/healthz") == (200, {"status": "ok"})
        while ask(f"{address}/readyz")[0] != 200:
            pass
        form = b'--B\r\nContent-Disposition: form-data; name="photos"; filename="private.jpg"\r\n\r\n'
        form += PHOTO.read_bytes() + b"\r\n--B--\r\n"
        kind = "multipart/form-data; boundary=B"
        assert ask(f"{address}/v1/garments", form, Content_Type=kind)[0] == 401
        status, found = ask(f"{address}/v1/garments", form, Content_Type=kind, Authorization="Bearer s3cret")
        assert status == 200 and found["photos"][0]["garments"][0]["category"] == "dress"
        cut = form.replace(PHOTO.read_bytes(), PHOTO.read_bytes()[:-500])
        assert (
            "error"
            in ask(f"{address}/v1/garments", cut, Content_Type=kind, Authorization="Bearer s3cret")[1]["photos"][0]
        )
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        text = process.stdout.read()
        assert process.wait(60) == 0 and text.endswith("stopped\n")
    assert "private" not in text and "s3cret" not in text and "Traceback" not in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.txt"]
    assert "serve --port 0 --token ..." in log.read_text() and "s3cret" not in log.read_text()


def test_networks_that_are_not_there_end_it(tmp_path: Path, fails):
    error = fails(main, "--port", "0", "--model", tmp_path / "nowhere")
    assert "nowhere" in error and "no run in" in error


def test_a_port_that_is_taken_and_options_that_cannot_be(fails):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"cannot listen at 127.0.0.1, port {port}" in fails(main, "--port", port)
    assert fails(main, "--max-mb", "0").startswith("--max-mb 0: expected")
    assert fails(main, "--allow-host", "http://a").startswith("--allow-host http://a: expected")


LATER = """
import os, signal, sys, threading
from aifashion.web import networks
load = networks.load_networks
def loaded(*words):
    made = load(*words)
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
    return made
networks.load_networks = loaded
from aifashion.top.serve import main
main(["--host", "0.0.0.0", "--port", "0"])
"""


@pytest.mark.skipif(not can_unshare(), reason="this system allows no network namespaces")
def test_it_asks_for_no_address():
    assert offline(sys.executable, "-c", LATER) == QUIET


def test_it_warns_where_others_can_reach_it(tmp_path: Path):
    with served(tmp_path, "--host", "0.0.0.0") as (process, _):
        process.terminate()
        assert process.stdout is not None
        text = " ".join(process.stdout.read().split())
    assert "--host 0.0.0.0 lets other machines in, and there is no --token" in text
    assert "--allow-host NAME allows one" in text
