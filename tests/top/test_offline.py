"""No command asks for an address that the user did not name: each runs in a network namespace, whose counters say
whether anything was sent."""

import subprocess
import sys
from pathlib import Path

import pytest

WATCH = """
import subprocess, sys
from pathlib import Path

def attempts():
    rows = [line.split() for line in Path("/proc/net/snmp").read_text().splitlines()]
    counts = {}
    for names, values in zip(rows[::2], rows[1::2]):
        counts |= {names[0] + name: int(value) for name, value in zip(names[1:], values[1:])}
    six = dict(line.split() for line in Path("/proc/net/snmp6").read_text().splitlines())
    kinds = ("Ip:OutNoRoutes", "Ip:OutRequests", "Tcp:ActiveOpens", "Udp:OutDatagrams")
    return sum(counts[kind] for kind in kinds) + int(six["Ip6OutNoRoutes"])

done = subprocess.run(sys.argv[1:])
print("attempts:", attempts(), "exit code:", done.returncode)
"""


def offline(*command: str) -> str:
    """Runs a command in a new network namespace, and returns the line that says what it tried and how it ended."""
    words = ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", WATCH, *command]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1] + ("" if done.stdout.endswith("exit code: 0\n") else done.stderr)


def can_unshare() -> bool:
    try:
        words = ["unshare", "--user", "--map-root-user", "--net", "true"]
        return subprocess.run(words, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


pytestmark = pytest.mark.skipif(not can_unshare(), reason="this system allows no network namespaces")
QUIET = "attempts: 0 exit code: 0"


def aifashion(*arguments: object) -> str:
    return offline(sys.executable, "-m", "aifashion.top.cli", *map(str, arguments))


def test_an_attempt_is_noticed() -> None:
    asks = "import socket\ntry: socket.getaddrinfo('example.org', 80)\nexcept OSError: pass"
    assert offline(sys.executable, "-c", asks) != QUIET
    connects = "import socket\ntry: socket.create_connection(('192.0.2.1', 80), 1)\nexcept OSError: pass"
    assert offline(sys.executable, "-c", connects) != QUIET


def test_photos_are_recognised_and_drawn_in_silence(tmp_path: Path) -> None:
    photos = Path(__file__).parents[1] / "golden" / "shipped"
    assert aifashion("predict", photos, "--out", tmp_path / "table.parquet") == QUIET
    assert aifashion("demo", photos / "dress.jpg", "--out", tmp_path / "demo", "--no-show") == QUIET


@pytest.mark.slow
def test_training_scoring_and_export_are_silent(tmp_path: Path) -> None:
    data, runs, out = tmp_path / "data", tmp_path / "runs", tmp_path / "out"
    assert aifashion("data", "synth", "--out", data, "--count", 40, "--size", 128, "--labels", "all") == QUIET
    assert aifashion("data", "check", data) == QUIET
    size = ("--network", "lite", "--size", 64, "--batch-size", 4, "--epochs", 1, "--data", data, "--weights", "none")
    assert aifashion("train", *size, "--out", runs) == QUIET
    assert aifashion("evaluate", runs / "all", "--data", data) == QUIET
    assert aifashion("test", "--model", runs / "all", "--data", data, "--out", out / "test") == QUIET
    for form, precision in (("openvino", "float32"), ("openvino", "int8"), ("onnx", "float32"), ("litert", "float32")):
        options = ("--format", form, "--precision", precision, "--data", data)
        done = aifashion("export", runs / "all", "--out", out / f"{form}-{precision}", *options)
        # An artifact of so little training can be refused; what counts is that the packages have been used.
        assert done.startswith("attempts: 0 ") and "Traceback" not in done
