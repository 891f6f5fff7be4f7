"""A pinhole camera over a table on which drawn garments lie beside markers and sheets of paper, all of known size."""

from dataclasses import dataclass

import cv2
import numpy as np

from ...geometry import Size

_SAMPLES = 2  # a side, of each pixel of a photo
_MARGIN = 0.1  # of a marker's side, white all around; OpenCV asks for one cell


@dataclass(frozen=True, slots=True)
class Pinhole:
    """A camera above the table, looking at the middle of it. size: (width, height) px. tilt: degrees from straight
    down, towards `turn` degrees. focal: in longer sides of the photo. fill: of the photo, that the table's longer side
    takes when seen from straight above."""

    size: Size = (1000, 1000)
    tilt: float = 0.0
    turn: float = 0.0
    focal: float = 1.2
    fill: float = 0.75

    @property
    def lens(self) -> np.ndarray:
        """(3, 3): the camera matrix."""
        focal = self.focal * max(self.size)
        return np.array([[focal, 0, (self.size[0] - 1) / 2], [0, focal, (self.size[1] - 1) / 2], [0, 0, 1.0]])

    def matrix(self, table: tuple[float, float]) -> np.ndarray:
        """(3, 3): places in cm, from the upper left corner of a table of (width, height) cm -> px of the photo."""
        turn = np.radians(self.turn)
        axis = np.radians(self.tilt) * np.array([np.cos(turn), np.sin(turn), 0])
        rotation, _ = cv2.Rodrigues(axis)
        distance = self.focal * max(table) / self.fill
        centred = np.array([[1, 0, -table[0] / 2], [0, 1, -table[1] / 2], [0, 0, 1]])
        pose = np.column_stack([rotation[:, 0], rotation[:, 1], [0, 0, distance]])
        return self.lens @ pose @ centred


@dataclass
class Table:
    """A picture of the table seen from straight above. image: (H, W, 3) RGB uint8, drawn on. px_per_cm: its scale."""

    image: np.ndarray
    px_per_cm: float

    @classmethod
    def empty(cls, width: float, height: float, px_per_cm: float, rng: np.random.Generator) -> "Table":
        """A table of cm by cm, of one colour with a faint grain."""
        shape = round(height * px_per_cm), round(width * px_per_cm)
        image = np.full((*shape, 3), rng.integers(40, 130, 3), np.float32)
        grain = cv2.resize(rng.normal(0, 6, (max(1, shape[0] // 4), max(1, shape[1] // 4))), shape[::-1])
        return cls(np.clip(image + grain[..., None], 0, 255).astype(np.uint8), px_per_cm)

    @property
    def cm(self) -> tuple[float, float]:
        return self.image.shape[1] / self.px_per_cm, self.image.shape[0] / self.px_per_cm

    def lay(self, picture: np.ndarray, left: float, top: float) -> None:
        """Puts a picture whose corner is at (left, top) cm."""
        x, y = round(left * self.px_per_cm), round(top * self.px_per_cm)
        self.image[y : y + picture.shape[0], x : x + picture.shape[1]] = picture

    def lay_marker(self, dictionary: int, number: int, side: float, left: float, top: float) -> None:
        """Puts an ArUco marker of `side` cm with its margin; (left, top) cm: of its black square. dictionary: OpenCV's
        number."""
        kind = cv2.aruco.getPredefinedDictionary(dictionary)
        pixels = round(side * self.px_per_cm)
        margin = round(_MARGIN * 2 * pixels)
        marker = np.pad(cv2.aruco.generateImageMarker(kind, number, pixels), margin, constant_values=240)
        self.lay(marker[..., None].repeat(3, axis=2), left - margin / self.px_per_cm, top - margin / self.px_per_cm)

    def lay_sheet(self, width: float, height: float, left: float, top: float, tone: int = 236) -> None:
        """Puts an empty sheet of paper."""
        shape = round(height * self.px_per_cm), round(width * self.px_per_cm), 3
        self.lay(np.full(shape, tone, np.uint8), left, top)

    def photographed(self, camera: Pinhole, rng: np.random.Generator) -> np.ndarray:
        """The photo (H, W, 3) RGB uint8, slightly unsharp and noisy; around the table is a dark floor."""
        to_cm = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, self.px_per_cm]])
        finer = np.array([[_SAMPLES, 0, (_SAMPLES - 1) / 2], [0, _SAMPLES, (_SAMPLES - 1) / 2], [0, 0, 1]])
        size = (_SAMPLES * camera.size[0], _SAMPLES * camera.size[1])
        seen = cv2.warpPerspective(
            self.image, finer @ camera.matrix(self.cm) @ to_cm, size, flags=cv2.INTER_LINEAR, borderValue=(52, 48, 45)
        )
        seen = cv2.GaussianBlur(cv2.resize(seen, camera.size, interpolation=cv2.INTER_AREA), (0, 0), 0.7)
        return np.clip(seen + rng.normal(0, 2.5, seen.shape), 0, 255).astype(np.uint8)


def seen_at(matrix: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Places (N, 2) through a homography (3, 3) -> (N, 2)."""
    mapped = np.concatenate([places, np.ones((len(places), 1))], axis=1) @ matrix.T
    return mapped[:, :2] / mapped[:, 2:]
