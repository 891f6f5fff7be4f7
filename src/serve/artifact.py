"""The folder that an export writes and a runtime reads: the network, and a manifest of what it is.

manifest.json        stage, classes, sizes, where it comes from, how far it differs, and the sha256 of every file
model.xml model.bin | model.onnx | model.tflite | saved_model/
kernels.safetensors  of a classifier of crops by its own activation maps: the weights of its heads
"""

import dataclasses
import hashlib
import json
import re
import typing
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Self

from ..config import OLDER_PRECISIONS, AttributeConfig, DetectionConfig, KeypointConfig
from ..data_gen.preprocess import PADDING
from ..eval.calibration import check_temperatures, check_thresholds
from ..eval.detection_calibration import BoxCalibration
from ..eval.visibility import Visibility
from ..files import SEAL, open_regular, read_regular_text, sealed, unsealed, write_atomic
from ..records import HeadSpec
from ..vocabulary import Vocabulary, older_files_vocabulary, vocabulary_from

MANIFEST = "manifest.json"
LAYOUT = 3
"""Raised when an older runtime can no longer read what an export writes. Earlier layouts are read as well: 2 had no
sha256 of the manifest itself; 1 also had no vocabulary, which means that of FashionAI, and called the precisions f32
and bf16."""
READ_LAYOUTS = (1, 2, LAYOUT)
COMBINED = "combined"
"""The stage of a file of several networks, which this package writes and does not run."""
KERNELS = "kernels.safetensors"

Stage = Literal["detection", "keypoints", "attributes"]
Format = Literal["openvino", "onnx", "litert", "saved_model"]
Numbers = Literal["float32", "bfloat16", "int8"]
_ARTICLES: dict[str, str] = {"detection": "a detection", "keypoints": "a keypoint", "attributes": "an attribute"}
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
LOADED_FILES: dict[str, tuple[str, ...]] = {
    "openvino": ("model.xml", "model.bin"),
    "onnx": ("model.onnx",),
    "litert": ("model.tflite",),
    "saved_model": ("saved_model/saved_model.pb",),
}
"""What the runtimes read at least; a manifest lists all of it."""
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
    keypoints, and detection: of boxes, as in the run's calibration. source: run, epoch and score. differences: what was
    measured against the run. files: sha256 by relative path. versions: of the packages that made it. path: where it was
    read from, for messages; it is not written.
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
    detection: dict[str, Any] = field(default_factory=dict)
    source: dict[str, Any] = field(default_factory=dict)
    differences: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    path: Path = field(default=Path(MANIFEST), compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.stage not in typing.get_args(Stage):
            raise ArtifactError(f"unknown stage {self.stage!r}; expected {', '.join(typing.get_args(Stage))}")
        if self.format not in PRECISIONS:
            raise ArtifactError(f"unknown format {self.format!r}; expected {', '.join(PRECISIONS)}")
        if self.precision not in PRECISIONS[self.format]:
            able = " or ".join(PRECISIONS[self.format])
            raise ArtifactError(f"{self.format} is computed in {able}, not in {self.precision}")

    @property
    def detection_config(self) -> DetectionConfig:
        """Raises ArtifactError for another stage."""
        return DetectionConfig.from_json(self._config_text("detection"), self.vocabulary, self.path)

    @property
    def keypoint_config(self) -> KeypointConfig:
        """Raises ArtifactError for another stage."""
        return KeypointConfig.from_json(self._config_text("keypoints"), self.vocabulary, self.path)

    @property
    def attribute_config(self) -> AttributeConfig:
        """Raises ArtifactError for another stage."""
        return AttributeConfig.from_json(self._config_text("attributes"), self.vocabulary, self.path)

    def _config_text(self, stage: Stage) -> str:
        if self.stage != stage:
            raise ArtifactError(
                f"{self.path}: expected {_ARTICLES[stage]} artifact, got {_ARTICLES[self.stage]} artifact"
            )
        return json.dumps(self.config)

    def write(self, folder: Path) -> None:
        """Writes manifest.json with the digests of all files in the folder as they are now, and its own."""
        paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
        files = {path.relative_to(folder).as_posix(): file_digest(path) for path in paths}
        facts = {name: getattr(self, name) for name in _FIELDS}
        facts |= {"vocabulary": self.vocabulary.to_json(), "files": files}
        facts |= {"heads": [dataclasses.asdict(head) for head in self.heads]}
        if not self.detection:  # which earlier versions do not know
            del facts["detection"]
        write_atomic(folder / MANIFEST, json.dumps(sealed({"layout": LAYOUT, **facts}), indent=1) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises ArtifactError for what is no artifact, is of another version, contradicts itself, or was changed since
        it was written: the manifest, or a file that it lists. What it does not list is never loaded."""
        path = Path(folder) / MANIFEST
        facts, layout = _read_facts(path)
        whole = dict(facts)
        try:
            manifest = cls(**_fields(facts, layout), path=path)
            manifest._check_values()
            if layout >= 3:
                unsealed(whole)
        except ArtifactError as error:
            text = str(error)
            raise ArtifactError(text if text.startswith(str(path)) else f"{path}: {text}") from None
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            reason = f"lacks {error}" if isinstance(error, KeyError) else str(error).removeprefix(f"{path}: ")
            raise ArtifactError(f"{path} is not what an export wrote: {reason}; export the run again") from None
        manifest._check_files(Path(folder))
        return manifest

    def _check_values(self) -> None:
        """Raises ValueError for values that no export writes."""
        if self.inputs != INPUTS:
            raise ValueError(f"inputs = {self.inputs!r:.200}; this version gives networks {INPUTS}")
        needed = LOADED_FILES[self.format]
        if self.stage == "attributes" and self.attribute_config.crop.kind == "cam":
            needed += (KERNELS,)
        for name in needed:
            if name not in self.files:
                raise ValueError(f"it lists no {name}, which is loaded")
        what = {"detection": "detector", "keypoints": "keypoint network", "attributes": "classifier"}
        for name, stage in _OF_STAGE.items():
            if getattr(self, name) and self.stage != stage:
                raise ValueError(f"{name} belongs to a {what[stage]}; this is a {what[self.stage]}")
        if self.stage == "detection":
            self.detection_config  # noqa: B018  raises where it is not one
            if self.detection:
                BoxCalibration.from_json(self.detection)
            return
        if self.stage == "keypoints":
            count = len(self.keypoint_config.vocabulary.keypoints)
            if self.visibility:
                Visibility.from_json(self.visibility, count)
            return
        _check_heads(self.heads, self.attribute_config)
        check_temperatures(self.temperatures, self.heads)
        check_thresholds(self.thresholds, self.heads)

    def _check_files(self, folder: Path) -> None:
        """Raises ArtifactError where a file is missing or changed, or would be loaded and is not listed."""
        if self.format == "saved_model":  # all of the folder is loaded
            inside = (path for path in (folder / "saved_model").rglob("*") if not path.is_dir())
            for path in inside:
                if path.relative_to(folder).as_posix() not in self.files:
                    raise ArtifactError(f"{path} is not listed in {self.path}: delete it, or export the run again")
        for name, digest in self.files.items():
            file = folder / name
            if not file.is_file():
                raise ArtifactError(f"{file} is missing: export the run again, or copy the whole folder")
            try:
                found = file_digest(file)
            except OSError as error:
                raise ArtifactError(f"{file} cannot be read: {error.strerror or error}") from None
            if found != digest:
                raise ArtifactError(f"{file} is not the file that was exported (its sha256 differs): export again")


_FIELDS = tuple(part.name for part in dataclasses.fields(Manifest) if part.name != "path")
_TABLES = (
    "config",
    "temperatures",
    "thresholds",
    "visibility",
    "detection",
    "source",
    "differences",
    "versions",
    "files",
)
_OF_STAGE: dict[str, Stage] = {
    "heads": "attributes",
    "temperatures": "attributes",
    "thresholds": "attributes",
    "visibility": "keypoints",
    "detection": "detection",
}
"""Fields that only one stage has."""


def _read_facts(path: Path) -> tuple[dict[str, Any], int]:
    """What is in the file, and its layout. Raises ArtifactError."""
    try:
        facts = json.loads(read_regular_text(path), parse_constant=_no_number)
        layout = dict(facts)["layout"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtifactError(f"{path} does not describe an artifact ({error}): export the run again") from None
    if dict(facts).get("stage") == COMBINED:
        raise ArtifactError(
            f"{path} is of a combined file, which ONNX Runtime runs without this package; expected an artifact of one "
            "network: name the runs or artifacts that it was made of"
        )
    if type(layout) is not int or layout not in READ_LAYOUTS:
        known = ", ".join(map(str, READ_LAYOUTS[:-1]))
        raise ArtifactError(
            f"{path} has layout {layout!r:.50}, this version reads the numbers {known} and {LAYOUT}: export the run "
            "again, or use a newer version"
        )
    return facts, layout


def _fields(facts: dict[str, Any], layout: int) -> dict[str, Any]:
    """The fields of a manifest, each of its type. Raises ValueError or KeyError where that is not so."""
    facts = {name: value for name, value in facts.items() if name != "layout"}
    if layout >= 3:
        del facts[SEAL]
    if layout == 1:
        facts |= {"vocabulary": older_files_vocabulary(), "inputs": dict(INPUTS)}
    else:
        facts["vocabulary"] = vocabulary_from(facts["vocabulary"])
    facts.setdefault("detection", {})
    unknown, missing = sorted(set(facts) - set(_FIELDS)), sorted(set(_FIELDS) - set(facts))
    if unknown or missing:
        raise ValueError(
            "; ".join(
                f"{what} the field{'s' * (len(names) > 1)} {', '.join(names)}"
                for what, names in (("it lacks", missing), ("it also has", unknown))
                if names
            )
        )
    for name in _TABLES:
        if type(facts[name]) is not dict:
            raise ValueError(f"{name} must be a table; got {facts[name]!r:.80}")
    for name in ("stage", "format", "precision"):
        if type(facts[name]) is not str:
            raise ValueError(f"{name} must be a text; got {facts[name]!r:.80}")
    if type(facts["flip"]) is not bool:
        raise ValueError(f"flip must be true or false; got {facts['flip']!r:.80}")
    if not all(type(text) is str for text in facts["versions"].values()):
        raise ValueError(f"versions must be texts; got {facts['versions']!r:.200}")
    facts["precision"] = OLDER_PRECISIONS.get(facts["precision"], facts["precision"])
    facts["heads"] = read_head_specs(facts["heads"])
    for name, digest in facts["files"].items():
        if not _is_inside(name) or name == MANIFEST:
            raise ValueError(f"files lists {name!r:.200}; expected names of files inside the folder")
        if type(digest) is not str or not re.fullmatch("[0-9a-f]{64}", digest):
            raise ValueError(f"files: the sha256 of {name} must be 64 hexadecimal digits; got {digest!r:.80}")
    return facts


def read_head_specs(entries: Any) -> tuple[HeadSpec, ...]:
    """The heads of a classifier, of plain data. Raises ValueError for what is not that."""
    if not isinstance(entries, list):
        raise ValueError(f"heads must be a list; got {entries!r:.80}")
    heads = []
    for entry in entries:
        if not isinstance(entry, dict) or set(entry) != {"name", "kind", "classes"}:
            raise ValueError(f"a head needs name, kind and classes; got {entry!r:.80}")
        classes = entry["classes"]
        texts = [entry["name"], entry["kind"], *(classes if isinstance(classes, list) else [None])]
        if not all(isinstance(text, str) for text in texts):
            raise ValueError(f"the name, kind and classes of a head must be texts; got {entry!r:.200}")
        heads.append(HeadSpec(entry["name"], entry["kind"], tuple(classes)))
    for head in heads:
        if not re.fullmatch(r"[A-Za-z]\w{0,63}", head.name, re.ASCII) or len(set(head.classes)) < len(head.classes):
            raise ValueError(
                f"the head {head.name!r:.80} needs a name of letters, digits and _, and classes that differ"
            )
    names = [head.name for head in heads]
    if len(set(names)) < len(names):
        raise ValueError(f"two heads have one name: {', '.join(names)}")
    return tuple(heads)


def _check_heads(heads: tuple[HeadSpec, ...], config: AttributeConfig) -> None:
    """Raises ValueError where there are none, or one is not that of the vocabulary's task with its name."""
    if not heads:
        raise ValueError("there are no heads; a classifier needs one")
    known = {head.name: head for head in config.attribute_heads}
    for head in heads:
        if known.get(head.name, head) != head:
            raise ValueError(
                f"the head {head.name} has {head.kind} classes {', '.join(head.classes)}; by the vocabulary it has "
                f"{known[head.name].kind} classes {', '.join(known[head.name].classes)}"
            )


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    plain = name == path.as_posix() and not path.is_absolute() and ".." not in path.parts and name != "."
    return plain and name.isprintable() and "\\" not in name and ":" not in name


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def is_artifact(path: Path | None) -> bool:
    """Whether the folder has a manifest: a run folder has none."""
    return path is not None and (Path(path) / MANIFEST).exists()


def check_replaceable(folder: Path) -> None:
    """Raises FileExistsError where an artifact would take the place of anything but another one or an empty folder."""
    if folder.exists() and not is_artifact(folder) and (not folder.is_dir() or any(folder.iterdir())):
        what = "holds other things than an artifact" if folder.is_dir() else "is a file; expected a folder"
        raise FileExistsError(f"{folder} {what}: choose another --out")


def file_digest(path: Path) -> str:
    """The sha256 of a file, 64 hexadecimal digits."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
