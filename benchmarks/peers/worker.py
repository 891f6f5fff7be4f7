"""Functions that all workers of the peers benchmark share: protocol, processing of photos, timing.

A worker is a process with one network. It reads commands as lines of JSON from its standard input and answers each
with one line on its standard output:

    {"do": "check"}                        -> {"differences": {"f32": 1.2e-5}}   largest absolute one of heatmaps
    {"do": "tune", "photos": [...]}        -> {"settings": {...}}                the fastest ones
    {"do": "latency", "photos": [...]}     -> {"seconds": [...]}                 one photo after the other
    {"do": "throughput", "folder": "..."}  -> {"seconds": 1.5, "photos": 40}
    {"do": "memory"}                       -> {"bytes": 123}                     peak so far
    {"do": "quit"}

It writes its first line, {"ready": ...}, without a command, when the first photo has its keypoints. If a command fails,
the answer is {"error": "..."}.
"""

import argparse
import importlib.util
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
TOLERANCE = 1e-3
"""If float32 heatmaps, with values of about 1, differ more than this from those of Keras, the network is another."""
TUNED_ON = 16
"""Number of photos on which settings for a folder are tried."""


def find_project() -> None:
    """Makes `aifashion` importable from this checkout in an environment where it is not installed."""
    if importlib.util.find_spec("aifashion") is not None:
        return
    folder = ROOT / "src"
    spec = importlib.util.spec_from_file_location(
        "aifashion", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None and spec.loader is not None
    module = sys.modules["aifashion"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


find_project()

# These modules need only NumPy and OpenCV, so they run in the environment of every peer.
from aifashion.config import KeypointConfig  # noqa: E402
from aifashion.data_gen.preprocess import letterboxed  # noqa: E402
from aifashion.eval.reading import read_ahead, work_behind  # noqa: E402
from aifashion.vocabulary import load_vocabulary  # noqa: E402


@dataclass(frozen=True)
class Options:
    """A worker's arguments: the prepared folder, the first photo, and its own variant."""

    work: Path
    first: Path
    precision: str
    variant: str
    size: int
    artifact: Path | None
    threads: int
    settings: dict[str, Any]

    @property
    def config(self) -> KeypointConfig:
        return KeypointConfig.from_json((self.work / "config.json").read_text(), load_vocabulary())

    @property
    def facts(self) -> dict[str, Any]:
        """What prepare.py measured of the network."""
        return json.loads((self.work / "facts.json").read_text())

    @property
    def reference(self) -> Mapping[str, np.ndarray]:
        """images (B, S, S, 3) uint8, and Keras's outputs: heatmaps (B, h, w, K) and category logits (B, C)."""
        return np.load(self.work / "reference.npz")


@dataclass(frozen=True)
class Peer:
    """A network with its own processing from the bytes of a JPEG to points.

    prepare: bytes -> the network's input, and what `finish` needs to know of the photo. infer: inputs -> outputs of any
    type. finish: these outputs, and what `prepare` returned for each photo -> the points (K, 2) of each in px of the
    photo, which may be empty if a network finds nothing. versions: of the libraries that compute. batches: batch sizes
    to try. modes, use: modes in which the same network can be computed, and a function that selects one. heatmaps:
    images (B, S, S, 3) uint8 -> heatmaps (B, h, w, K) by precision, for `check`; None for a different network.
    """

    prepare: Callable[[bytes], tuple[np.ndarray, Any]]
    infer: Callable[[Sequence[np.ndarray]], Any]
    finish: Callable[[Any, Sequence[Any]], list[np.ndarray]]
    versions: str
    batches: Sequence[int] = (1, 4, 16)
    modes: Sequence[str] = ("",)
    use: Callable[[str], object] = lambda mode: None
    heatmaps: Callable[[np.ndarray], dict[str, np.ndarray]] | None = None


def read_jpeg(data: bytes, flags: int = cv2.IMREAD_COLOR_RGB) -> np.ndarray:
    """(H, W, 3) uint8, RGB unless `flags` say otherwise."""
    photo = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    assert photo is not None
    return photo


def heatmap_peer(
    config: KeypointConfig, predict: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]], versions: str, **more: Any
) -> Peer:
    """A peer from `predict`: images (B, S, S, 3) uint8 -> heatmaps (B, h, w, K) and category scores (B, C).

    A network that decodes its heatmaps itself returns keypoints (B, K, 3) instead: x and y in px of the input, and the
    peak. Letterbox and decoding are the project's own, as in `aifashion predict`. more: further fields of `Peer`.
    """
    codec, masks = config.codec, config.vocabulary.masks

    def prepare(data: bytes):
        photo = read_jpeg(data)
        image, frame = letterboxed(photo, codec.size)
        return image, (frame, (photo.shape[1], photo.shape[0]))

    def finish(told: tuple[np.ndarray, np.ndarray], places: Sequence[Any]) -> list[np.ndarray]:
        maps, scores = told
        xy = maps[..., :2] if maps.ndim == 3 else codec.decode(maps, config.decoder)[0]
        return [
            np.clip(frame.back(points), 0, np.array(size) - 1.0)[masks[score.argmax()]]
            for points, score, (frame, size) in zip(xy, scores, places, strict=True)
        ]

    return Peer(prepare, lambda images: predict(np.stack(images)), finish, versions, **more)


def one_photo(peer: Peer, data: bytes) -> np.ndarray:
    """The points of one photo, from its bytes."""
    image, place = peer.prepare(data)
    return peer.finish(peer.infer([image]), [place])[0]


def whole_folder(peer: Peer, paths: Sequence[Path], batch: int, ahead: bool, threads: int) -> int:
    """Reads and predicts all photos; returns their number. ahead: read and decode photos while the network runs."""

    def load(path: Path) -> tuple[np.ndarray, Any]:
        return peer.prepare(path.read_bytes())

    def finish(answer: tuple[Any, list[Any]]) -> int:
        return len(peer.finish(*answer))

    if ahead:
        groups = read_ahead(paths, load, batch, threads)
        return sum(work_behind((_answer(peer, group) for group in groups), finish))
    groups = ([load(path) for path in paths[i : i + batch]] for i in range(0, len(paths), batch))
    return sum(finish(_answer(peer, group)) for group in groups)


def _answer(peer: Peer, group: Sequence[tuple[np.ndarray, Any]]) -> tuple[Any, list[Any]]:
    return peer.infer([image for image, _ in group]), [place for _, place in group]


def check(peer: Peer, options: Options) -> dict[str, Any]:
    """The differences from Keras's heatmaps. Raises ValueError if they are not those of the same network."""
    if peer.heatmaps is None:
        return {"differences": {}}
    reference = options.reference
    found = peer.heatmaps(reference["images"])
    differences = {name: float(np.abs(maps - reference["heatmaps"]).max()) for name, maps in found.items()}
    if differences.get("f32", 0.0) >= TOLERANCE or not np.isfinite(list(differences.values())).all():
        raise ValueError(f"not the network of the reference: its heatmaps differ by up to {differences}")
    return {"differences": differences}


def tune(peer: Peer, paths: Sequence[Path], threads: int) -> dict[str, Any]:
    """The fastest mode for single photos, and mode, batch and reading for folders, by trying them on some photos.

    tried: seconds of a single photo in its mode.
    """
    some, single, folder = list(paths[:TUNED_ON]), {}, {}
    for mode in peer.modes:
        peer.use(mode)
        one_photo(peer, some[0].read_bytes())
        single[mode] = min(_seconds(lambda path=path: one_photo(peer, path.read_bytes())) for path in some[:4])
        folder[mode] = _folder_seconds(peer, some[:8], min(4, max(peer.batches)), False, threads)
    best = min(folder, key=folder.__getitem__)
    peer.use(best)
    batches = {batch: _folder_seconds(peer, some, batch, True, threads) for batch in peer.batches}
    batch = min(batches, key=batches.__getitem__)
    ahead = batches[batch] <= _folder_seconds(peer, some, batch, False, threads)
    mode = min(single, key=single.__getitem__)
    return {"mode": mode, "folder_mode": best, "batch": batch, "ahead": ahead, "tried": single[mode]}


def _folder_seconds(peer: Peer, paths: Sequence[Path], batch: int, ahead: bool, threads: int) -> float:
    _warm(peer, paths, batch)
    return _seconds(lambda: whole_folder(peer, paths, batch, ahead, threads))


def _warm(peer: Peer, paths: Sequence[Path], batch: int) -> None:
    """Runs whole batches and the last one first, for networks that prepare anew for every batch size."""
    image, place = peer.prepare(paths[0].read_bytes())
    for count in sorted({min(batch, len(paths)), len(paths) % batch} - {0}):
        peer.finish(peer.infer([image] * count), [place] * count)


def _seconds(task: Callable[[], object]) -> float:
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def latency(peer: Peer, paths: Sequence[Path]) -> list[float]:
    """Seconds from the bytes of each photo to its points, without reading the file."""
    photos = [path.read_bytes() for path in paths]
    one_photo(peer, photos[0])
    return [_seconds(lambda data=data: one_photo(peer, data)) for data in photos]


def throughput(peer: Peer, folder: Path, settings: Mapping[str, Any], threads: int) -> dict[str, Any]:
    """Seconds from a folder of JPEG files to the points of all photos."""
    paths = sorted(folder.rglob("*.jpg"))
    batch, ahead = settings.get("batch", 1), settings.get("ahead", False)
    _warm(peer, paths, batch)
    seconds = _seconds(lambda: whole_folder(peer, paths, batch, ahead, threads))
    return {"seconds": seconds, "photos": len(paths)}


def peak_memory() -> int:
    """Peak main memory of this process in bytes."""
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset
    import resource

    # Linux counts in KiB, macOS in bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def serve(build: Callable[[Options], Peer]) -> None:
    """Runs a worker: builds the peer, predicts the first photo, answers commands."""
    options = read_options()
    cv2.setNumThreads(options.threads)

    def start() -> tuple[dict[str, Any], dict[str, Callable[[dict[str, Any]], dict[str, Any]]]]:
        peer, settings = build(options), options.settings
        peer.use(settings.get("mode", peer.modes[0]))
        points = one_photo(peer, options.first.read_bytes())

        def time_folder(message: dict[str, Any]) -> dict[str, Any]:
            peer.use(settings.get("folder_mode", peer.modes[0]))
            return throughput(peer, Path(message["folder"]), settings, options.threads)

        def time_photos(message: dict[str, Any]) -> dict[str, Any]:
            peer.use(settings.get("mode", peer.modes[0]))
            return {"seconds": latency(peer, [Path(path) for path in message["photos"]])}

        return {"versions": peer.versions, "points": len(points)}, {
            "check": lambda message: check(peer, options),
            "tune": lambda message: {"settings": tune(peer, [Path(p) for p in message["photos"]], options.threads)},
            "latency": time_photos,
            "throughput": time_folder,
            "memory": lambda message: {"bytes": peak_memory()},
        }

    converse(start)


def converse(start: Callable[[], tuple[dict[str, Any], dict[str, Callable[[dict[str, Any]], dict[str, Any]]]]]) -> None:
    """Runs the protocol with what `start` returns: the first line, and a function for each command."""
    # Libraries may print: that goes to the standard error, and the standard output is kept for the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(facts: dict[str, Any]) -> None:
        answers.write(json.dumps(facts) + "\n")
        answers.flush()

    try:
        greeting, commands = start()
        answer({"ready": greeting})
        for line in sys.stdin:
            message = json.loads(line)
            if message["do"] == "quit":
                return
            answer(commands[message["do"]](message))
    except Exception as error:  # any error: the harness continues without this peer
        traceback.print_exc()
        answer({"error": f"{type(error).__name__}: {error}"})


def read_options() -> Options:
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--first", type=Path, required=True)
    parser.add_argument("--precision", default="f32")
    parser.add_argument("--variant", default="")
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--artifact", type=Path)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--settings", type=json.loads, default={})
    return Options(**vars(parser.parse_args()))
