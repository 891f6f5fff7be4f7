"""GarmentIQ's landmark network and measurements, by its own functions: `garmentiq.py` sends lines of JSON.

    {"class": "skirt", "points": [[x, y], ...], "mask": PATH or null, "refine": false}
                               -> {"lengths": {"waist": 123.4, ...}, "cpu": seconds}, or {"error": "TypeError: ..."}
    {"class": "skirt", "photo": PATH}
                               -> {"cpu": seconds}, of `landmark.detect`

Its first line has the versions, the parameters of the network, and the file of instructions of each class. The weights
of the network are random: those that were trained are not part of the package.
"""

# pyright: reportMissingImports=false

import contextlib
import importlib.util
import json
import sys
import time
from functools import cache
from importlib.metadata import distribution, version
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import torch


class _ToTensor:
    """(H, W, C) uint8 -> (C, H, W) float32 in 0..1, as torchvision's."""

    def __call__(self, image: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(image.transpose(2, 0, 1).copy()).to(torch.float32).div(255)


class _Normalize:
    """As torchvision's."""

    def __init__(self, mean: list[float], std: list[float]) -> None:
        self.mean, self.std = (torch.tensor(values)[:, None, None] for values in (mean, std))

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        return image.sub(self.mean).div(self.std)


def garmentiq_parts() -> tuple[Any, ...]:
    """Its modules `landmark`, `landmark.derivation.derivation_dict`, `utils` and `garment_classes`.

    Importing garmentiq as a whole needs transformers and kornia. Of torchvision, whose build on PyPI needs CUDA's
    libraries, these modules use two transforms.
    """
    folder = Path(str(distribution("garmentiq").locate_file("garmentiq")))
    spec = importlib.util.spec_from_file_location(
        "garmentiq", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    sys.modules["garmentiq"] = importlib.util.module_from_spec(spec)  # its own code is not run
    vision, transforms = ModuleType("torchvision"), ModuleType("torchvision.transforms")
    transforms.__dict__.update(ToTensor=_ToTensor, Normalize=_Normalize)
    vision.__dict__.update(transforms=transforms)
    sys.modules.update({"torchvision": vision, "torchvision.transforms": transforms})
    names = ("landmark", "landmark.derivation.derivation_dict", "utils", "garment_classes")
    return tuple(importlib.import_module(f"garmentiq.{name}") for name in names)


landmark, derivations, utils, classes = garmentiq_parts()
CLASSES: dict[str, dict[str, Any]] = classes.garment_classes


@cache
def read_picture(path: str, flag: int) -> np.ndarray:
    picture = cv2.imread(path, flag)
    if picture is None:
        raise FileNotFoundError(path)
    return picture


def measure(name: str, points: np.ndarray, mask: np.ndarray, refine: bool) -> dict[str, float]:
    """What its agent `tailor` does with the landmarks (1, N, 2) of its network. mask: (H, W) uint8, black for none."""
    instruction = json.loads(Path(CLASSES[name]["instruction"]).read_text())
    landmarks = instruction[name]["landmarks"]
    index = landmark.find_instruction_landmark_index(landmarks, predefined=True)
    landmark.fill_instruction_landmark_coordinate(landmarks, index, points[:, index])
    if refine:
        sure = np.ones((1, points.shape[1], 1))
        points, instruction = landmark.refine(name, points, sure, instruction, mask)
    known = derivations.derivation_dict
    _, instruction = landmark.derive(name, instruction, known, landmark_coords=points, np_mask=mask)
    lengths, _ = utils.compute_measurement_distances(instruction)
    return lengths


def answer(network: torch.nn.Module, task: dict[str, Any]) -> dict[str, Any]:
    name = task["class"]
    if "photo" in task:
        photo = read_picture(task["photo"], cv2.IMREAD_COLOR_RGB)
        start = time.process_time()
        landmark.detect(name, CLASSES, photo, network)
        return {"cpu": time.process_time() - start}
    points = np.array(task["points"], float)[None]
    mask = np.zeros((1, 1), np.uint8) if task["mask"] is None else read_picture(task["mask"], cv2.IMREAD_GRAYSCALE)
    start = time.process_time()
    try:
        lengths = measure(name, points, mask, task["refine"])
    except TypeError as error:  # a landmark cannot be derived
        return {"error": f"TypeError: {error}"}
    return {"lengths": lengths, "cpu": time.process_time() - start}


def main() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch.manual_seed(0)
    network = landmark.PoseHighResolutionNet().eval()
    facts = {
        "versions": f"garmentiq {version('garmentiq')}, torch {torch.__version__}",
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "instructions": {name: entry["instruction"] for name, entry in CLASSES.items()},
    }
    answers = sys.stdout
    print(json.dumps(facts), flush=True)
    for line in sys.stdin:
        with contextlib.redirect_stdout(None):  # it prints what it thinks of a mask
            found = answer(network, json.loads(line))
        print(json.dumps(found), file=answers, flush=True)


if __name__ == "__main__":
    main()
