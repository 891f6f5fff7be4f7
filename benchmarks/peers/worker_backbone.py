"""A reference network in PyTorch eager mode, which runs once for every command.

    python worker_backbone.py NAME SIDE THREADS
    {"use": "float32 channels_last"} or {"run": 1}   ->   {}

Its first line lists the modes: {"modes": [...]}.
"""

# pyright: reportMissingImports=false

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
from torch_modes import EagerNetwork

REFERENCES = Path(__file__).resolve().parents[2] / "tests" / "unet" / "torch_references.py"


def references():
    """The module of the parity test, which has all of them."""
    spec = importlib.util.spec_from_file_location("torch_references", REFERENCES)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(name: str, side: str, threads: str) -> None:
    network = EagerNetwork(references().network(name), "f32", int(threads))
    image = np.random.default_rng(0).integers(0, 256, (1, int(side), int(side), 3), np.uint8)
    print(json.dumps({"modes": network.modes}), flush=True)
    for line in sys.stdin:
        options = json.loads(line)
        if "use" in options:
            network.use(options["use"])
        else:
            network(image)
        print("{}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
