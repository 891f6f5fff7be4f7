"""Frozen configurations, to and from JSON. A run folder keeps the one it was trained with."""

import dataclasses
import json
import math
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from .heatmaps import Decoder, HeatmapCodec
from .records import CropRule, HeadSpec
from .vocabulary import Vocabulary, load_vocabulary

Precision = Literal["float32", "bfloat16"]
OLDER_PRECISIONS = {"mixed_bfloat16": "bfloat16", "f32": "float32", "bf16": "bfloat16"}
"""What files and command lines of earlier versions call a precision -> its name."""
Layers = Literal["all", "heads"]
LengthHeads = Literal["ordinal", "exclusive"]
TaskWeights = Literal["equal", "photos"]
Labels = Literal["soft", "hard"]
STYLE, PRODUCT = "style", "product"
"""Tasks of a classifier beside the attributes of a vocabulary."""


@dataclass(frozen=True)
class KeypointConfig:
    """All that decides what a keypoint network learns; the same configuration and data give the same weights."""

    vocabulary: Vocabulary = field(default_factory=load_vocabulary)
    """categories and keypoints: fashionai, deepfashion2, or a TOML file. Of one category, when that is chosen."""
    category: str = "all"
    """all, or one category, whose keypoints alone are then trained"""
    network: str = "v11"
    """v11 (CPN on ResNet101), resnet50, lite (for a CPU), or the same on another backbone, such as resnest50d"""
    size: int = 512
    """side of the square network input in px, a multiple of 32"""
    sigma: float = 1.5
    """standard deviation of a heatmap's Gaussian in cells of 4 px"""

    epochs: int = 30
    """passes over the training set"""
    batch_size: int = 3
    """images in a training step"""
    layers: Layers = "all"
    """what is trained: heads alone (pyramid and refinement, on the backbone as it is), or all layers"""
    optimizer: str = "adamw"
    """adam, adamw, sgd, radam, lookahead, lookahead_sgd or ranger"""
    schedule: str = "cosine"
    """how the learning rate falls: cosine (to 1% of the peak), constant, 1x to 10x, 20e, 100e, or EPOCH=RATIO,..."""
    learning_rate: float = 5e-4
    """peak learning rate, reached after the warm-up"""
    warmup_epochs: float = 1.0
    """epochs over which the learning rate rises from zero"""
    weight_decay: float = 1e-4
    """decoupled weight decay; biases and normalisation do not decay"""
    clip_norm: float = 10.0
    """gradients are scaled down to this global norm; 0 switches clipping off"""
    ema: float = 0.999
    """decay of the moving average of the weights that is validated and kept; 0 switches it off"""
    precision: Precision = "float32"
    """number format of the layers; weights and losses stay in float32"""
    seed: int = 0
    """seed of the start weights, of the order of the photos and of the augmentation"""

    hard_fraction: float = 0.5
    """share of a category's keypoints, the worst ones of each photo, that RefineNet learns from"""
    hidden_weight: float = 0.0
    """weight of occluded keypoints in the losses; the official score counts visible ones only"""
    category_weight: float = 0.1
    """weight of the category head's loss"""

    rotate: float = 30.0
    """augmentation: rotation up to this many degrees either way"""
    zoom: float = 0.25
    """augmentation: size changed by up to this fraction either way"""
    shift: float = 0.1
    """augmentation: moved by up to this fraction of the side"""
    flip: bool = True
    """augmentation: mirrored half of the time, left and right keypoints exchanged"""
    colour: float = 0.4
    """augmentation: strength of the changes of light and colour, 0 to 1"""
    blur: float = 0.2
    """augmentation: share of photos that are blurred"""
    erase: float = 0.3
    """augmentation: share of photos with an erased rectangle"""

    decoder: Decoder = "dark"
    """how heatmaps become points"""
    tag: str = ""
    """a word by which runs are found and cleared together"""
    val_fraction: float = 0.1
    """share of the training photos held out for validation when no split file exists yet"""

    def __post_init__(self) -> None:
        object.__setattr__(self, "vocabulary", self.vocabulary.restricted(self.category))
        if self.size % 32:
            raise ValueError(f"size = {self.size!r} is not a multiple of 32; expected one from 64 up")
        _check(self, {"size": Range(64), "sigma": Range(0, above=True)})

    @property
    def codec(self) -> HeatmapCodec:
        return HeatmapCodec((self.size, self.size), 4, self.sigma)

    def to_json(self) -> str:
        """Without the vocabulary, which has a file of its own."""
        return _to_json(self, "keypoints")

    @classmethod
    def from_json(cls, text: str, vocabulary: Vocabulary, source: Path | str = "config.json") -> Self:
        """Raises ValueError, naming `source`, for JSON that is not a keypoint configuration."""
        fields = _checked_fields(cls, text, "keypoints", source)
        with _naming(source):
            return cls(vocabulary=vocabulary, **fields)


@dataclass(frozen=True)
class AttributeConfig:
    """All that decides what a classifier learns; the same configuration and data give the same weights."""

    vocabulary: Vocabulary = field(default_factory=load_vocabulary)
    """categories and attribute tasks: fashionai, or a TOML file"""
    task: str = "all"
    """all (every attribute task in one network), one of them such as skirt_length_labels, style or product"""
    network: str = "resnet50v2"
    """the backbone by name, such as lite, resnet50v2, densenet121, efficientnetv2b0 or resnest50d"""
    size: int = 224
    """side of the square network input in px"""
    crop: CropRule = field(default_factory=CropRule)
    """what of a photo the network sees: the image, the box of its keypoints, or the heatmap's (or cam's) region"""
    layers: Layers = "all"
    """what is trained: heads alone, on the backbone as it is, or all layers"""
    length_heads: LengthHeads = "ordinal"
    """lengths as cumulative labels in their order, or as classes like any other"""
    task_weights: TaskWeights = "equal"
    """what counts the same in the loss of all tasks together: each task, as in mAP, or each labelled photo"""

    epochs: int = 40
    """passes over the training set"""
    batch_size: int = 16
    """images in a training step"""
    optimizer: str = "adamw"
    """adam, adamw, sgd, radam, lookahead, lookahead_sgd or ranger"""
    schedule: str = "cosine"
    """how the learning rate falls: cosine (to 1% of the peak), constant, 1x to 10x, 20e, 100e, or EPOCH=RATIO,..."""
    learning_rate: float = 5e-4
    """peak learning rate, reached after the warm-up"""
    warmup_epochs: float = 1.0
    """epochs over which the learning rate rises from zero"""
    weight_decay: float = 1e-4
    """decoupled weight decay; biases and normalisation do not decay"""
    clip_norm: float = 10.0
    """gradients are scaled down to this global norm; 0 switches clipping off"""
    ema: float = 0.999
    """decay of the moving average of the weights that is validated and kept; 0 switches it off"""
    precision: Precision = "float32"
    """number format of the layers; weights and losses stay in float32"""
    seed: int = 0
    """seed of the start weights, of the order of the photos and of the augmentation"""

    labels: Labels = "soft"
    """soft: a share of the probability for every class marked as maybe; hard: all for the one marked yes"""
    label_smoothing: float = 0.0
    """share of the probability that is spread over all classes"""
    mixup: float = 0.0
    """alpha of mixup (arXiv:1710.09412); 0 switches it off"""
    cutmix: float = 0.0
    """alpha of cutmix (arXiv:1905.04899); 0 switches it off"""
    balance: float = 0.0
    """0 draws photos as often as they occur, 1 draws every class equally often"""
    dropout: float = 0.0
    """share of the pooled features that is dropped in training"""

    scales: tuple[float, ...] = (1.0,)
    """augmentation: sides of the input in training, as multiples of the size; one is drawn for each batch"""
    rotate: float = 10.0
    """augmentation: rotation up to this many degrees either way"""
    zoom: float = 0.2
    """augmentation: size changed by up to this fraction either way"""
    shift: float = 0.08
    """augmentation: moved by up to this fraction of the side; with zoom, a random crop"""
    flip: bool = True
    """augmentation: mirrored half of the time"""
    hue: float = 0.05
    """augmentation: hue turned by up to this fraction of the circle either way"""
    saturation: float = 0.3
    """augmentation: saturation changed by up to this fraction"""
    brightness: float = 0.3
    """augmentation: brightness changed by up to this fraction"""
    blur: float = 0.1
    """augmentation: share of photos that are blurred"""
    erase: float = 0.3
    """augmentation: share of photos with an erased rectangle"""

    tag: str = ""
    """a word by which runs are found and cleared together"""
    val_fraction: float = 0.1
    """share of the training photos held out for validation when no split exists yet"""

    def __post_init__(self) -> None:
        # Files and the original commands call a task by its name and `_labels`.
        object.__setattr__(self, "task", self.task.removesuffix("_labels"))
        if self.task not in self.task_choices:
            raise ValueError(f"task = {self.task!r}; expected one of {', '.join(self.task_choices)}")
        if not self.scales or not all(scale in Range(0.25, 4) for scale in self.scales):
            raise ValueError(f"scales = {self.scales!r}; expected one or more numbers, each in {Range(0.25, 4)}")
        _check(self, {"size": Range(32)})

    def to_json(self) -> str:
        """Without the vocabulary, which has a file of its own."""
        return _to_json(self, "attributes")

    @classmethod
    def from_json(cls, text: str, vocabulary: Vocabulary, source: Path | str = "config.json") -> Self:
        """Raises ValueError, naming `source`, for JSON that is not a classifier's configuration."""
        fields = _checked_fields(cls, text, "attributes", source)
        with _naming(source):
            return cls(vocabulary=vocabulary, **fields)

    @property
    def task_choices(self) -> tuple[str, ...]:
        """What a classifier can be trained for; in the files of FashionAI a task is called `<task>_labels`."""
        return "all", *(task.name for task in self.vocabulary.attributes), STYLE, PRODUCT

    @property
    def attribute_heads(self) -> tuple[HeadSpec, ...]:
        """The heads of the vocabulary's attribute tasks, for `all` every one; empty for styles and products."""
        chosen = [task for task in self.vocabulary.attributes if self.task in ("all", task.name)]
        if self.length_heads == "exclusive":
            return tuple(HeadSpec(t.name, "exclusive" if t.kind == "ordinal" else t.kind, t.classes) for t in chosen)
        return tuple(chosen)


_PRESETS: dict[str, dict[str, Any]] = {
    "v11": {"size": 512, "batch_size": 3, "learning_rate": 5e-4},
    "resnet50": {"size": 512, "batch_size": 4, "learning_rate": 5e-4},
    "lite": {"size": 256, "batch_size": 16, "learning_rate": 2e-3},
}
BACKBONE_NETWORKS: tuple[str, ...] = (
    *(f"densenet{depth}" for depth in (121, 169, 201)),
    *(f"efficientnetb{number}" for number in range(8)),
    *(f"resnet{depth}_torch" for depth in (18, 34, 50, 101, 152)),
    *(f"resnet{depth}d" for depth in (18, 34, 50, 101, 152)),
    *("resnext50_32x4d", "resnext101_32x4d", "resnext101_32x8d", "resnext101_64x4d"),
    *("resnest50d", "resnest101e", "resnest200e", "resnest269e"),
    *("res2net50_26w_4s", "res2net101_26w_4s", "res2net50d", "res2net101d"),
    *(f"iresnet{depth}" for depth in (50, 101, 152, 200)),
    *("seresnext50_32x4d", "seresnext101_32x4d", "legacy_seresnext50_32x4d", "legacy_seresnext101_32x4d"),
    *("senet154", "legacy_senet154"),
)
"""Keypoint networks that are called as their backbone; what they are is known where Keras is, in unet/backbones."""


def keypoint_preset(network: str) -> KeypointConfig:
    """The configuration that a network is trained with by default. Raises ValueError for an unknown one."""
    if network in BACKBONE_NETWORKS:
        return KeypointConfig(network=network, **_PRESETS["v11"])
    if network not in _PRESETS:
        raise ValueError(f"unknown network {network!r}; expected one of {', '.join((*_PRESETS, *BACKBONE_NETWORKS))}")
    return KeypointConfig(network=network, **_PRESETS[network])


def attribute_preset(network: str) -> AttributeConfig:
    """The configuration that a backbone is trained with by default."""
    if network == "lite":
        return AttributeConfig(network=network, size=160, batch_size=32, learning_rate=2e-3)
    return AttributeConfig(network=network)


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `low` to `high`; above, below: without low itself, without high itself."""

    low: float
    high: float = math.inf
    above: bool = False
    below: bool = False

    def __contains__(self, value: float) -> bool:
        # Written so that a value that is not a number is in no range.
        low = value > self.low if self.above else value >= self.low
        return low and (value < self.high if self.below else value <= self.high)

    def __str__(self) -> str:
        if self.high == math.inf:
            return f"the numbers above {self.low:g}" if self.above else f"the numbers from {self.low:g} up"
        if self.above and self.below:
            return f"the numbers between {self.low:g} and {self.high:g}"
        ends = f" without {self.low:g}" if self.above else f" without {self.high:g}" if self.below else ""
        return f"{self.low:g} to {self.high:g}{ends}"


_SHARE = Range(0, 1)
_RANGES: dict[str, Range] = {
    **dict.fromkeys(("epochs", "batch_size"), Range(1)),
    **dict.fromkeys(("warmup_epochs", "weight_decay", "clip_norm", "seed"), Range(0)),
    **dict.fromkeys(("hidden_weight", "category_weight", "mixup", "cutmix", "rotate", "shift"), Range(0)),
    **dict.fromkeys(("hue", "saturation", "brightness", "colour", "blur", "erase", "balance"), _SHARE),
    **dict.fromkeys(("ema", "label_smoothing", "dropout", "zoom"), Range(0, 1, below=True)),
    "learning_rate": Range(0, above=True),
    "hard_fraction": Range(0, 1, above=True),
    "val_fraction": Range(0, 1, above=True, below=True),
}
"""Of the fields that have the same range in every configuration."""


def _check(config: Any, ranges: dict[str, Range]) -> None:
    """Raises ValueError for a number outside its range, and for a word that is none of those expected."""
    ranges = _RANGES | ranges
    for name, kind in typing.get_type_hints(type(config)).items():
        value = getattr(config, name)
        if name in ranges and value not in ranges[name]:
            raise ValueError(f"{name} = {value!r} is outside {ranges[name]}")
        choices = typing.get_args(kind) if typing.get_origin(kind) is Literal else ()
        if choices and value not in choices:
            raise ValueError(f"{name} = {value!r}; expected {' or '.join(choices)}")


def _to_json(config: Any, kind: str) -> str:
    values = dataclasses.asdict(config)
    del values["vocabulary"]
    return json.dumps({"kind": kind, **values}, indent=1) + "\n"


def _checked_fields(cls: type, text: str, kind: str, source: Path | str) -> dict[str, Any]:
    """The fields that a file has, each of its type; one that it lacks keeps the default of the class.

    So a new field's default must be the one that means what older files mean.
    """
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{source} is not JSON: {error}") from None
    found = values.pop("kind", None) if isinstance(values, dict) else None
    if found != kind:
        raise ValueError(f"{source} is the configuration of a {found!r} run; expected one of kind {kind!r}")
    types = {name: value for name, value in typing.get_type_hints(cls).items() if name != "vocabulary"}
    values = _with_names_of_today(values, kind, source)
    unknown = sorted(set(values) - set(types))
    if unknown:
        raise ValueError(
            f"{source} has unknown fields {', '.join(unknown)}: it comes from a newer version, or was edited; use that "
            f"version, or take the fields out of the file"
        )
    return {name: _read_value(value, types[name], f"{source}: {name}") for name, value in values.items()}


def _with_names_of_today(values: dict[str, Any], kind: str, source: Path | str) -> dict[str, Any]:
    """The fields of a file of an earlier version as this one calls them."""
    values = dict(values)
    older = "lrdecay" if kind == "keypoints" else "model"
    name = "schedule" if kind == "keypoints" else "network"
    if older in values and name not in values:
        value = values.pop(older)
        if older == "lrdecay":
            value = {True: "cosine", False: "constant"}[_read_value(value, bool, f"{source}: {older}")]
        values[name] = value
    if isinstance(values.get("precision"), str):
        values["precision"] = OLDER_PRECISIONS.get(values["precision"], values["precision"])
    return values


def _read_value(value: Any, kind: Any, where: str) -> Any:
    if kind is CropRule:
        try:
            return CropRule.read(value)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
    types, expected = _JSON_TYPES.get(kind, ((str,), "a text"))
    # Not isinstance: to it True is a whole number.
    if type(value) not in types or (list in types and not all(type(part) in (int, float) for part in value)):
        raise ValueError(f"{where} = {value!r} is not {expected}")
    return tuple(value) if list in types else value


_JSON_TYPES: dict[Any, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    tuple[float, ...]: ((list,), "a list of numbers"),
}


@contextmanager
def _naming(source: Path | str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None
