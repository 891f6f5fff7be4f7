"""Compares this project's runtime with other runtimes: `make bench-peers`, or `python benchmarks/peers.py`.

Every peer is a worker (benchmarks/peers/), most of them in their own environment (.venv-peers/), made at the first
call. If a peer runs the same network, its outputs are first compared with those of Keras. Each peer then searches for
its fastest mode and batch size. Then the peers take turns for several rounds on the same photos. Each starts anew in
every round: this also measures start-up time and memory, and nothing else is loaded beside it.

Ratios are medians over the rounds of the ratios within a round.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from measure import SEED, report
from rich.console import Console
from rich.table import Table

from aifashion.top.arguments import read_arguments

HERE = Path(__file__).resolve().parent / "peers"
ENVIRONMENTS = HERE.parents[1] / ".venv-peers"
PHOTO_SIDE = 512
UNITS = {"p50": "ms", "p99": "ms", "rate": "photos/s", "start": "s", "memory": "GiB"}
"""What a round measures: latency of a photo, throughput on a folder, start to first result, peak memory."""
console = Console(soft_wrap=True, emoji=False, highlight=False)


@dataclass(frozen=True)
class Arguments:
    """Measure this project's runtime and its peers in interleaved rounds."""

    network: Literal["v11", "lite"] = "v11"
    """v11 at 512 px or lite at 192 px"""
    rounds: int = 5
    """number of rounds"""
    photos: int = 40
    """synthetic photos of 512 px in each round"""
    peers: tuple[str, ...] = ()
    """peers by name, or by the beginning of their names; default: all"""
    run: Path | None = None
    """run folder of a trained network, with --artifacts; default: random weights, which do not change the times"""
    artifacts: Path | None = None
    """folder of exported artifacts: openvino-f32, -bf16, -int8, onnx-f32; default: made with random weights"""
    threads: int = os.cpu_count() or 1
    """threads of every peer"""
    record: bool = True
    """add rows to results.csv"""


@dataclass(frozen=True)
class Spec:
    """A worker script, its environment, and its variant. size: side of its input in px; 0: the network's."""

    worker: str
    environment: str = "torch"
    precision: str = "f32"
    variant: str = ""
    size: int = 0
    artifact: str = ""


PEERS: dict[str, Spec] = {
    **{f"runtime-{p}": Spec("runtime", "project", p, artifact=f"openvino-{p}") for p in ("f32", "bf16", "int8")},
    "keras": Spec("keras", "project"),
    "torch-f32": Spec("torch"),
    "torch-bf16": Spec("torch", precision="bf16"),
    "onnxruntime": Spec("onnxruntime", "onnxruntime", artifact="onnx-f32/model.onnx"),
    **{
        f"{name}-640": Spec("ultralytics", variant=name, size=640)
        for name in ("yolo11n", "yolo11s", "yolo26n", "yolo26s")
    },
    "yolo26n": Spec("ultralytics", variant="yolo26n"),
    "rtmpose-m-f32": Spec("rtmpose"),
    "rtmpose-m-bf16": Spec("rtmpose", precision="bf16"),
    "limit": Spec("limit"),
}


class PeerError(RuntimeError):
    """A peer that cannot be measured, and why."""


@dataclass(frozen=True)
class Bench:
    """Paths of everything that the workers need."""

    work: Path
    artifacts: Path
    photos: tuple[Path, ...]
    config: Mapping[str, Any]
    facts: Mapping[str, Any]
    threads: int

    def command(self, spec: Spec, settings: Mapping[str, Any]) -> list[str]:
        """Raises PeerError if the peer's artifact is missing."""
        path = ENVIRONMENTS / spec.environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        python = sys.executable if spec.environment == "project" else str(path)
        options = {
            "work": self.work,
            "first": self.photos[0],
            "precision": spec.precision,
            "variant": spec.variant,
            "size": spec.size or self.config["size"],
            "threads": self.threads,
            "settings": json.dumps(settings),
        }
        if spec.artifact:
            options["artifact"] = self.artifacts / spec.artifact
            if not options["artifact"].exists():
                raise PeerError(f"no artifact {spec.artifact}")
        return [python, str(HERE / f"worker_{spec.worker}.py"), *(f"--{name}={word}" for name, word in options.items())]


class Worker:
    """A worker that has predicted its first photo. seconds: time from start to then. greeting: its first message."""

    def __init__(self, command: Sequence[str], threads: int, wait: str, log: Path) -> None:
        count = str(threads)
        names = ("OMP", "MKL", "OPENBLAS", "TF_NUM_INTRAOP", "TF_NUM_INTEROP")
        thread_settings = {f"{name}_THREADS" if "_" in name else f"{name}_NUM_THREADS": count for name in names}
        if wait:
            thread_settings["OMP_WAIT_POLICY"] = wait
        self.log = log
        with log.open("a") as errors:
            start = time.perf_counter()
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=os.environ | thread_settings | {"CUDA_VISIBLE_DEVICES": ""},
            )
        self.greeting = self._answer()["ready"]
        self.seconds = time.perf_counter() - start

    def ask(self, do: str, **options: Any) -> dict[str, Any]:
        """The worker's answer to a command. Raises PeerError if it fails."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps({"do": do, **options}) + "\n")
            self.process.stdin.flush()
        except OSError:
            raise self._failure("it is gone") from None
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise self._failure("it ended without an answer")
        answer = json.loads(line)
        if "error" in answer:
            raise self._failure(answer["error"])
        return answer

    def _failure(self, reason: str) -> PeerError:
        self.close()
        last = self.log.read_text(errors="replace").splitlines()[-1:]
        return PeerError(": ".join([reason, *(line for line in last if line not in reason)]))

    def close(self) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write('{"do": "quit"}\n')
            self.process.stdin.close()
            self.process.wait(30)
        except (OSError, ValueError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()


@contextmanager
def started(bench: Bench, name: str, settings: Mapping[str, Any]) -> Iterator[Worker]:
    worker = Worker(
        bench.command(PEERS[name], settings), bench.threads, settings.get("wait", ""), bench.work / f"{name}.log"
    )
    try:
        yield worker
    finally:
        worker.close()


def prepare(options: Arguments, work: Path, names: Sequence[str]) -> Bench:
    """Makes environments, photos, weights, reference outputs and artifacts."""
    environments = sorted({PEERS[name].environment for name in names} - {"project"})
    _python(HERE / "environments.py", *environments)
    photos = work / "photos"
    count = ("--count", options.photos, "--test-count", 0, "--seed", SEED, "--size", PHOTO_SIDE)
    _python("-m", "aifashion.top.cli", "data", "synth", "--out", photos, *count, "--workers", options.threads)
    images = photos / "train" / "Images"
    given = ("--run", options.run) if options.run else ()
    _python(HERE / "prepare.py", "--network", options.network, "--photos", images, "--out", work, *given)
    facts = json.loads((work / "facts.json").read_text())
    artifacts = options.artifacts or work / "artifacts"
    needed = sorted({PEERS[name].artifact.partition("/")[0] for name in names} - {""})
    if needed and options.artifacts is None and options.run is None:
        _python(HERE / "export.py", "--run", facts["run"], "--photos", photos, "--out", artifacts, *needed)
    config = json.loads((work / "config.json").read_text())
    return Bench(work, artifacts, tuple(sorted(images.rglob("*.jpg"))), config, facts, options.threads)


def _python(*options: object) -> None:
    subprocess.run([sys.executable, *map(str, options)], check=True)


def check_and_tune(bench: Bench, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Settings and library versions of each peer that can be measured; prints why others cannot."""
    ready = {}
    for name in names:
        # OpenMP's threads spin while they wait: faster on an idle machine, very slow on a busy one.
        waits = ("", "passive") if PEERS[name].environment == "torch" and name != "limit" else ("",)
        try:
            ready[name] = min((_tuned(bench, name, wait) for wait in waits), key=lambda found: found.get("tried", 0))
        except PeerError as error:
            console.print(f"{name} is left out: {error}", markup=False)
        else:
            console.print(f"{name}: {ready[name]}", markup=False)
    return ready


def _tuned(bench: Bench, name: str, wait: str) -> dict[str, Any]:
    """Settings of the peer. wait: OMP_WAIT_POLICY, empty for the library's default. Raises PeerError."""
    with started(bench, name, {"wait": wait}) as worker:
        found = {"versions": worker.greeting["versions"], "wait": wait}
        if name == "limit":
            return found
        apart = worker.ask("check")["differences"]
        return found | {"apart": apart} | worker.ask("tune", photos=[str(p) for p in bench.photos])["settings"]


def measure_once(bench: Bench, name: str, settings: Mapping[str, Any]) -> dict[str, float]:
    """The values of one round, in UNITS."""
    with started(bench, name, settings) as worker:
        photos = worker.ask("latency", photos=[str(path) for path in bench.photos])["seconds"]
        folder = worker.ask("throughput", folder=str(bench.photos[0].parents[1]))
        return {
            "p50": 1000 * float(np.percentile(photos, 50)),
            "p99": 1000 * float(np.percentile(photos, 99)),
            "rate": folder["photos"] / folder["seconds"],
            "start": worker.seconds,
            "memory": worker.ask("memory")["bytes"] / 2**30,
        }


def measure_limit(bench: Bench) -> dict[str, dict[str, float]]:
    """By precision: the time of a photo if every multiply-add ran at the rate of the fastest matrix product."""
    with started(bench, "limit", {}) as worker:
        rates = worker.ask("rate")
    seconds = {f"limit-{precision}": bench.facts["multiply_adds"] / rate for precision, rate in rates.items()}
    return {name: {"p50": 1000 * taken, "p99": 1000 * taken, "rate": 1 / taken} for name, taken in seconds.items()}


Rounds = dict[str, list[dict[str, float]]]
"""Values of each round, by peer."""


def take_turns(bench: Bench, ready: Mapping[str, dict[str, Any]], rounds: int) -> Rounds:
    """Runs the rounds; a peer that fails in one is dropped, so that every other has all rounds."""
    taken: dict[str, list[dict[str, dict[str, float]]]] = {name: [] for name in ready}
    for number in range(rounds):
        for name in list(taken):
            console.print(f"round {number + 1} of {rounds}: {name}", style="dim")
            try:
                once = measure_limit(bench) if name == "limit" else {name: measure_once(bench, name, ready[name])}
            except PeerError as error:
                console.print(f"{name} is left out: {error}", markup=False)
                del taken[name]
            else:
                taken[name].append(once)
    return {key: [once[key] for once in turns] for turns in taken.values() for key in turns[0]}


def bases(figures: Rounds, name: str) -> dict[str, str]:
    """The runtimes that a peer is compared with: that of the same precision, and the fastest."""
    runtimes = [key for key in figures if key.startswith("runtime-")]
    if not runtimes:
        return {}
    precision = name.rpartition("-")[2]
    same = f"runtime-{precision if precision in ('f32', 'bf16', 'int8') else 'f32'}"
    fastest = min(runtimes, key=lambda key: median(figures, key, "p50"))
    return {kind: key for kind, key in (("same", same), ("fastest", fastest)) if key in figures}


def median(figures: Rounds, name: str, figure: str) -> float:
    return float(np.median([found[figure] for found in figures[name]]))


def ratio(figures: Rounds, name: str, base: str, figure: str) -> float:
    """The peer's time or memory divided by the runtime's; for rates, the inverse."""
    pairs = [(peer[figure], own[figure]) for peer, own in zip(figures[name], figures[base], strict=True)]
    return float(np.median([own / peer if figure == "rate" else peer / own for peer, own in pairs]))


def rows(figures: Rounds) -> list[list[str]]:
    """A row for each peer: each value, then its ratios to the runtime of the same precision and to the fastest."""
    table = []
    for name, found in figures.items():
        row = [name]
        for figure in UNITS:
            if figure not in found[0]:
                row.append("")
                continue
            ratios = [f"{ratio(figures, name, base, figure):.2f}x" for base in bases(figures, name).values()]
            row.append(f"{median(figures, name, figure):.3g}" + (f" ({', '.join(ratios)})" if ratios else ""))
        table.append(row)
    return table


def show(title: str, figures: Rounds) -> None:
    """Prints the table for the terminal, then in Markdown."""
    heads = ["peer", *(f"{figure}, {unit}" for figure, unit in UNITS.items())]
    table = Table(*heads, title=title)
    found = rows(figures)
    for row in found:
        table.add_row(*row)
    console.print(table, width=140, crop=False)
    lines = "\n".join(f"| {' | '.join(line)} |" for line in [heads, ["---"] * len(heads), *found])
    fastest = bases(figures, next(iter(figures))).get("fastest")
    meaning = "times as slow, or as much memory, as the runtime of the same precision, and as the fastest runtime"
    note = f"\n\nIn brackets: {meaning}, {fastest}." if fastest else ""
    console.print(f"{title}\n\n{lines}{note}", markup=False)


def record(title: str, figures: Rounds, ready: Mapping[str, dict[str, Any]]) -> None:
    """Adds every value and ratio to results.csv, with the versions of the peer's libraries."""
    for name, found in figures.items():
        case = f"{title}, {name} ({ready[name if name in ready else 'limit']['versions']})"
        for figure, unit in UNITS.items():
            if figure not in found[0]:
                continue
            report("peers", f"{case}: {figure}", median(figures, name, figure), unit)
            for base in dict.fromkeys(bases(figures, name).values()):
                if base != name:
                    report("peers", f"{case}: {figure}, of {base}", ratio(figures, name, base, figure), "x")


def chosen(wanted: Sequence[str]) -> list[str]:
    """Peers whose name is given, or begins with a given word that is not a name; all if none is given."""
    unknown = [word for word in wanted if not any(name.startswith(word) for name in PEERS)]
    if unknown:
        raise SystemExit(f"no peer called {', '.join(unknown)}; these are there: {', '.join(PEERS)}")
    starts = tuple(word for word in wanted if word not in PEERS)
    return [name for name in PEERS if not wanted or name in wanted or (starts and name.startswith(starts))]


def main() -> None:
    options = read_arguments(Arguments, "peers.py")
    names = chosen(options.peers)
    with tempfile.TemporaryDirectory() as folder:
        bench = prepare(options, Path(folder), names)
        ready = check_and_tune(bench, names)
        figures = take_turns(bench, ready, options.rounds)
    if not figures:
        raise SystemExit("no peer could be measured")
    title = f"{options.network} {bench.config['size']} px"
    show(f"{title}, {options.photos} photos, {options.rounds} rounds, {options.threads} threads", figures)
    if options.record:
        record(title, figures, ready)


if __name__ == "__main__":
    main()
