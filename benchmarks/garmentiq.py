"""GarmentIQ beside this project on the same photos: `python benchmarks/garmentiq.py [--garments N] [--repeats N]`.

Drawn garments lie on the table of measuring.py, photographed at its eight tilts. Both sides get the same true landmarks
and the same instructions, GarmentIQ's own files. Compared are the lengths in px; the lengths in cm, where GarmentIQ's
px are divided by one scale for the photo; the time of measuring; and the time of the networks. GarmentIQ's trained
networks are not part of its package: its landmark network has random weights here, so that only its time is measured.

The first call makes an environment in .venv-peers/; set PIP_EXTRA_INDEX_URL as its list of requirements says.
"""

import argparse
import dataclasses
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
from measure import SEED, report
from measuring import MARKER, MARKER_AT, PHOTO, TILTS, Shot, flat_garment, on_table, shots
from turns import Worker

from aifashion.data_gen.formats.challenges import CATEGORIES, KEYPOINTS
from aifashion.data_gen.formats.garmentiq import read_garmentiq
from aifashion.data_gen.synthetic import scene
from aifashion.data_gen.synthetic.virtual_camera import seen_at
from aifashion.eval.inference import PixelSample
from aifashion.measurement_sets import MeasurementSet, measurements_of
from aifashion.planes import Plane
from aifashion.recognition.keypoint_model import KeypointModel, load_keypoint_model
from aifashion.recognition.scales import Scale, Sheet
from aifashion.records import VISIBLE
from aifashion.serve.runtime import keypoint_predict, load_network
from aifashion.vocabulary import load_vocabulary

PEERS = Path(__file__).resolve().parent / "peers"
PYTHON = (
    PEERS.parents[1] / ".venv-peers/garmentiq" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
)
FIRST = 70_000  # number of the first garment
SIDE = 512  # px of the photos for the networks

_TOP = {
    2: ("neckline_left",),
    4: ("center_front",),
    7: ("shoulder_left",),
    9: ("shoulder_left", "cuff_left_out"),
    16: ("armpit_left",),
}
LANDMARKS: dict[str, tuple[str, dict[int, tuple[str, ...]]]] = {
    "blouse": (
        "long sleeve top",
        _TOP
        | {19: ("top_hem_left",), 20: ("top_hem_left", "top_hem_right"), 21: ("top_hem_right",), 24: ("armpit_right",)}
        | {29: ("cuff_right_out",), 33: ("shoulder_right",)},
    ),
    "dress": (
        "long sleeve dress",
        _TOP
        | {
            18: ("waistline_left",),
            21: ("hemline_left",),
            22: ("hemline_left", "hemline_right"),
            23: ("hemline_right",),
        }
        | {26: ("waistline_right",), 28: ("armpit_right",), 33: ("cuff_right_out",), 37: ("shoulder_right",)},
    ),
    "skirt": (
        "skirt",
        {1: ("waistband_left",), 2: ("waistband_left", "waistband_right"), 3: ("waistband_right",)}
        | {6: ("hemline_left", "hemline_right")},
    ),
    "trousers": (
        "trousers",
        {1: ("waistband_left",), 2: ("waistband_left", "waistband_right"), 3: ("waistband_right",)}
        | {6: ("bottom_left_out",), 9: ("crotch",)},
    ),
}
"""By drawn category: GarmentIQ's class, and of which drawn keypoints its landmarks are the middle. It has no class for
outwear; drawn garments have no points at the hip. Its classes of other sleeves have other landmarks."""
NO_POINTS = ("hips",)
TO_THE_HEM, SLEEVE_WIDTH = ("front length", "full length"), "sleeve width"
"""Of tops and dresses: the lengths to a derived landmark. Drawn garments have no point at the elbow: the line of the
second one is not on the outline, so it is compared without a mask only."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A photo and the landmarks of its garment, (K, 2) in px and on the table in cm, in the order of the vocabulary.

    mask: a file with the true outline of the garment in the photo.
    """

    shot: Shot
    category: str
    px: np.ndarray
    cm: np.ndarray
    mask: Path

    def task(self, mask: bool = False, refine: bool = False) -> dict[str, object]:
        """What GarmentIQ is asked for."""
        name = self.category.replace("_", " ")  # spelled so by GarmentIQ
        points = self.px[slots(self.category)].tolist()
        return {"class": name, "points": points, "mask": str(self.mask) if mask else None, "refine": refine}


VOCABULARY = load_vocabulary("deepfashion2")


def slots(category: str) -> np.ndarray:
    """The indices of a category's landmarks among all keypoints."""
    return np.flatnonzero([name.rpartition("_")[0] == category for name in VOCABULARY.keypoints])


def outline(number: int) -> np.ndarray:
    """(H, W) uint8, 255 on the garment: what of its drawing stays the same on another ground."""
    original, drawn = scene.backdrop, flat_garment(number)
    with patch.object(scene, "backdrop", lambda *given: (original(*given) + 0.5) % 1):
        other = flat_garment(number)
    apart = np.abs(drawn.image.astype(int) - other.image).max(axis=2)
    same = apart < np.percentile(apart, 95) / 2  # thin cloth lets some of the ground through
    _, pieces = cv2.connectedComponents(same.astype(np.uint8))
    near = np.zeros(same.shape, np.uint8)
    for x, y in np.rint(drawn.keypoints.xy[drawn.keypoints.state == VISIBLE]).astype(int):
        near[max(0, y - 5) : y + 6, max(0, x - 5) : x + 6] = 1  # keypoints lie on the outline
    found = pieces[(near > 0) & same]
    if not found.size:
        raise ValueError(f"no keypoint of drawing {number} lies near its garment")
    return np.where(pieces == np.bincount(found).argmax(), 255, 0).astype(np.uint8)


def fits(drawn: scene.SyntheticPhoto) -> bool:
    """Whether GarmentIQ has a class for it, and all landmarks are visible: long sleeves are as long as the chest is
    wide."""
    if drawn.category not in LANDMARKS:
        return False
    class_name, landmarks = LANDMARKS[drawn.category]
    used = [KEYPOINTS.index(name) for names in landmarks.values() for name in names]
    ends = ("armpit_left", "armpit_right"), ("shoulder_right", "cuff_right_out")
    chest, sleeve = (
        np.linalg.norm(np.subtract(*drawn.keypoints.xy[[KEYPOINTS.index(name) for name in pair]])) for pair in ends
    )
    visible = bool((drawn.keypoints.state[used] == VISIBLE).all())
    return visible and (not class_name.startswith("long sleeve") or bool(sleeve >= chest))


def cases(count: int, folder: Path) -> Iterator[Case]:
    """The photos of `count` garments that fit, as many of each class."""
    wanted = dict.fromkeys(LANDMARKS, count // len(LANDMARKS))
    for number in itertools.count(FIRST):
        if not any(wanted.values()):
            return
        if not wanted.get(CATEGORIES[number % len(CATEGORIES)]) or not fits(drawn := flat_garment(number)):
            continue
        wanted[drawn.category] -= 1
        class_name, landmarks = LANDMARKS[drawn.category]
        category = class_name.replace(" ", "_")
        first, mask = slots(category)[0] - 1, outline(number)
        for shot in shots(number, 1):
            cm = np.zeros((len(VOCABULARY.keypoints), 2))
            for n, names in landmarks.items():
                cm[first + n] = shot.cm[[KEYPOINTS.index(name) for name in names]].mean(axis=0)
            px = np.where(cm.any(axis=1, keepdims=True), seen_at(shot.camera, cm), 0)
            path = folder / f"{number}_{shot.tilt:.0f}.png"
            seen = cv2.warpPerspective(mask, shot.camera @ on_table(mask.shape), PHOTO)
            cv2.imwrite(str(path), np.where(seen > 127, 255, 0).astype(np.uint8))
            yield Case(shot, category, px, cm, path)


def own_lengths(case: Case, known: MeasurementSet, points: np.ndarray) -> dict[str, float]:
    """By GarmentIQ's names those that have their landmarks."""
    of = known.of(case.category)
    values, _ = of.measure(points)
    names = [m.name.replace("_", " ") for m in of.measurements]
    return {name: float(value) for name, value in zip(names, values, strict=True) if name not in NO_POINTS}


def through(plane: Plane, case: Case) -> np.ndarray:
    """The landmarks on the table, as the scale that was found in the photo has them."""
    used = case.px.any(axis=1)
    points = np.zeros_like(case.px)
    points[used] = plane.to_cm(case.px[used])[0]
    return points


def marker_scale(case: Case) -> float:
    """px per cm that a user reads off the marker: the mean of its sides."""
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * MARKER.cm + MARKER_AT
    corners = seen_at(case.shot.camera, square)
    return float(np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1).mean()) / MARKER.cm


@dataclass
class Errors:
    """Relative errors by way of measuring and tilt, and photos without a scale."""

    of: dict[tuple[str, float], list[float]]
    failed: int = 0

    def add(self, way: str, case: Case, found: Mapping[str, float], true: Mapping[str, float]) -> None:
        errors = [abs(found[name] / length - 1) for name, length in true.items()]
        self.of.setdefault((way, case.shot.tilt), []).extend(errors)

    def report(self, way: str) -> None:
        tilts = [tilt for tilt in TILTS if (way, tilt) in self.of]
        for tilt in tilts:
            report("garmentiq", f"{way}, {tilt:.0f} degrees: median error", _middle(self.of[way, tilt]), "%")
        everything = [error for tilt in tilts for error in self.of[way, tilt]]
        report("garmentiq", f"{way}, all tilts: median error", _middle(everything), "%")
        report("garmentiq", f"{way}, all tilts: largest error", 100 * max(everything), "%")


def _middle(errors: list[float]) -> float:
    return 100 * float(np.median(errors))


def compare_lengths(count: int, garmentiq: Worker, known: MeasurementSet, folder: Path) -> Case:
    """Reports the differences and errors of lengths. Returns one of the photos."""
    errors, apart, moved, refined, raised, total, case = Errors({}), [], [], [], 0, 0, None
    for case in cases(count, folder):
        total += 1
        px, true = own_lengths(case, known, case.px), own_lengths(case, known, case.cm)
        theirs = garmentiq.ask(**case.task())["lengths"]
        apart += [abs(theirs[name] / length - 1) for name, length in px.items()]
        on_outline = garmentiq.ask(**case.task(mask=True))["lengths"]
        top = case.category.startswith("long_sleeve")
        moved += [abs(on_outline[name] / px[name] - 1) for name in px if top and name in TO_THE_HEM]
        after = garmentiq.ask(**case.task(mask=True, refine=True))
        raised += "error" in after
        if "lengths" in after:
            others = [name for name in px if not top or name not in (*TO_THE_HEM, SLEEVE_WIDTH)]
            refined += [abs(after["lengths"][name] / px[name] - 1) for name in others]
        scale = marker_scale(case)
        errors.add("GarmentIQ, px by the marker's px per cm", case, {n: theirs[n] / scale for n in true}, true)
        best = float(np.median([theirs[name] / length for name, length in true.items()]))
        errors.add("GarmentIQ, px by the best px per cm", case, {n: theirs[n] / best for n in true}, true)
        for name, source in (("marker", MARKER), ("sheet", Sheet("a4"))):
            plane = Scale(source).of_photo(case.shot.photo, PHOTO)
            if isinstance(plane, Plane):
                errors.add(f"AiFashion, {name}", case, own_lengths(case, known, through(plane, case)), true)
            else:
                errors.failed += 1
                print(f"{name}, {case.shot.tilt:.0f} degrees: {plane}")
    if case is None:
        raise SystemExit("no garment to compare: --garments must be 4 or more")
    print(f"{total} photos, {len(apart)} lengths; to the hem {len(moved)}, refined {len(refined)}")
    report("garmentiq", "px, no mask: largest difference", 100 * max(apart), "%", "<= 1e-9")
    report("garmentiq", "px, drawn mask, lengths to the hem: median difference", _middle(moved), "%")
    report("garmentiq", "px, drawn mask, lengths to the hem: largest difference", 100 * max(moved), "%")
    report("garmentiq", "px, drawn mask, refined, lengths between landmarks: median difference", _middle(refined), "%")
    report(
        "garmentiq", "px, drawn mask, refined, lengths between landmarks: largest difference", 100 * max(refined), "%"
    )
    report("garmentiq", "px, drawn mask, refined: photos in which GarmentIQ raises an error", 100 * raised / total, "%")
    for way in dict.fromkeys(way for way, _ in errors.of):
        errors.report(way)
    report("garmentiq", "AiFashion, photos without a scale", 100 * errors.failed / (2 * total), "%")
    return case


def compare_measuring(repeats: int, garmentiq: Worker, known: MeasurementSet, case: Case) -> None:
    """CPU time of measuring one garment whose landmarks are known, on one core."""
    taken: dict[str, list[float]] = {}
    for _ in range(20 * repeats + 1):
        for name, mask in (("GarmentIQ, no mask", False), ("GarmentIQ, drawn mask", True)):
            taken.setdefault(name, []).append(garmentiq.ask(**case.task(mask))["cpu"])
        start = time.process_time()
        own_lengths(case, known, case.px)
        taken.setdefault("AiFashion, px", []).append(time.process_time() - start)
        start = time.process_time()
        plane = Scale(MARKER).of_photo(case.shot.photo, PHOTO)
        assert isinstance(plane, Plane), plane
        own_lengths(case, known, through(plane, case))
        taken.setdefault("AiFashion, search for the marker and cm", []).append(time.process_time() - start)
    for name, times in taken.items():
        report("garmentiq", f"measuring a garment, {name}", 1e3 * float(np.median(times[1:])), "ms CPU")


def compare_networks(repeats: int, garmentiq: Worker, model: KeypointModel, folder: Path) -> None:
    """CPU time from a photo in memory to its keypoints in px, on one core, the networks in turn."""
    photos = []
    for number in range(FIRST, FIRST + 5):
        image = flat_garment(number, SIDE).image
        path = folder / f"photo_{number}.png"
        cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        photos.append((path, PixelSample(path.stem, path, None, pixels=image)))
    theirs, own = [], []
    for round_number in range(repeats + 1):
        for path, sample in photos:
            start = time.process_time()
            list(model.predict([sample], 1))
            mine, other = time.process_time() - start, garmentiq.ask(**{"class": "skirt", "photo": str(path)})
            if round_number:  # the first one also prepares
                own.append(mine)
                theirs.append(other["cpu"])
    millions = garmentiq.facts["parameters"] / 1e6
    case = f"GarmentIQ's landmark network, random weights, {millions:.1f} M parameters"
    report("garmentiq", f"a photo to keypoints, {case}", 1e3 * float(np.median(theirs)), "ms CPU")
    report("garmentiq", "a photo to keypoints, AiFashion's shipped network", 1e3 * float(np.median(own)), "ms CPU")
    ratio = float(np.median(np.array(theirs) / np.array(own)))
    report("garmentiq", "a photo to keypoints, GarmentIQ's CPU time of AiFashion's", ratio, "x")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--garments", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    subprocess.run([sys.executable, str(PEERS / "environments.py"), "garmentiq"], check=True)
    cv2.setNumThreads(1)
    one = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}
    garmentiq = Worker([PYTHON, PEERS / "worker_garmentiq.py"], os.environ | one | {"CUDA_VISIBLE_DEVICES": ""})
    print(f"{garmentiq.facts['versions']}; seed {SEED}")
    files = {name: Path(path) for name, path in garmentiq.facts["instructions"].items()}
    changes = {}
    for name, _ in LANDMARKS.values():
        changes |= read_garmentiq(files[name], VOCABULARY)
    known = measurements_of(VOCABULARY, changes)
    model = load_keypoint_model(None)
    one_core = keypoint_predict(load_network(model.run, ("heatmaps", "category"), threads=1))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        case = compare_lengths(args.garments, garmentiq, known, folder)
        compare_measuring(args.repeats, garmentiq, known, case)
        compare_networks(args.repeats, garmentiq, dataclasses.replace(model, maps=one_core), folder)
    garmentiq.close()


if __name__ == "__main__":
    main()
