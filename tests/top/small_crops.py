"""A small attribute set to crop, and a keypoint network that sees what is in it."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from aifashion.config import KeypointConfig
from aifashion.data_gen.formats.challenges import KEYPOINTS
from aifashion.top import crop_commands
from aifashion.vocabulary import load_vocabulary
from small_attributes import write_rows

CONFIG = KeypointConfig(network="lite", size=64, sigma=0.5)  # of which a single cell is warm
SKIRT = load_vocabulary().categories.index("skirt")
# Centres of cells of the 64 px input; photos are of 64 px, too.
POINTS = {
    "waistband_left": (17.5, 21.5),
    "waistband_right": (45.5, 21.5),
    "hemline_left": (13.5, 49.5),
    "hemline_right": (49.5, 49.5),
}


@dataclass
class Maps:
    """A keypoint network that sees a skirt where the photo is red in its middle, and nothing elsewhere."""

    seen: int = 0
    shapes: set = field(default_factory=set)

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        xy = np.array([POINTS.get(name, (0, 0)) for name in KEYPOINTS])
        heatmaps = CONFIG.codec.encode(xy, np.array([name in POINTS for name in KEYPOINTS]))
        red = images[:, 32, 32, 0] > 200
        self.seen += int((images.any(axis=(1, 2, 3))).sum())
        self.shapes.add(images.shape)
        return heatmaps * red[:, None, None, None], np.tile(np.eye(5, dtype=np.float32)[SKIRT], (len(images), 1))


NETWORK = hashlib.sha256(b'{"sha256": "7d"}').hexdigest()[:12]


def run_folder(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "best.json").write_text('{"sha256": "7d"}')
    return path


def save(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (64, 64)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((size[1], size[0], 3), colour, np.uint8)
    pixels[:, :8] = (0, 0, 255)  # a blue stripe, left of the garment
    Image.fromarray(pixels).save(path, quality=95, subsampling=0)


def save_set(root: Path) -> None:
    """Three labelled photos and one to answer for; all but base/Images/b.jpg show a skirt to `Maps`."""
    red, grey = (255, 0, 0), (90, 90, 90)
    for name, colour in (("a", red), ("b", grey), ("c", red)):
        save(root / "base" / "Images" / f"{name}.jpg", colour)
    save(root / "rank" / "Images" / "q.png", red)
    labels = [("Images/a.jpg", "skirt_length", "ynnnnn"), ("Images/a.jpg", "neck_design", "ynnnn")]
    labels += [(f"Images/{name}.jpg", "skirt_length", "nymnnn") for name in "bc"]
    write_rows(root / "base" / "Annotations" / "label.csv", labels)
    write_rows(root / "rank" / "Tests" / "question.csv", [("Images/q.png", "skirt_length", "?")])
    answers = [("Images/q.png", "skirt_length", "ynnnnn")]
    write_rows(root / "fashionAI_attributes_answer_a_1.csv", answers)


def crop(data: Path, out: Path, *words: str) -> None:
    crop_commands.crop(["--data", str(data), "--out", str(out), *words])


def files(folder: Path) -> list[str]:
    """All but the lock, which stays and is hidden."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if name != ".lock")
