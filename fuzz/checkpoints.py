"""Tests damaged files of weights: each must be read with its original content, or refused with a reason.

Small files of every format are changed at random: bits flipped; bytes cut off, removed or inserted; tensors renamed,
dropped, of another type or shape; links into other files in HDF5; calls in pickles. If a format has no checksum, the
numbers themselves are not changed, since no reader could notice it.

    python fuzz/checkpoints.py [--count N] [--seed S]
"""

import argparse
import logging
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import h5py
import numpy as np
import safetensors.numpy

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from torch_writer import Tensor, tensors, write_old_torch_file, write_torch_file

NAME = "narrow"
LONGEST = 20.0  # longest time for one file in s
OUTSIDE = b"not to be read"


@dataclass
class Target:
    """A network, and how a file is loaded into it."""

    net: object
    load: Callable[[Path], None]
    start: list = field(default_factory=list)

    def weights(self, path: Path) -> list:
        self.net.set_weights(self.start)
        self.load(path)
        return [np.array(weight) for weight in self.net.get_weights()]


class Said(logging.Handler):
    """Collects the library's log messages, except the one that every bare file causes."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def make_targets() -> dict[str, Target]:
    from aifashion.unet.framework import import_keras

    import_keras()
    import keras

    from aifashion.unet.backbones import published, residual
    from aifashion.unet.backbones.caffe_files import load_caffe_file
    from aifashion.unet.backbones.checkpoints import read_checkpoint
    from aifashion.unet.backbones.conversion import load_state
    from aifashion.unet.backbones.residual_blocks import basic
    from aifashion.unet.backbones.weights import load_file

    residual.STAGE_WIDTHS = (8, 8, 8, 8)
    residual.RESIDUAL[NAME] = residual.Residual((1, 1, 1, 1), basic, "none")
    published.PUBLISHED[NAME] = published.residual(NAME)
    net = residual.build_residual(NAME, (None, None, 3))
    image = x = keras.Input((16, 16, 3))
    for name in ("conv1", "conv2_block1_1"):
        x = keras.layers.Conv2D(4, 3, name=f"{name}_conv")(x)
        x = keras.layers.BatchNormalization(epsilon=1.001e-5, name=f"{name}_bn")(x)
    body = keras.Model(image, x, name="caffe")
    torch = Target(net, lambda path: load_state(net, NAME, read_checkpoint(path), path) and None, net.get_weights())
    whole = Target(net, lambda path: load_file(net, path), net.get_weights())
    caffe = Target(body, lambda path: load_caffe_file(body, path), body.get_weights())
    return {"zip": torch, "legacy": torch, "safetensors": torch, "keras": whole, "caffe": caffe, "npz": whole}


ENDINGS = {
    **{"zip": ".pth", "legacy": ".pt", "safetensors": ".safetensors"},
    **{"keras": ".weights.h5", "caffe": ".h5", "npz": ".npz"},
}
CHECKED = ("zip", "keras")
"""Formats in which all numbers have a checksum."""


def arrays_of(kind: str, target: Target, rng: np.random.Generator) -> dict[str, np.ndarray]:
    from aifashion.unet.backbones.conversion import targets

    if kind == "caffe":
        sizes = {"conv1": (3, 4), "2a_branch2a": (4, 4)}
        found = {}
        for place, (inputs, outputs) in sizes.items():
            conv, end = ("conv1", "_conv1") if place == "conv1" else (f"res{place}", place)
            found[f"{conv}/{conv}_W"] = rng.normal(size=(3, 3, inputs, outputs)).astype("f4")
            for part in ("gamma", "beta", "running_mean", "running_std"):
                found[f"bn{end}/bn{end}_{part}"] = rng.uniform(0.5, 1.5, outputs).astype("f4")
            for part in ("gamma", "beta"):
                found[f"scale{end}/scale{end}_{part}"] = rng.uniform(0.5, 1.5, outputs).astype("f4")
        return found
    return {name: rng.uniform(0.5, 1.5, one.shape).astype("f4") for name, one in targets(target.net).items()}


def write(kind: str, path: Path, state: dict[str, np.ndarray], target: Target) -> None:
    from aifashion.unet.backbones.conversion import load_state
    from aifashion.unet.backbones.weights import save_file

    if kind == "zip":
        write_torch_file(path, {"epoch": 3, "state_dict": tensors(state)})
    elif kind == "legacy":
        write_old_torch_file(path, {"epoch": 3, "state_dict": tensors(state)})
    elif kind == "safetensors":
        safetensors.numpy.save_file({name: np.ascontiguousarray(array) for name, array in state.items()}, path)
    elif kind == "npz":
        np.savez(path, **state)
    elif kind == "keras":
        load_state(target.net, NAME, state, "sound")
        save_file(target.net, path, NAME)
    else:
        with h5py.File(path, "w") as file:
            layers = list(dict.fromkeys(name.partition("/")[0] for name in state))
            file.attrs["layer_names"] = [layer.encode() for layer in layers]
            for layer in layers:
                names = [name.partition("/")[2] for name in state if name.partition("/")[0] == layer]
                file.create_group(layer).attrs["weight_names"] = [name.encode() for name in names]
                for name in names:
                    file[layer][name] = state[f"{layer}/{name}"]


def number_bytes(data: bytes, state: dict[str, np.ndarray]) -> np.ndarray:
    """(N,) bool: which bytes of the file belong to numbers of tensors."""
    found = np.zeros(len(data), bool)
    for array in state.values():
        at = data.find(array.tobytes())
        if at >= 0:
            found[at : at + array.nbytes] = True
    return found


def change_bytes(data: bytes, free: np.ndarray, rng: np.random.Generator) -> tuple[bytes, str]:
    """Changes some of the free bytes; returns the data and a description."""
    changed = bytearray(data)
    how = rng.choice(["flip", "flip", "flip", "flips", "cut", "leave out", "put in", "zero"])
    places = np.flatnonzero(free)
    at = int(rng.choice(places))
    if how in ("flip", "flips"):
        for place in [at] if how == "flip" else rng.choice(places, 5):
            changed[place] ^= 1 << int(rng.integers(8))
    elif how == "cut":
        del changed[int(rng.integers(len(data))) :]
    elif how == "leave out":
        del changed[at : at + int(rng.integers(1, 9))]
    elif how == "put in":
        changed[at:at] = rng.bytes(int(rng.integers(1, 9)))
    else:
        for place in range(at, min(at + int(rng.integers(1, 33)), len(data))):
            changed[place] = 0 if free[place] else data[place]
    return bytes(changed), f"{how} at byte {at}"


def change_tensors(state: dict[str, np.ndarray], rng: np.random.Generator) -> tuple[dict[str, np.ndarray], str]:
    """The content of a valid file with other tensors, and a description."""
    state = dict(state)
    name = str(rng.choice(sorted(state)))
    how = str(rng.choice(["rename", "drop", "add", "reshape", "whole", "nan", "half", "longer", "turn"]))
    array = state[name]
    if how == "rename":
        state[name + "x"] = state.pop(name)
    elif how == "drop":
        del state[name]
    elif how == "add":
        state[f"{name.rpartition('/')[0]}/more" if "/" in name else "more"] = np.ones(3, "f4")
    elif how == "reshape":
        state[name] = array.reshape(-1, 1)
    elif how == "whole":
        state[name] = np.round(array).astype(np.int64)
    elif how == "nan":
        state[name] = np.full_like(array, np.nan)
    elif how == "half":
        state[name] = array.astype(np.float16)
    elif how == "longer":
        state[name] = np.concatenate([array, array])
    else:
        state[name] = np.ascontiguousarray(np.moveaxis(array, 0, -1)) if array.ndim > 1 else array[:-1]
    return state, f"{how} {name}"


def change_links(path: Path, outside: Path, rng: np.random.Generator) -> str:
    """Replaces a dataset or group of an HDF5 file by a link."""
    how = str(rng.choice(["external link", "soft link", "external storage", "hard link", "virtual", "never written"]))
    with h5py.File(path, "a") as file:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        name, other = (str(found) for found in rng.choice(names, 2, replace=False))
        shape = file[name].shape
        del file[name]
        if how == "external link":
            file[name] = h5py.ExternalLink(str(outside), f"/{other}")
        elif how == "soft link":
            file[name] = h5py.SoftLink(f"/{other}")
        elif how == "external storage":
            file.create_dataset(name, shape, "f4", external=[(str(outside), 0, h5py.h5f.UNLIMITED)])
        elif how == "hard link":
            file[name] = file[other]
        elif how == "virtual":
            layout = h5py.VirtualLayout(shape, "f4")
            layout[...] = h5py.VirtualSource(str(outside), other, shape)
            file.create_virtual_dataset(name, layout)
        else:
            file.create_dataset(name, shape, "f4")
    return f"{how} {name}"


def change_pickle(path: Path, state: dict[str, np.ndarray], old: bool, rng: np.random.Generator, outside: Path) -> str:
    """A file of torch.save that calls something harmless, nests, repeats a tensor or has wrong strides."""
    how = str(rng.choice(["call", "nested", "strides", "key"]))
    content: dict = {"state_dict": tensors(state)}
    if how == "call":
        content["more"] = _Call(outside)
    elif how == "nested":
        inner: list = []
        for _ in range(int(rng.integers(65, 300))):
            inner = [inner, inner]
        content["more"] = inner
    elif how == "strides":
        name = next(name for name, array in state.items() if array.ndim == 4)
        array = state[name]
        content["state_dict"][name] = Tensor(array, strides=(1, 1, 1, 1))
    else:
        content["more"] = {(1, (2, 3)): 4}
    (write_old_torch_file if old else write_torch_file)(path, content)
    return how


class _Call:
    """Its pickle is a harmless call that leaves a trace."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path) + ".executed",)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    from aifashion.unet.backbones.reading import WeightsError

    said = Said()
    library = logging.getLogger("aifashion")
    library.addHandler(said)
    library.setLevel(logging.INFO)
    library.propagate = False
    faults = {"tracebacks": 0, "silent changes": 0, "opened outside": 0, "slow": 0}
    refused = same = 0
    first = ""
    targets = make_targets()
    opened: list[str] = []

    def watch(event: str, words: tuple) -> None:
        if event in ("open", "os.mkdir") and words:
            opened.append(str(words[0]))

    sys.addaudithook(watch)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        outside = folder / "outside" / "other.h5"
        outside.parent.mkdir()
        kinds = list(targets)
        for number in range(args.count):
            rng = np.random.default_rng([args.seed, number])
            kind = kinds[number % len(kinds)]
            target, path = targets[kind], folder / f"x{ENDINGS[kind]}"
            state = arrays_of(kind, target, rng)
            write(kind, path, state, target)
            sound = None if kind == "npz" else target.weights(path)
            outside.write_bytes(path.read_bytes())
            way, linked = rng.random(), False
            if way < 0.25 and kind != "keras":
                other, what = change_tensors(state, rng)
                write(kind, path, other, target)
            elif way < 0.4 and kind in ("keras", "caffe"):
                what, linked = change_links(path, outside, rng), True
            elif way < 0.4 and kind in ("zip", "legacy"):
                what = change_pickle(path, state, kind == "legacy", rng, outside)
            else:
                data = path.read_bytes()
                free = np.ones(len(data), bool) if kind in CHECKED else ~number_bytes(data, state)
                data, what = change_bytes(data, free, rng)
                path.write_bytes(data)
            recipe = f"seed {args.seed}, file {number}, {kind}: {what}"
            said.lines.clear()
            opened.clear()
            start, found = time.monotonic(), None
            try:
                found = target.weights(path)
            except WeightsError:
                refused += 1
            except Exception:
                faults["tracebacks"] += 1
                first = first or f"{recipe}\n{traceback.format_exc()}"
            fault = ""
            if found is not None:
                close = sound is not None and all(
                    a.shape == b.shape and np.allclose(a, b, 1e-2, 1e-3) for a, b in zip(found, sound, strict=True)
                )
                same += close
                fault = "" if close or said.lines else "silent changes"
            # HDF5 opens files unseen by Python; the other file would be readable, so only an error is right.
            if (
                (linked and found is not None)
                or any("outside" in name for name in opened)
                or Path(f"{outside}.executed").exists()
            ):
                fault = "opened outside"
            if time.monotonic() - start > LONGEST:
                fault = "slow"
            if fault:
                faults[fault] += 1
                first = first or f"{recipe}\n{fault}"
    counts = ", ".join(f"{count} {name}" for name, count in faults.items())
    print(f"{args.count:,} checkpoints (seed {args.seed}): {counts}; {refused} refused, {same} read as they were meant")
    if first:
        kept = Path(tempfile.gettempdir()) / f"checkpoints-{args.seed}.txt"
        kept.write_text(first)
        print(f"the first is described in {kept}:\n{first}")
    raise SystemExit(any(faults.values()))


if __name__ == "__main__":
    main()
