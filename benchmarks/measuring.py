"""Measures the errors of lengths in cm, the correctness of their standard errors, and the computing time.

    python benchmarks/measuring.py [--garments N] [--model MODEL] [--fit N] [--real FOLDER]

Drawn garments lie on a table beside a marker and a sheet of paper; a virtual camera photographs each at eight tilts up
to 45 degrees. With the true keypoints, the remaining error is that of the scale; with the network's keypoints, its
standard errors are compared with the true errors. --fit first fits the keypoint errors to photos of N other drawn
garments, as `aifashion calibrate` does. --real renders an A4 sheet into each photo of a folder.
"""

import argparse
import dataclasses
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from measure import SEED, report

from aifashion.boxes import MARGIN, Detections, squared
from aifashion.data_gen.formats.challenges import CATEGORIES, KEYPOINTS
from aifashion.data_gen.images import read_image
from aifashion.data_gen.synthetic.scene import SyntheticPhoto, render
from aifashion.data_gen.synthetic.virtual_camera import Pinhole, Table, seen_at
from aifashion.eval.inference import PixelSample
from aifashion.eval.keypoint_errors import coverage, default_errors, spreads
from aifashion.eval.measuring import ScaleError, describe_measured, measure
from aifashion.measurement_sets import MeasurementSet, measurements_of
from aifashion.planes import Plane
from aifashion.recognition.keypoint_model import KeypointModel
from aifashion.recognition.markers import Marker
from aifashion.recognition.recognizer import Recognizer
from aifashion.recognition.scales import Scale, Sheet
from aifashion.recognition.two_stage_model import TwoStageModel, load_two_stage_model
from aifashion.records import VISIBLE, Keypoints, Sample
from aifashion.tasks.length_errors import fit_keypoint_errors

TILTS = (0.0, 10.0, 20.0, 25.0, 30.0, 35.0, 40.0, 45.0)
MARKER = Marker("4X4_50", 7, 18.0)
MARKERS = cv2.aruco.DICT_4X4_50
SHEET = (21.0, 29.7)
PX_PER_CM = 16
LONGEST = 90.0  # longer side of a garment's picture in cm
GARMENT_AT, MARKER_AT = (2, 4), (103, 66)  # upper left corners on the table in cm
PHOTO = (1155, 866)  # one megapixel


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """photo: (H, W, 3). xy, state: the true keypoints in it; cm: their positions on the table. camera: (3, 3), cm on
    the table -> px. box: of the garment."""

    photo: np.ndarray
    category: str
    xy: np.ndarray
    cm: np.ndarray
    state: np.ndarray
    tilt: float
    camera: np.ndarray

    @property
    def box(self) -> np.ndarray:
        seen = self.xy[self.state >= 0]
        margin = 0.04 * np.ptp(seen, axis=0).max()
        return np.concatenate([seen.min(axis=0) - margin, seen.max(axis=0) + margin + 1])


def flat_garment(number: int, side: int = 900) -> SyntheticPhoto:
    """A drawn garment that lies flat or hangs, as garments to be measured do."""
    category = CATEGORIES[number % len(CATEGORIES)]
    seed = 0
    # The first random number of the drawing decides whether the garment is worn.
    while np.random.default_rng([SEED, number, seed]).random() < 0.6:
        seed += 1
    return render(np.random.default_rng([SEED, number, seed]), side, category)


def on_table(shape: tuple[int, ...]) -> np.ndarray:
    """(3, 3): px of a drawing of this shape -> cm on the table, where its longer side is LONGEST."""
    scale = LONGEST / max(shape[:2])
    left, top = GARMENT_AT
    return np.array([[scale, 0, scale / 2 + left], [0, scale, scale / 2 + top], [0, 0, 1]])


def shots(first: int, count: int, tilts: Sequence[float] = TILTS) -> Iterator[Shot]:
    """Photos of each garment at all tilts; if `tilts` is empty, one at a random tilt."""
    for number in range(first, first + count):
        rng = np.random.default_rng([SEED, number, 99])
        drawn = flat_garment(number)
        table = Table.empty(130, 98, PX_PER_CM, rng)
        scale = LONGEST * PX_PER_CM / max(drawn.image.shape[:2])
        picture = cv2.resize(drawn.image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        table.lay(picture, *GARMENT_AT)
        table.lay_marker(MARKERS, MARKER.id, MARKER.cm, *MARKER_AT)
        table.lay_sheet(*SHEET, 102, 12)
        cm = seen_at(on_table(drawn.image.shape), drawn.keypoints.xy)
        for tilt in tilts or [float(rng.uniform(0, 45))]:
            camera = Pinhole(PHOTO, tilt, float(rng.uniform(0, 360)), fill=0.72)
            matrix = camera.matrix(table.cm)
            xy, state = seen_at(matrix, cm), drawn.keypoints.state
            yield Shot(table.photographed(camera, rng), drawn.category, xy, cm, state, tilt, matrix)


def of_true_points(count: int, known: MeasurementSet) -> None:
    """Measures the errors of the scale alone, with a marker and with a sheet."""
    for name, scale in (("marker", Scale(MARKER)), ("sheet", Scale(Sheet("a4")))):
        errors, failed, total = [], 0, 0
        for shot in shots(10_000, count):
            total += 1
            plane = scale.of_photo(shot.photo, PHOTO)
            if not isinstance(plane, Plane):
                failed += 1
                print(f"{name}, {shot.tilt:.0f} degrees: {plane}")
                continue
            true, found = _lengths(shot, known), _lengths(shot, known, plane)
            errors += [abs(found[key] / length - 1) for key, length in true.items() if length > 5]
        report("measuring", f"{name}: photos without a scale", 100 * failed / total, "%", "<= 1")
        report("measuring", f"{name}, true points: largest error", 100 * max(errors), "%", "<= 1.5")
        report("measuring", f"{name}, true points: median error", 100 * float(np.median(errors)), "%")


def _lengths(shot: Shot, known: MeasurementSet, plane: Plane | None = None) -> dict[str, float]:
    """Visible lengths by name: the true ones or, with a plane, those of the true keypoints in that plane."""
    of = known.of(shot.category)
    points = shot.cm if plane is None else plane.to_cm(np.where(shot.state[:, None] >= 0, shot.xy, shot.xy.max()))[0]
    points = np.where((shot.state == VISIBLE)[:, None], points, 0)
    values, _ = of.measure(points)
    whole = ~(of.uses & (shot.state != VISIBLE)).any(axis=1)
    return {m.name: float(values[i]) for i, m in enumerate(of.measurements) if whole[i] and np.isfinite(values[i])}


def of_network(count: int, model: TwoStageModel) -> None:
    """Counts the true lengths within one and within two standard errors of the network's."""
    recognizer = Recognizer(TwoStageModel(model.keypoints, None))
    scale, ratios, relative = Scale(MARKER), [], []
    known = measurements_of(model.keypoints.vocabulary)
    batch = []
    for shot in shots(20_000, count):
        batch.append(shot)
        if len(batch) == len(TILTS):
            index = model.keypoints.vocabulary.category_index
            boxes = {
                f"array {i}": Detections(s.box[None], np.array([index(s.category)]), np.ones(1))
                for i, s in enumerate(batch)
            }
            for seen, garments in zip(batch, recognizer.garments([s.photo for s in batch], boxes=boxes), strict=True):
                true = _lengths(seen, known)
                try:
                    found = garments[0].measure(scale)
                except ScaleError:
                    continue
                for name, length in found.items():
                    if name in true and not length.hidden and length.cm is not None and length.cm_se is not None:
                        ratios.append((length.cm - true[name]) / length.cm_se)
                        if true[name] > 5:
                            relative.append(abs(length.cm / true[name] - 1))
            batch = []
    one, two = coverage(np.array(ratios))
    report("measuring", "network's points: lengths within one standard error", 100 * one, "%", ">= 65.3")
    report("measuring", "network's points: lengths beyond 71.3% in one", max(0.0, 100 * one - 71.3), "points", "<= 0")
    report("measuring", "network's points: lengths within two standard errors", 100 * two, "%", ">= 92.5")
    report("measuring", "network's points: median error", 100 * float(np.median(relative)), "%")


def fitted(model: KeypointModel, count: int) -> KeypointModel:
    """The network with keypoint errors fitted to photos of other drawn garments, in their boxes."""

    def samples() -> Iterator[PixelSample]:
        for number, shot in enumerate(shots(50_000, count, ())):
            truth = Keypoints(shot.xy, shot.state)
            name, square = str(number), squared(shot.box, MARGIN)
            yield PixelSample(name, Path(name), shot.category, truth, square, pixels=shot.photo)

    answers = [
        dataclasses.replace(r, heatmaps=None, sample=_without_pixels(r.sample)) for r in model.predict(samples(), 16)
    ]
    if model.visibility is None:
        raise ValueError(f"{model.run} has no calibration to which the errors could be added")
    found = fit_keypoint_errors(answers, model.config, model.visibility.errors)
    print(f"fitted to {found.lengths} lengths: within one and two standard errors {found.before}, now {found.after}")
    return dataclasses.replace(model, visibility=dataclasses.replace(model.visibility, errors=found.errors))


def _without_pixels(sample: Sample) -> Sample:
    return Sample(sample.image_id, sample.path, sample.category, sample.keypoints, sample.square)


def costs(model: TwoStageModel) -> None:
    """Measures the CPU time of the search for a marker on one core, and of measuring compared with recognition."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    photos = [shot.photo for shot in shots(30_000, 2)]
    times = []
    for photo in photos * 3:
        start = time.thread_time()
        Scale(MARKER).of_photo(photo, PHOTO)
        times.append(time.thread_time() - start)
    cv2.setNumThreads(threads)
    report("measuring", "search for a marker in a megapixel, one core", 1e3 * float(np.median(times)), "ms", "<= 8")
    drawn = [flat_garment(number, 512).image for number in range(16)]
    samples = [PixelSample(f"{i}", Path(f"{i}"), None, pixels=image) for i, image in enumerate(drawn)]
    list(model.recognise(samples, 16))
    start = time.process_time()
    answers = list(model.recognise(samples, 16))
    whole = (time.process_time() - start) / len(answers)
    known = measurements_of(model.keypoints.vocabulary)
    results = [answer.result for answer in answers]
    maps = np.stack([result.heatmaps for result in results if result.heatmaps is not None])
    predictions = [result.prediction for result in results if result.prediction is not None]
    errors = model.keypoints.visibility.errors if model.keypoints.visibility else None
    codec = model.keypoints.config.codec
    cells = np.stack(
        [codec.frame.forward(r.frame.forward(r.prediction.xy)) for r in results if r.frame and r.prediction]
    )
    peaks = np.stack([prediction.score for prediction in predictions])
    errors = errors or default_errors(len(KEYPOINTS))
    times = []
    for _ in range(15):
        start = time.process_time()
        errors.covariance(spreads(maps, cells), peaks)
        for prediction in predictions:
            describe_measured(measure([prediction], known)[0], False)
        times.append((time.process_time() - start) / len(predictions))
    report(
        "measuring", "measuring, of the time of recognising a photo", 100 * float(np.median(times)) / whole, "%", "<= 1"
    )


def on_real_photos(folder: Path) -> None:
    """Renders an A4 sheet into photos: how often it is found, and the error of its size."""
    rng = np.random.default_rng(SEED)
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))[:200]
    if len(paths) < 10:
        raise ValueError(f"{folder} has {len(paths)} photos; expected at least 10")
    found, wrong, errors = 0, 0, []
    for path in paths:
        photo, corners = with_sheet(read_image(path), rng)
        plane = Scale(Sheet("a4")).of_photo(photo, (photo.shape[1], photo.shape[0]))
        if not isinstance(plane, Plane):
            print(f"{path.name}: {plane}")
            continue
        found += 1
        cm, _, _ = plane.to_cm(corners)
        sides = np.sort(np.linalg.norm(cm - np.roll(cm, 1, axis=0), axis=1))
        error = float(np.abs(sides / [21, 21, 29.7, 29.7] - 1).max())
        wrong += error > 0.02
        errors.append(error)
    report("measuring", f"A4 rendered into {len(paths)} real photos: found", 100 * found / len(paths), "%", ">= 70")
    report(
        "measuring", "A4 in real photos: largest error of a side, median", 100 * float(np.median(errors)), "%", "<= 1"
    )
    report("measuring", "A4 in real photos: another thing taken for it", 100 * wrong / len(paths), "%", "<= 2")


def with_sheet(photo: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The photo with a sheet in a lower corner, seen at up to 40 degrees, and the sheet's corners (4, 2) in px."""
    height, width = photo.shape[:2]
    table = 95 * np.array([width, height]) / max(width, height)  # size of the photo in cm
    camera = Pinhole((width, height), float(rng.uniform(0, 40)), float(rng.uniform(0, 360)), fill=1.0)
    turn = np.radians(rng.uniform(-40, 40))
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    middle = table * [rng.choice([0.25, 0.75]), rng.uniform(0.72, 0.78)]
    places = np.array([[-10.5, -14.85], [10.5, -14.85], [10.5, 14.85], [-10.5, 14.85]]) @ spin.T + middle
    corners = seen_at(camera.matrix((float(table[0]), float(table[1]))), places)
    limits = np.array([width, height])
    if (corners < 4).any() or (corners > limits - 5).any():  # the sheet would be cut off
        return with_sheet(photo, rng)
    fine = 4
    mask = np.zeros((height * fine, width * fine), np.uint8)
    cv2.fillConvexPoly(mask, np.rint((corners + 0.5) * fine - 0.5).astype(np.int32), 255)
    cover = (
        cv2.GaussianBlur(cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA), (0, 0), 0.7)[..., None] / 255
    )
    slope = np.linspace(-8, 8, width)[None, :, None]
    paper = rng.uniform(205, 245) * np.array([1, 0.985, 0.95]) + slope + rng.normal(0, 2, (height, width, 1))
    return np.clip(photo * (1 - cover) + paper * cover, 0, 255).astype(np.uint8), corners


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--garments", type=int, default=60)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--fit", type=int, default=0)
    parser.add_argument("--real", type=Path)
    args = parser.parse_args()
    model = load_two_stage_model(args.model, None)
    known = measurements_of(model.keypoints.vocabulary)
    if args.fit:
        model = dataclasses.replace(model, keypoints=fitted(model.keypoints, args.fit))
    of_true_points(max(1, args.garments // 4), known)
    of_network(args.garments, model)
    costs(model)
    if args.real:
        on_real_photos(args.real)


if __name__ == "__main__":
    main()
