"""An Ultralytics pose model with 24 keypoints and random weights, built from its YAML file, run by its own `predict`.

`--variant yolo26n` names the model, `--size` the side of its input in px. Random weights find nothing, so this model
does not pay for suppressing overlaps, which photos with garments would need.
"""

# pyright: reportMissingImports=false

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import torch
import yaml  # pyright: ignore[reportMissingModuleSource]
from torch_modes import versions
from worker import Options, Peer, read_jpeg, serve

SETTINGS = tempfile.TemporaryDirectory()
"""Ultralytics writes its settings here; deleted when the worker ends."""


def import_ultralytics() -> ModuleType:
    """Imports Ultralytics with downloads, installs and reports disabled; it reads these settings on import."""
    os.environ |= {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_CONFIG_DIR": SETTINGS.name}
    import ultralytics

    return ultralytics


def description(models: Path, variant: str, keypoints: int, classes: int, folder: Path) -> Path:
    """The model's YAML file, such as yolo26n-pose.yaml, changed to these numbers of keypoints and classes."""
    (source,) = models.rglob(f"{variant[:-1]}-pose.yaml")
    facts = yaml.safe_load(source.read_text())
    facts |= {"kpt_shape": [keypoints, 3], "nc": classes}
    path = folder / f"{variant}-pose.yaml"  # Ultralytics reads the model's scale from the name
    path.write_text(yaml.safe_dump(facts))
    return path


def build(options: Options) -> Peer:
    ultralytics = import_ultralytics()
    torch.manual_seed(0)
    vocabulary = options.config.vocabulary
    models = Path(str(ultralytics.__file__)).parent / "cfg" / "models"
    with tempfile.TemporaryDirectory() as folder:
        path = description(models, options.variant, len(vocabulary.keypoints), len(vocabulary.categories), Path(folder))
        model = ultralytics.YOLO(str(path), task="pose")

    def infer(images: Sequence[np.ndarray]) -> list[Any]:
        # The first call sets the threads to one less than the cores.
        torch.set_num_threads(options.threads)
        return model.predict(list(images), imgsz=options.size, device="cpu", verbose=False, save=False)

    def finish(results: list[Any], places: Sequence[None]) -> list[np.ndarray]:
        return [result.keypoints.xy.numpy() for result in results]

    return Peer(
        prepare=lambda data: (read_jpeg(data, cv2.IMREAD_COLOR_BGR), None),
        infer=infer,
        finish=finish,
        versions=f"Ultralytics {ultralytics.__version__}, {versions()}",
    )


if __name__ == "__main__":
    serve(build)
