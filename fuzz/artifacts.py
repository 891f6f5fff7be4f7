"""`python fuzz/artifacts.py [--count N] [--seed S]`: tests damaged artifacts, manifests and compiled networks.

A small copy of the shipped networks is damaged in different ways: bits flipped, pages zeroed, files cut short,
exchanged, renamed or removed, fields of a manifest removed, renamed or changed in type; files of the cache as well.
Each copy is loaded and predicts drawn photos. It must either be refused with a ValueError that names the file or
folder, or give the same outputs as the valid networks, bit for bit. Otherwise the exit code is 1.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import aifashion
from aifashion.data_gen.synthetic.compose import render_scene
from aifashion.data_gen.synthetic.scene import render
from aifashion.files import SEAL, sealed
from aifashion.serve.artifact import MANIFEST, Manifest
from aifashion.serve.shipped import STAGES, shipped

PAGE = 4096
OTHERS: tuple[Any, ...] = (None, True, 0, -1, 1.5, 1e300, "", "text", [], [1], {}, {"a": 1})
DEPTH = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--count", type=int, default=200, help="how many damaged artifacts")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(f"seed {options.seed}")
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["AIFASHION_CACHE"] = str(Path(scratch) / "cache")
        counts = campaign(Path(scratch), options.count, options.seed)
    faults = counts["tracebacks"] + counts["silent changes"]
    print(
        f"{options.count:,} artifacts: {counts['tracebacks']} tracebacks, 0 lost rows, "
        f"{counts['silent changes']} silent changes ({counts['refused']} refused, {counts['same']} answered the same)"
    )
    sys.exit(1 if faults else 0)


def campaign(scratch: Path, count: int, seed: int) -> dict[str, int]:
    photos = [render(np.random.default_rng(n), 200, category).image for n, category in enumerate(("skirt", "dress"))]
    photos.append(render_scene(np.random.default_rng(187), 384, "street").image)
    sound, cache, work = scratch / "sound", scratch / "cache", scratch / "work"
    for stage in STAGES:
        copy_small(shipped(stage), sound / stage)
    expected = answers(sound, photos)
    kept = {path.name: path.read_bytes() for path in cache.iterdir()}
    counts = dict.fromkeys(("refused", "same", "tracebacks", "silent changes"), 0)
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(sound, work)
        for path in cache.iterdir():
            path.unlink()
        for name, data in kept.items():
            (cache / name).write_bytes(data)
        recipe = damage(rng, work, cache)
        outcome, text = judged(work, photos, expected)
        counts[outcome] += 1
        if outcome in ("tracebacks", "silent changes") and counts["tracebacks"] + counts["silent changes"] == 1:
            report = Path("fuzz_artifacts_first_failure.txt")
            report.write_text(f"seed {seed}, artifact {number}: {recipe}\n{outcome}\n{text}\n", encoding="utf-8")
            print(f"{outcome}: {recipe}; written to {report}")
    return counts


def copy_small(source: Path, out: Path) -> None:
    """Copies networks without the card and the weights for training."""
    manifest = Manifest.read(source)
    out.mkdir(parents=True)
    for name in ("model.xml", "model.bin"):
        shutil.copy(source / name, out)
    manifest.write(out)


def answers(networks: Path, photos: list[np.ndarray]) -> list[Any]:
    """Predictions for each photo as one garment, and for all garments that the detector finds in it."""
    recognizer = aifashion.load(networks / "keypoints", networks / "attributes", detector=networks / "detection")
    several = [garment for garments in recognizer.garments(photos) for garment in garments]
    found = []
    for garment in [*recognizer(photos), *several]:
        probabilities = {name: dict(part.probabilities) for name, part in garment.attributes.items()}
        points = {name: (p.x, p.y, p.score, p.visible, p.hidden) for name, p in garment.keypoints.items()}
        whole = (garment.category_probabilities, garment.region, garment.found)
        found.append((garment.box, garment.score, whole, points, probabilities))
    return found


def judged(networks: Path, photos: list[np.ndarray], expected: list[Any]) -> tuple[str, str]:
    try:
        found = answers(networks, photos)
    except ValueError as error:
        named = str(networks) in str(error)
        return ("refused", "") if named else ("tracebacks", f"the error names no file: {error}")
    except Exception:
        return "tracebacks", traceback.format_exc()
    return ("same", "") if found == expected else ("silent changes", f"{expected}\n{found}")


# ------------------------------------------------------------------------------------------------------------- damage


def damage(rng: np.random.Generator, work: Path, cache: Path) -> str:
    """Damages one thing and returns its description."""
    folder = work / str(rng.choice(STAGES))
    kinds: list[Callable[[], str]] = [
        lambda: damage_file(rng, pick(rng, folder)),
        lambda: damage_file(rng, folder / MANIFEST),
        lambda: damage_file(rng, pick(rng, cache)),
        lambda: exchange(rng, cache),
        lambda: move(rng, folder),
        lambda: exchange_networks(rng, work),
        lambda: damage_field(rng, folder),
        lambda: damage_field(rng, folder),
        lambda: damage_top_field(rng, folder),
        lambda: damage_top_field(rng, folder),
    ]
    return kinds[int(rng.integers(len(kinds)))]()


def pick(rng: np.random.Generator, folder: Path) -> Path:
    paths = sorted(folder.iterdir())
    return paths[int(rng.integers(len(paths)))]


def damage_file(rng: np.random.Generator, path: Path) -> str:
    data = bytearray(path.read_bytes())
    kind = str(rng.choice(["bit", "page", "cut", "more", "empty"], p=[0.5, 0.25, 0.1, 0.1, 0.05]))
    where = int(rng.integers(len(data)))
    if kind == "bit":
        bit = int(rng.integers(8))
        data[where] ^= 1 << bit
        kind = f"bit {bit}"
    elif kind == "page":
        start = where // PAGE * PAGE
        data[start : start + PAGE] = bytes(len(data[start : start + PAGE]))
    elif kind == "cut":
        del data[where:]
    elif kind == "more":
        data += data[:where]
    else:
        data.clear()
    path.write_bytes(data)
    return f"{kind} at byte {where} of {path.parent.name}/{path.name}"


def exchange(rng: np.random.Generator, folder: Path) -> str:
    one, other = (sorted(folder.iterdir())[int(index)] for index in rng.choice(len(list(folder.iterdir())), 2, False))
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    return f"{one.name} and {other.name} exchanged"


def move(rng: np.random.Generator, folder: Path) -> str:
    path = pick(rng, folder)
    if rng.random() < 0.5:
        path.unlink()
        return f"{folder.name}/{path.name} removed"
    path.rename(path.with_name(f"_{path.name}"))
    return f"{folder.name}/{path.name} renamed"


def exchange_networks(rng: np.random.Generator, work: Path) -> str:
    """Exchanges networks of two stages, with correct digests in the manifests or not."""
    stages = [str(stage) for stage in rng.choice(STAGES, 2, replace=False)]
    names = ("model.xml", "model.bin") if rng.random() < 0.5 else ("manifest.json",)
    for name in names:
        one, other = (work / stage / name for stage in stages)
        first, second = one.read_bytes(), other.read_bytes()
        one.write_bytes(second)
        other.write_bytes(first)
    anew = names != ("manifest.json",) and bool(rng.random() < 0.5)
    for stage in stages if anew else ():
        facts = json.loads((work / stage / MANIFEST).read_text())
        files = {name: digest(work / stage / name) for name in facts["files"]}
        write(work / stage, facts | {"files": files}, True)
    return f"{' and '.join(names)} of {' and '.join(stages)} exchanged{', digests anew' if anew else ''}"


def digest(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def damage_field(rng: np.random.Generator, folder: Path) -> str:
    """Changes a field at any depth; the digest stays."""
    facts = json.loads((folder / MANIFEST).read_text())
    recipe = change(rng, facts, [])
    write(folder, facts, False)
    return f"{folder.name}: {recipe}"


def damage_top_field(rng: np.random.Generator, folder: Path) -> str:
    """Changes a field of the manifest itself, with a correct digest, or in the layout that had no digest."""
    facts = json.loads((folder / MANIFEST).read_text())
    names = [name for name in facts if name not in ("layout", SEAL, "source", "differences", "versions")]
    name = names[int(rng.integers(len(names)))]
    kind = int(rng.integers(3))
    if kind == 0:
        del facts[name]
    elif kind == 1:
        facts[f"{name}_"] = facts.pop(name)
    else:
        others = [value for value in OTHERS if type(value) is not type(facts[name])]
        facts[name] = others[int(rng.integers(len(others)))]
    older = bool(rng.random() < 0.5)
    if older:
        facts["layout"] = 2
        del facts[SEAL]
    write(folder, facts, not older)
    what = ["removed", "renamed", f"set to {facts.get(name)!r}"][kind]
    return f"{folder.name}: {name} {what}, {'layout 2' if older else 'digest anew'}"


def change(rng: np.random.Generator, part: Any, above: list[Any]) -> str:
    keys = list(part) if isinstance(part, dict) else list(range(len(part)))
    key = keys[int(rng.integers(len(keys)))]
    inner = part[key]
    if isinstance(inner, dict | list) and inner and len(above) < DEPTH and rng.random() < 0.8:
        return change(rng, inner, [*above, key])
    where = ".".join(map(str, [*above, key]))
    kind = int(rng.integers(3))
    if kind == 0:
        del part[key]
        return f"{where} removed"
    if kind == 1 and isinstance(part, dict):
        part[f"{key}_"] = part.pop(key)
        return f"{where} renamed"
    part[key] = OTHERS[int(rng.integers(len(OTHERS)))]
    return f"{where} set to {part[key]!r}"


def write(folder: Path, facts: dict[str, Any], anew: bool) -> None:
    if anew:
        facts = sealed({name: value for name, value in facts.items() if name != SEAL})
    (folder / MANIFEST).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
