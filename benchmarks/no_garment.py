"""Measures in how many photos without a garment the shipped networks find none.

    python benchmarks/no_garment.py [COUNT]

The photos are the backgrounds of drawn garments: studio paper, rooms, streets, floors, beds. Some show textiles.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from measure import SEED, report
from PIL import Image

from aifashion.data_gen.synthetic.backdrop import backdrop

SIDE = 256


def main(count: int = 200) -> None:
    rng = np.random.default_rng(SEED)
    with tempfile.TemporaryDirectory() as name:
        folder, table = Path(name) / "photos", Path(name) / "told.json"
        folder.mkdir()
        for number in range(count):
            image = backdrop(rng, SIDE, SIDE, worn=number % 2 == 0)
            pixels = np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{number:04d}.jpg", quality=90)
        options = ("predict", folder, "--model", "shipped", "--attributes", "shipped", "--out", table)
        subprocess.run([sys.executable, "-m", "aifashion.top.cli", *map(str, options)], check=True)
        told = json.loads(table.read_text(encoding="utf-8"))
    empty = sum(not t["garment"] for t in told)
    report("no_garment", f"{count} empty photos said to be empty", 100 * empty / count, "%")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
