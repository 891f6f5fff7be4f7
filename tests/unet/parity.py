"""Compares every network of the residual family with its reference in PyTorch: `make parity`.

The weights follow from a formula, go strictly into the reference, come back in a file that PyTorch wrote, through the
code of `aifashion weights convert`. What the reference tells is kept in tests/golden/backbones.json, in a few numbers,
with which tests compare without PyTorch; the table is docs/backbones.md.
"""

import argparse
import gc
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import formula_weights
import keras
import numpy as np
import safetensors.numpy
from parity_table import PUBLISHED, deviations, measured_times, write_table

from aifashion.files import write_atomic
from aifashion.unet.backbones.checkpoints import read_checkpoint
from aifashion.unet.backbones.conversion import load_state, targets
from aifashion.unet.backbones.residual import RESIDUAL, build_residual

ROOT = Path(__file__).resolve().parents[2]
GOLDEN, TABLE = ROOT / "tests" / "golden" / "backbones.json", ROOT / "docs" / "backbones.md"
RESULTS = ROOT / "benchmarks" / "results.csv"
BOUND = 1e-4
KEPT = 12
"""Values kept of each output."""


def shapes_of(name: str, net: keras.Model) -> dict[str, tuple[int, ...]]:
    """All tensors of the checkpoint, with those of the classifier."""
    features, head = net.output["P5"].shape[-1], RESIDUAL[name].head
    own = {tensor: target.shape for tensor, target in targets(net).items()}
    return own | {f"{head}.weight": (formula_weights.CLASSES, features), f"{head}.bias": (formula_weights.CLASSES,)}


def outputs(name: str, net: keras.Model, state: Mapping[str, np.ndarray], side: int) -> dict[str, np.ndarray]:
    """P2 to P5 and logits of the image of that side. state: for the classifier, which a backbone does not have."""
    head = RESIDUAL[name].head
    # Called as it is: `predict` would first compile the network, for every size anew.
    told = {level: keras.ops.convert_to_numpy(x) for level, x in net(formula_weights.image(side)).items()}
    logits = told["P5"].mean((1, 2)) @ state[f"{head}.weight"].T + state[f"{head}.bias"]
    return told | {"logits": logits}


def kept(values: np.ndarray) -> dict[str, Any]:
    """A few numbers that tell an output."""
    flat = values.reshape(-1).astype(np.float64)
    places = np.linspace(0, len(flat) - 1, KEPT).astype(int)
    numbers = {"mean": flat.mean(), "deviation": flat.std(), "largest": np.abs(flat).max()}
    rounded = {key: float(f"{value:.7g}") for key, value in numbers.items()}
    return {"shape": list(values.shape), **rounded, "values": [float(f"{v:.7g}") for v in flat[places]]}


def multiply_adds(name: str, side: int) -> int:
    """Of convolutions and the classifier, for one image of that side."""
    net = build_residual(name, (side, side, 3))
    total = formula_weights.CLASSES * net.output["P5"].shape[-1]
    for layer in net.layers:
        if isinstance(layer, keras.layers.Conv2D):
            height, width = layer.output.shape[1:3]
            total += height * width * int(np.prod(layer.kernel.shape))
    return total


def compare(name: str, reference: subprocess.Popen, folder: Path) -> dict[str, Any]:
    """Raises ValueError where the networks differ by more than BOUND, as a share of an output's largest value."""
    net = build_residual(name, (None, None, 3))
    state = formula_weights.state(shapes_of(name, net))
    ending = "pth" if len(name) % 2 else "safetensors"
    files = {"weights": "in.safetensors", "images": "images.npz", "checkpoint": f"out.{ending}", "told": "out.npz"}
    paths = {word: folder / file for word, file in files.items()}
    safetensors.numpy.save_file(state, paths["weights"])
    np.savez(paths["images"], **{str(side): formula_weights.image(side) for side in formula_weights.SIZES})
    assert reference.stdin is not None and reference.stdout is not None
    reference.stdin.write(json.dumps({"name": name} | {word: str(path) for word, path in paths.items()}) + "\n")
    reference.stdin.flush()
    answer = reference.stdout.readline()
    if not answer:
        raise ValueError(f"{name}: the reference could not be computed")
    load_state(net, name, read_checkpoint(paths["checkpoint"]), paths["checkpoint"])
    errors, golden = {}, {}
    with np.load(paths["told"]) as told:
        for side in formula_weights.SIZES:
            for key, found in outputs(name, net, state, side).items():
                expected = told[f"{side}/{key}"]
                if found.shape != expected.shape:
                    raise ValueError(f"{name} {side} {key}: {found.shape} instead of {expected.shape}")
                errors[f"{side}/{key}"] = float(np.abs(found - expected).max() / np.abs(expected).max())
                golden[f"{side}/{key}"] = kept(expected)
    worst = max(errors, key=lambda key: errors[key])
    if not errors[worst] < BOUND:
        raise ValueError(f"{name} differs at {worst} by {errors[worst]:.2g}: {errors}")
    counts = {side: multiply_adds(name, side) for side in {224, PUBLISHED[name].side}}
    facts = {
        "parameters": int(sum(np.prod(value.shape) for part, value in state.items() if "running_" not in part)),
        "multiply_adds": counts[224],
        "multiply_adds_published_side": counts[PUBLISHED[name].side],
        "error": float(f"{errors[worst]:.2g}"),
        "worst": worst,
        "versions": json.loads(answer)["versions"],
    }
    if deviations(name, facts):
        raise ValueError(f"{name} has {'; '.join(deviations(name, facts))}")
    return {"facts": facts, "outputs": golden}


def write_golden(found: Mapping[str, Any]) -> None:
    """A line a network."""
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in found.items())
    write_atomic(GOLDEN, f"{{\n{lines}\n}}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="networks; all by default")
    parser.add_argument("--python", default="", help="an interpreter with torch and timm; one is prepared by default")
    words = parser.parse_args()
    python = words.python
    if not python:
        subprocess.run([sys.executable, ROOT / "benchmarks" / "peers" / "environments.py", "torch"], check=True)
        folder = ROOT / ".venv-peers" / "torch"
        python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    found = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    script = [python, Path(__file__).with_name("torch_references.py")]
    failed = []
    with tempfile.TemporaryDirectory() as work:
        reference = subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in words.names or RESIDUAL:
            try:
                found[name] = compare(name, reference, Path(work))
                facts = found[name]["facts"]
                print(
                    f"{name:<26} {facts['parameters'] / 1e6:8.2f} M  {facts['error']:.1e} at {facts['worst']}",
                    flush=True,
                )
            except ValueError as error:
                failed.append(name)
                print(f"{name:<26} {error}", flush=True)
            keras.backend.clear_session()
            gc.collect()
            ordered = {name: found[name] for name in RESIDUAL if name in found}
            write_golden(ordered)
            write_table(TABLE, {name: entry["facts"] for name, entry in ordered.items()}, measured_times(RESULTS))
        reference.communicate()
    if failed:
        raise SystemExit(f"not the same as the reference: {', '.join(failed)}")


if __name__ == "__main__":
    main()
