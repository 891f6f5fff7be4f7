"""The folder that an export writes and a runtime reads: the network, and a manifest of what it is.

manifest.json        stage, classes, sizes, where it comes from, how far it differs, and the sha256 of every file
model.xml model.bin | model.onnx | model.tflite | saved_model/
kernels.safetensors  of a classifier of crops by its own activation maps: the weights of its heads
"""

import dataclasses
import hashlib
import json
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from ..config import OLDER_PRECISIONS, AttributeConfig, KeypointConfig
from ..data_gen.preprocess import PADDING
from ..files import write_atomic
from ..records import HeadSpec
from ..vocabulary import Vocabulary, VocabularyError, older_files_vocabulary, vocabulary_from

MANIFEST = "manifest.json"
LAYOUT = 2
"""Raised when an older runtime can no longer read what an export writes. The layout before is read as well: it had no
vocabulary, which means that of FashionAI, and called the precisions f32 and bf16."""
KERNELS = "kernels.safetensors"

Stage = Literal["keypoints", "attributes"]
Format = Literal["openvino", "onnx", "litert", "saved_model"]
Numbers = Literal["float32", "bfloat16", "int8"]
_ARTICLES: dict[str, str] = {"keypoints": "a keypoint", "attributes": "an attribute"}
INPUTS: dict[str, Any] = {
    "image": {"layout": "NHWC", "type": "uint8", "colours": "RGB", "range": [0, 255]},
    "fit": "letterbox: scaled to fit the square with its aspect kept, centred, the rest padding",
    "padding": list(PADDING),
    "pixel_centres": "integers: a side of n pixels spans -0.5 to n - 0.5",
}
MODEL_FILES: dict[str, str] = {
    "openvino": "model.xml",
    "onnx": "model.onnx",
    "litert": "model.tflite",
    "saved_model": "saved_model",
}
PRECISIONS: dict[str, tuple[str, ...]] = {
    "openvino": ("float32", "bfloat16", "int8"),
    "onnx": ("float32", "int8"),
    "litert": ("float32", "int8"),
    "saved_model": ("float32",),
}
"""What each format can be computed in on a CPU; bfloat16 is a matter of OpenVINO alone."""


class ArtifactError(ValueError):
    """An artifact that cannot be used; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class Manifest:
    """What an artifact is.

    config: the configuration of the run, with the size exported. vocabulary: the names of the outputs, in their order.
    inputs: what the network takes, for programs in other languages: pixels, their range, and how a photo is fitted.
    flip: whether the graph averages over the mirror image. temperatures, thresholds: by head, and visibility: of
    keypoints, as in the run's calibration. source: run, epoch and score. differences: what was measured against the
    run. files: sha256 by relative path. versions: of the packages that made it.
    """

    stage: Stage
    format: Format
    precision: Numbers
    config: dict[str, Any]
    vocabulary: Vocabulary
    inputs: dict[str, Any] = field(default_factory=lambda: dict(INPUTS))
    flip: bool = False
    heads: tuple[HeadSpec, ...] = ()
    temperatures: dict[str, Any] = field(default_factory=dict)
    thresholds: dict[str, list[float]] = field(default_factory=dict)
    visibility: dict[str, Any] = field(default_factory=dict)
    source: dict[str, Any] = field(default_factory=dict)
    differences: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.stage not in typing.get_args(Stage):
            raise ArtifactError(f"unknown stage {self.stage!r}; expected {', '.join(typing.get_args(Stage))}")
        if self.format not in PRECISIONS:
            raise ArtifactError(f"unknown format {self.format!r}; expected {', '.join(PRECISIONS)}")
        if self.precision not in PRECISIONS[self.format]:
            able = " or ".join(PRECISIONS[self.format])
            raise ArtifactError(f"{self.format} is computed in {able}, not in {self.precision}")

    @property
    def keypoint_config(self) -> KeypointConfig:
        """Raises ArtifactError for a classifier."""
        return KeypointConfig.from_json(self._config_text("keypoints"), self.vocabulary, MANIFEST)

    @property
    def attribute_config(self) -> AttributeConfig:
        """Raises ArtifactError for a keypoint network."""
        return AttributeConfig.from_json(self._config_text("attributes"), self.vocabulary, MANIFEST)

    def _config_text(self, stage: Stage) -> str:
        if self.stage != stage:
            raise ArtifactError(f"expected {_ARTICLES[stage]} artifact, got {_ARTICLES[self.stage]} artifact")
        return json.dumps(self.config)

    def write(self, folder: Path) -> None:
        """Writes manifest.json with the digests of all files in the folder as they are now."""
        paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
        files = {path.relative_to(folder).as_posix(): _digest(path) for path in paths}
        facts = {name: getattr(self, name) for name in (part.name for part in dataclasses.fields(self))}
        facts |= {"vocabulary": self.vocabulary.to_json(), "files": files}
        facts |= {"heads": [dataclasses.asdict(head) for head in self.heads]}
        write_atomic(folder / MANIFEST, json.dumps({"layout": LAYOUT, **facts}, indent=1) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises ArtifactError for what is no artifact, is of another version, or has files missing or changed."""
        path = Path(folder) / MANIFEST
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            layout = facts.pop("layout")
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise ArtifactError(f"{path} does not describe an artifact ({error}): export the run again") from None
        if layout not in (LAYOUT - 1, LAYOUT):
            raise ArtifactError(
                f"{path} has layout {layout}, this version reads {LAYOUT - 1} and {LAYOUT}: export the run again"
            )
        try:
            if layout == LAYOUT - 1:
                facts |= {"vocabulary": older_files_vocabulary(), "inputs": dict(INPUTS)}
            else:
                facts["vocabulary"] = vocabulary_from(facts["vocabulary"])
            facts["precision"] = OLDER_PRECISIONS.get(facts["precision"], facts["precision"])
            heads = tuple(HeadSpec(head["name"], head["kind"], tuple(head["classes"])) for head in facts.pop("heads"))
            manifest = cls(heads=heads, **facts)
        except (ArtifactError, VocabularyError) as error:
            raise ArtifactError(f"{path}: {error}") from None
        except (TypeError, KeyError, ValueError) as error:
            raise ArtifactError(f"{path} is not what an export wrote ({error}): export the run again") from None
        for name, digest in manifest.files.items():
            file = Path(folder) / name
            if not file.is_file():
                raise ArtifactError(f"{file} is missing: export the run again, or copy the whole folder")
            if _digest(file) != digest:
                raise ArtifactError(f"{file} is not the file that was exported (its sha256 differs): export again")
        if not any(name.split("/")[0] == MODEL_FILES[manifest.format] for name in manifest.files):
            raise ArtifactError(f"{path} lists no {MODEL_FILES[manifest.format]}: export the run again")
        return manifest


def is_artifact(path: Path | None) -> bool:
    """Whether the folder has a manifest: a run folder has none."""
    return path is not None and (Path(path) / MANIFEST).is_file()


def check_replaceable(folder: Path) -> None:
    """Raises FileExistsError where an artifact would take the place of anything but another one or an empty folder."""
    if folder.exists() and not is_artifact(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} holds other things than an artifact: choose another --out")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
