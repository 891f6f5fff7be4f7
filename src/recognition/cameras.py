"""The file of a camera's calibration: OpenCV's matrix and distortion coefficients, in JSON or YAML."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..files import read_regular_text
from ..planes import Camera

_MATRIX = ("camera_matrix", "Camera_Matrix", "cameraMatrix", "mtx", "K")
_DISTORTION = ("distortion_coefficients", "Distortion_Coefficients", "dist_coeffs", "dist_coeff", "distCoeffs", "dist")
_WIDTH, _HEIGHT = ("image_width", "image_Width"), ("image_height", "image_Height")
_COUNTS = (4, 5, 8, 12, 14)


def read_camera(path: Path) -> Camera:
    """The camera of a file as OpenCV's samples write it (.yml, .yaml, .json, .xml), or of JSON with plain lists.

    Raises ValueError, naming the file, for what is none; OSError without the file.
    """
    path = Path(path)
    text = read_regular_text(path)
    try:
        facts = _read_json(text) if path.suffix.lower() == ".json" else None
        facts = facts if facts is not None else _read_storage(text)
        return _camera(facts)
    except (ValueError, TypeError, RecursionError, cv2.error) as error:
        reason = getattr(error, "err", "") or error
        raise ValueError(
            f"{path} is no calibration of a camera ({reason}): expected camera_matrix, distortion_coefficients and, "
            "best, image_width and image_height, as OpenCV writes them"
        ) from None


def _read_json(text: str) -> dict[str, Any] | None:
    """None for JSON that OpenCV wrote, whose matrices have a type."""
    facts = json.loads(text)
    if not isinstance(facts, dict):
        raise ValueError("not an object")
    if any(isinstance(value, dict) and "type_id" in value for value in facts.values()):
        return None
    return {name: _plain(value) for name, value in facts.items()}


def _plain(value: Any) -> Any:
    """A list of numbers, also where it stands beside its rows and columns."""
    if isinstance(value, dict) and {"rows", "cols", "data"} <= set(value):
        return np.array(value["data"], float).reshape(value["rows"], value["cols"]).tolist()
    return value


def _read_storage(text: str) -> dict[str, Any]:
    storage = cv2.FileStorage(text, cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
    try:
        facts: dict[str, Any] = {}
        for names in (_MATRIX, _DISTORTION, _WIDTH, _HEIGHT):
            for name in names:
                node = storage.getNode(name)
                if node.isMap():
                    facts[name] = node.mat().tolist()
                elif node.isInt() or node.isReal():
                    facts[name] = node.real()
        return facts
    finally:
        storage.release()


def _camera(facts: dict[str, Any]) -> Camera:
    matrix = np.array(_first(facts, _MATRIX, "camera_matrix"), float)
    distortion = np.array(_first(facts, _DISTORTION, "distortion_coefficients"), float).ravel()
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
        raise ValueError(f"the camera matrix has the shape {matrix.shape}; expected finite numbers, 3 x 3")
    if not (matrix[0, 0] > 0 and matrix[1, 1] > 0 and np.allclose(matrix[2], [0, 0, 1])):
        raise ValueError("the camera matrix needs focal lengths above 0, and 0, 0, 1 in its last row")
    if len(distortion) not in _COUNTS or not np.isfinite(distortion).all():
        raise ValueError(f"{len(distortion)} distortion coefficients; expected 4, 5, 8, 12 or 14 finite numbers")
    sides = [next((facts[name] for name in names if name in facts), None) for names in (_WIDTH, _HEIGHT)]
    if "image_size" in facts and sides == [None, None]:
        sides = list(facts["image_size"])
    if sides == [None, None]:
        return Camera(matrix, distortion)
    numbers = [side for side in sides if isinstance(side, int | float) and side >= 1]
    if len(sides) != 2 or len(numbers) != 2:
        raise ValueError(f"the size of its images is {sides}; expected a width and a height in px")
    return Camera(matrix, distortion, (round(numbers[0]), round(numbers[1])))


def _first(facts: dict[str, Any], names: tuple[str, ...], wanted: str) -> Any:
    for name in names:
        if name in facts:
            return facts[name]
    raise ValueError(f"it has no {wanted}")
