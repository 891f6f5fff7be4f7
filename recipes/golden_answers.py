"""`python recipes/golden_answers.py`: writes the predictions of the shipped networks that their test expects.

Run it after new networks are installed, and check what changes. tests/recognition/test_shipped_golden.py compares the
predictions for five drawn photos of a garment each, and for a drawn street scene of three, with
tests/golden/shipped/expected.json: bit for bit on the processor that wrote them.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import openvino

from aifashion.files import write_atomic
from aifashion.recognition.keypoint_model import load_keypoint_model
from aifashion.recognition.recognizer import load
from aifashion.recognition.two_stage_model import load_two_stage_model
from aifashion.records import Sample
from aifashion.serve.shipped import SHIPPED, STAGES, WORD

FOLDER = Path(__file__).parents[1] / "tests" / "golden" / "shipped"


def golden_answers(folder: Path) -> dict[str, Any]:
    """The processor, the digests of the networks, and their predictions for the photos of the folder, as JSON."""
    core = openvino.Core()
    paths = sorted(folder.glob("*.jpg"))
    samples = [Sample(path.name, path, None) for path in paths]
    both = load_two_stage_model(Path(WORD), Path(WORD))
    ten = load_keypoint_model(Path(WORD), augment=True).predict(samples, len(samples))
    photos = {}
    for answer, passes in zip(both.recognise(samples, len(samples)), ten, strict=True):
        result, framed = answer.result, answer.framed
        prediction = result.prediction
        if prediction is None or framed is None or passes.prediction is None or result.probabilities is None:
            raise ValueError(f"{result.sample.path} cannot be read: {result.error}")
        box = framed.box
        photos[result.sample.image_id] = {
            "category": prediction.category,
            "probabilities": numbers(result.probabilities),
            "found": prediction.found,
            "box": [box.left, box.top, box.right, box.bottom],
            "xy": numbers(prediction.xy),
            "score": numbers(prediction.score),
            "state": prediction.state.tolist(),
            "visible": numbers(prediction.visible),
            "attributes": {task: numbers(values) for task, values in answer.attributes.items()},
            "ten_passes": numbers(passes.prediction.xy),
        }
    files = [f"{stage}/{name}" for stage in STAGES for name in ("model.xml", "model.bin")]
    return {
        "processor": core.get_property("CPU", "FULL_DEVICE_NAME"),
        "capabilities": sorted(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")),
        "openvino": openvino.__version__,
        "sha256": {name: hashlib.sha256((SHIPPED / name).read_bytes()).hexdigest() for name in files},
        "photos": photos,
        "scenes": {path.name: garments_of(path) for path in sorted((folder / "scenes").glob("*.jpg"))},
    }


def garments_of(path: Path) -> list[dict[str, Any]]:
    """The predictions of all three networks for the garments of a photo, in order."""
    return [
        {
            "category": garment.category,
            "found": garment.found,
            "box": garment.box,
            "score": garment.score,
            "xy": numbers(garment.prediction.xy),
            "state": garment.prediction.state.tolist(),
            "attributes": {name: list(part.probabilities.values()) for name, part in garment.attributes.items()},
        }
        for garment in load(WORD, WORD, detector=WORD).garments(path)
    ]


def numbers(values: np.ndarray | None) -> list[Any]:
    return [] if values is None else values.astype(np.float64).tolist()


if __name__ == "__main__":
    write_atomic(FOLDER / "expected.json", json.dumps(golden_answers(FOLDER)) + "\n")
    print(f"Wrote {FOLDER / 'expected.json'}")
