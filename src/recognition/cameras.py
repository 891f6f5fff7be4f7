"""Reads the file of a camera's calibration: OpenCV's matrix and distortion coefficients, in YAML, XML or JSON.

OpenCV's own reader of such files, cv2.FileStorage, is not used: some damaged files end the whole process.
"""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ..data_gen.formats.entries import LARGEST
from ..files import read_regular_text
from ..planes import Camera

_MATRIX = ("camera_matrix", "Camera_Matrix", "cameraMatrix", "mtx", "K")
_DISTORTION = ("distortion_coefficients", "Distortion_Coefficients", "dist_coeffs", "dist_coeff", "distCoeffs", "dist")
_WIDTH, _HEIGHT = ("image_width", "image_Width"), ("image_height", "image_Height")
_READ = (*_MATRIX, *_DISTORTION, *_WIDTH, *_HEIGHT, "image_size")
_COUNTS = (4, 5, 8, 12, 14)


def read_camera(path: Path) -> Camera:
    """The camera in a file of OpenCV's samples (.yml, .yaml, .json, .xml), or in JSON or YAML with plain lists.

    Raises ValueError, naming the file, if it has no calibration; OSError if it is missing.
    """
    path = Path(path)
    try:
        return _camera(_facts(read_regular_text(path).removeprefix("\ufeff")))
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(
            f"{path} is no calibration of a camera ({error}): expected camera_matrix, distortion_coefficients and, "
            "best, image_width and image_height, as OpenCV writes them"
        ) from None


def _facts(text: str) -> dict[str, Any]:
    """The entries of a file: numbers, lists of numbers, and matrices as lists of rows."""
    begin = text.lstrip()[:1]
    if not begin:
        raise ValueError("the file is empty")
    facts = _of_xml(text) if begin == "<" else json.loads(text) if begin in "{[" else _of_yaml(text)
    if not isinstance(facts, dict):
        raise ValueError("not an object")
    return {name: _plain(value) for name, value in facts.items() if name in _READ}


def _plain(value: Any) -> Any:
    """A matrix with its rows and columns, as a list of rows; any other value unchanged."""
    if isinstance(value, dict) and {"rows", "cols", "data"} <= set(value):
        return _numbers(value["data"], "data").reshape(int(value["rows"]), int(value["cols"])).tolist()
    return value


def _numbers(value: Any, what: str) -> np.ndarray:
    try:
        return np.array(value, float)
    except (ValueError, TypeError):
        raise ValueError(f"{what} is {value!r:.80}; expected numbers") from None


class _Loader(yaml.SafeLoader):
    """A loader without aliases, with which a small file can become very large."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias, which OpenCV does not write")
        return super().compose_node(parent, index)


_Loader.add_multi_constructor(
    "tag:yaml.org,2002:opencv-", lambda loader, suffix, node: loader.construct_mapping(node, deep=True)
)


def _of_yaml(text: str) -> Any:
    # OpenCV 2 to 4 begin files with %YAML:1.0, which is not valid YAML.
    first, _, rest = text.lstrip().partition("\n")
    try:
        return yaml.load(rest if first.startswith("%YAML") else text, _Loader)  # a SafeLoader
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {getattr(error, 'problem', None) or error}") from None


def _of_xml(text: str) -> dict[str, Any]:
    if "<!DOCTYPE" in text:
        raise ValueError("a document type, which OpenCV does not write; files with entities are not read")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(f"not XML: {error}") from None
    facts: dict[str, Any] = {}
    for element in root:
        if element.tag in _READ:
            parts = {part.tag: part.text or "" for part in element}
            facts[element.tag] = (
                {**parts, "data": parts.get("data", "").split()} if parts else float(element.text or "")
            )
    return facts


def _camera(facts: dict[str, Any]) -> Camera:
    matrix = _numbers(_first(facts, _MATRIX, "camera_matrix"), "camera_matrix")
    distortion = _numbers(_first(facts, _DISTORTION, _DISTORTION[0]), _DISTORTION[0]).ravel()
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
    numbers = [side for side in sides if isinstance(side, int | float) and 1 <= side <= LARGEST]
    if len(sides) != 2 or len(numbers) != 2:
        raise ValueError(f"the size of its images is {sides}; expected a width and a height in px")
    return Camera(matrix, distortion, (round(numbers[0]), round(numbers[1])))


def _first(facts: dict[str, Any], names: tuple[str, ...], wanted: str) -> Any:
    for name in names:
        if name in facts:
            return facts[name]
    raise ValueError(f"it has no {wanted}")
