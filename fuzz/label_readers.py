"""Readers of labelled photos and of related files, each with a valid file.

Results of the readers of `formats.table` are used as in training and `aifashion data convert`.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from list_forms import keypoint_csv
from reader_table import Reader
from sound_files import COCO, FASHIONAI, made, text_of

from aifashion.data_gen.detection_sets import scenes_of_masks
from aifashion.data_gen.formats.garmentiq import read_garmentiq
from aifashion.data_gen.formats.label_masks import read_label_categories, read_mask_corrections
from aifashion.data_gen.formats.label_samples import convertible, garments_of
from aifashion.data_gen.formats.labels import LabelledGarment, LabelledPhoto, LabelSet
from aifashion.data_gen.formats.name_maps import MAPS, read_names
from aifashion.data_gen.formats.scenes import read_scenes
from aifashion.data_gen.formats.table import FORMATS, formats_of
from aifashion.measurement_sets import measurements_of, read_measurements
from aifashion.recognition.cameras import read_camera
from aifashion.records import HIDDEN, VISIBLE, Keypoints
from aifashion.vocabulary import Vocabulary, load_vocabulary

DEEPFASHION2 = load_vocabulary("deepfashion2")
SIZE = (60, 80)
CAMERA = {"image_width": 640, "image_height": 480}


def photo(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((SIZE[1], SIZE[0], 3), 90, np.uint8))


def garment(vocabulary: Vocabulary, category: str, left: float) -> LabelledGarment:
    """A garment with all keypoints of its category, every third one hidden."""
    names = vocabulary.definitions[vocabulary.category_index(category)].keypoints
    number = np.arange(len(names))
    points = Keypoints(np.stack([left + number % 5 * 4, 10.25 + number], axis=1), np.where(number % 3, VISIBLE, HIDDEN))
    return LabelledGarment(f"{category} {left:g}", category, names, points, (left - 1, 9.0, left + 20, 60.0))


def labels(root: Path, vocabulary: Vocabulary, *categories: str) -> LabelSet:
    """A photo with a garment of each category, one with the first, and one without a garment."""
    both = tuple(garment(vocabulary, name, 4 + 25 * number) for number, name in enumerate(categories))
    listed = (("a.jpg", both), ("b/c.jpg", both[:1]), ("none.jpg", ()))
    return LabelSet(root, root, tuple(LabelledPhoto(name, SIZE, garments) for name, garments in listed))


def written(name: str, place: str, vocabulary: Vocabulary, *categories: str) -> Callable[[Path], None]:
    """Writes a valid set of the format, with its photos, to the folder's `place`."""

    def write(folder: Path) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            for photo_name in ("a.jpg", "b/c.jpg", "none.jpg"):
                photo(Path(scratch) / "photos" / photo_name)
            writer, out = FORMATS[name].write, Path(scratch) / "out" / (place or "set")
            assert writer is not None
            out.parent.mkdir(exist_ok=True)
            writer(labels(Path(scratch) / "photos", vocabulary, *categories), out, vocabulary)
            source = out if out.is_dir() else out.parent
            for file in sorted(path for path in source.rglob("*") if path.is_file()):
                target = folder / (place if out.is_dir() else "") / file.relative_to(source)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read_bytes())

    return write


def used(name: str, place: str, vocabulary: Vocabulary = FASHIONAI, names: str = "") -> Callable[[Path], None]:
    """Reads the folder's `place` and runs what training and conversion do first."""

    def read(folder: Path) -> None:
        path = folder / place
        formats_of(path)
        found = FORMATS[name].read(path)
        known = read_names(names, vocabulary) if names else None
        sized = any(photo.size for photo in found.photos)
        for target in (FORMATS["coco" if sized else "table"], FORMATS["fashionai"]):
            fit = convertible(found, target, vocabulary, *([] if known is None else [known]))
            garments_of(fit, vocabulary)

    return read


def label_reader(
    name: str, file: str, kind: str, categories: tuple[str, ...], place: str = "", vocabulary: Vocabulary = FASHIONAI
) -> Reader:
    """file: the file to damage. place: the path to read, if that is the file's folder."""
    write = written(name, place or Path(file).name, vocabulary, *categories)
    with tempfile.TemporaryDirectory() as scratch:
        write(Path(scratch))
        sound = (Path(scratch) / file).read_bytes()
    return Reader(file, sound, used(name, place or file, vocabulary), kind, write)


def deepfashion_lists(folder: Path) -> None:
    (folder / "Anno").mkdir(exist_ok=True)
    (folder / "Anno" / "list_landmarks.txt").write_bytes(LANDMARKS)
    (folder / "Anno" / "list_bbox.txt").write_bytes(LANDMARK_BOXES)


def camera_file(name: str) -> bytes:
    """A camera file as OpenCV writes it."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / name
        storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
        for key, value in {**CAMERA, "camera_matrix": MATRIX, "distortion_coefficients": DISTORTION}.items():
            storage.write(key, value)
        storage.release()
        return path.read_bytes()


def masks(folder: Path) -> None:
    for number in range(2):
        photo(folder / "photos" / f"{number}.jpg")
        (folder / "masks").mkdir(exist_ok=True)
        cv2.imwrite(str(folder / "masks" / f"{number}.png"), MASK)


def mat_file() -> bytes:
    from scipy.io import savemat

    with tempfile.TemporaryDirectory() as scratch:
        savemat(Path(scratch) / "0.mat", {"groundtruth": MASK})
        return (Path(scratch) / "0.mat").read_bytes()


def read_masks(folder: Path) -> None:
    scenes_of_masks(folder / "photos", folder / "masks", {0: None, 3: 1})


def photo_of_mask(folder: Path) -> None:
    photo(folder / "photos" / "0.jpg")


MATRIX, DISTORTION = np.array([[800.0, 0, 319.5], [0, 810, 239.5], [0, 0, 1]]), np.array([[-0.2, 0.05, 0.001, 0, 0.01]])
MASK = np.zeros((SIZE[1], SIZE[0]), np.uint8)
MASK[10:50, 10:40] = 3
LANDMARKS = (
    "2\nimage_name clothes_type variation_type "
    + " ".join(f"landmark_visibility_{n} landmark_location_x_{n} landmark_location_y_{n}" for n in range(1, 9))
    + "\nimg/a.jpg 1 1 0 14 10 0 17 9 1 9 24 0 20 25 2 0 0 0 17 23\n"
    + "img/b.jpg 3 1 0 1 2 0 3 4 0 5 6 0 7 8 0 9 10 1 11 12 0 13 14 0 15 16\n"
).encode()
LANDMARK_BOXES = (
    b"2\nimage_name clothes_type variation_type x_1 y_1 x_2 y_2\nimg/a.jpg 1 1 7 9 23 27\nimg/b.jpg 3 1 1 2 30 40\n"
)
LANDMARK = {"predefined": True, "description": "/", "x": 60, "y": 40}
DERIVATION = {"function": "derive_keypoint_coord", "direction": "perpendicular"} | {
    f"p{n}_id": str(corner) for n, corner in enumerate((2, 1, 3, 1, 3), start=1)
}
INSTRUCTIONS = {
    "skirt": {
        "landmarks": {
            **{str(number): LANDMARK for number in range(1, 9)},
            "9": {**LANDMARK, "predefined": False, "derivation": DERIVATION},
        },
        "measurements": {
            "waist": {"landmarks": {"start": "1", "end": "3"}, "description": "/"},
            "depth": {"landmarks": {"start": "2", "end": "9"}, "description": "/"},
        },
    }
}
MEASUREMENTS = b"""[blouse]
chest = { between = ["armpit_left", "armpit_right"] }
sleeve = { path = ["shoulder_left", "cuff_left_out"] }

[skirt]
depth = { from = "waistband_left", onto = ["hemline_left", "hemline_right"] }
"""
TWO = ("skirt", "trousers")


def _measure(folder: Path) -> Any:
    return measurements_of(FASHIONAI, read_measurements(folder / "mine.toml", FASHIONAI)).digest


LABEL_READERS: dict[str, Reader] = {
    "labels of FashionAI": Reader("train.csv", made(keypoint_csv), used("fashionai", "train.csv"), "table"),
    "labels of COCO": label_reader("coco", "train.json", "json", TWO),
    "labels of Label Studio": label_reader("label-studio", "tasks.json", "json", TWO),
    "labels of CVAT": label_reader("cvat", "annotations.xml", "table", TWO),
    "labels of labelme": label_reader("labelme", "set/a.json", "json", TWO, "set"),
    "data.yaml": label_reader("yolo-pose", "set/data.yaml", "table", TWO, "set"),
    "labels of ultralytics": label_reader("yolo-pose", "set/labels/a.txt", "table", TWO, "set"),
    "labels of DeepFashion2": label_reader(
        "deepfashion2", "set/annos/000001.json", "json", ("skirt", "vest"), "set", DEEPFASHION2
    ),
    "landmarks of DeepFashion": Reader(
        "Anno/list_landmarks.txt",
        LANDMARKS,
        used("deepfashion", "Anno/list_landmarks.txt", names="deepfashion-to-fashionai"),
        "table",
        deepfashion_lists,
    ),
    "boxes of DeepFashion": Reader(
        "Anno/list_bbox.txt",
        LANDMARK_BOXES,
        used("deepfashion", "Anno/list_landmarks.txt", names="deepfashion-to-fashionai"),
        "table",
        deepfashion_lists,
    ),
    "table of points in CSV": label_reader("table", "points.csv", "table", TWO),
    "table of points in Parquet": label_reader("table", "points.parquet", "bytes", TWO),
    "scenes": Reader("train.json", COCO, lambda f: read_scenes(f / "train.json", FASHIONAI), "json"),
    "map of names": Reader(
        "names.toml",
        (MAPS / "deepfashion-to-fashionai.toml").read_bytes(),
        lambda f: read_names(f / "names.toml", FASHIONAI),
        "table",
    ),
    "measurements": Reader("mine.toml", MEASUREMENTS, _measure, "table"),
    "instructions of GarmentIQ": Reader(
        "instruction.json",
        text_of(INSTRUCTIONS),
        lambda f: measurements_of(DEEPFASHION2, read_garmentiq(f / "instruction.json", DEEPFASHION2)),
        "json",
    ),
    **{
        f"camera in {ending.upper()}": Reader(
            f"camera.{ending}",
            camera_file(f"camera.{ending}"),
            lambda f, ending=ending: read_camera(f / f"camera.{ending}"),
            "json" if ending == "json" else "table",
        )
        for ending in ("yml", "xml", "json")
    },
    "camera in plain JSON": Reader(
        "camera.json",
        text_of({**CAMERA, "camera_matrix": MATRIX.tolist(), "dist_coeffs": DISTORTION[0].tolist()}),
        lambda f: read_camera(f / "camera.json"),
        "json",
    ),
    "labels of masks": Reader(
        "labels.csv",
        b"label,name,category\n0,null,\n3,skirt,skirt\n4,bag,?\n",
        lambda f: read_label_categories(f / "labels.csv", FASHIONAI),
        "table",
    ),
    "corrections of masks": Reader(
        "corrections.csv",
        b"photo,label,category\n0001.jpg,3,dress\n0001.jpg,4,\n",
        lambda f: read_mask_corrections(f / "corrections.csv", FASHIONAI),
        "table",
    ),
    "mask in PNG": Reader("masks/0.png", cv2.imencode(".png", MASK)[1].tobytes(), read_masks, "bytes", masks),
    "mask in MATLAB's form": Reader("masks/0.mat", mat_file(), read_masks, "bytes", photo_of_mask),
}
"""Readers whose names are not in `reader_table`."""
