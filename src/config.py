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
    """names of categories and keypoints: fashionai, deepfashion2, or the path of a TOML file"""
    category: str = "all"
    """all, or the name of one category: the network then has only the keypoints of that category"""
    network: str = "v11"
    """v11 (CPN on ResNet101), resnet50, lite (small, for a CPU), or the name of another backbone, such as resnest50d"""
    size: int = 512
    """side of the square network input in px, a multiple of 32. The defaults of --size, --batch-size and
    --learning-rate depend on --network; --help --network NAME shows those of another one"""
    sigma: float = 1.5
    """standard deviation of the Gaussian around a keypoint, in heatmap cells; a cell is 4 px of the input"""

    epochs: int = 30
    """passes over the training set"""
    batch_size: int = 3
    """images in a training step"""
    layers: Layers = "all"
    """what is trained: all layers, or only the heads (pyramid and refinement; the backbone stays frozen)"""
    optimizer: str = "adamw"
    """the optimizer: adam, adamw, sgd, radam, lookahead, lookahead_sgd or ranger"""
    schedule: str = "cosine"
    """how the learning rate falls: cosine, constant, 1x to 10x, 20e, 100e, or EPOCH=RATIO,... such as 8=0.1,11=0.01"""
    learning_rate: float = 5e-4
    """the highest learning rate, reached at the end of the warm-up"""
    warmup_epochs: float = 1.0
    """epochs over which the learning rate rises from zero"""
    weight_decay: float = 1e-4
    """decoupled weight decay; it is not applied to biases and normalisation layers"""
    clip_norm: float = 10.0
    """largest global norm of the gradients; 0 switches gradient clipping off"""
    ema: float = 0.999
    """decay of the moving average of the weights; the average is validated and saved; 0 switches it off"""
    precision: Precision = "float32"
    """number format for computing the layers; weights and losses stay in float32"""
    seed: int = 0
    """seed of the random start weights, the order of the photos and the augmentation"""

    hard_fraction: float = 0.5
    """hard keypoint mining: fraction of the keypoints, the worst ones of each photo, that RefineNet learns from"""
    hidden_weight: float = 0.0
    """weight of hidden keypoints in the losses; the official score counts only visible ones"""
    category_weight: float = 0.1
    """weight of the category loss in the total loss"""

    rotate: float = 30.0
    """augmentation: largest rotation, in degrees, in both directions"""
    zoom: float = 0.25
    """augmentation: largest change of size, as a fraction, larger or smaller"""
    shift: float = 0.1
    """augmentation: largest shift, as a fraction of the side"""
    flip: bool = True
    """augmentation: mirror half of the photos, and exchange their left and right keypoints"""
    colour: float = 0.4
    """augmentation: strength of random changes of light and colour, from 0 to 1"""
    blur: float = 0.2
    """augmentation: fraction of the photos that are blurred"""
    erase: float = 0.3
    """augmentation: fraction of the photos in which a rectangle is erased"""

    decoder: Decoder = "dark"
    """how a point is computed from a heatmap; docs/training.md explains the choices"""
    tag: str = ""
    """a word of your choice; 'aifashion runs list' and 'aifashion runs clear' select runs by it"""
    val_fraction: float = 0.1
    """fraction of the training photos to keep for validation; used only if the data folder has no split file yet"""

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
        fields = _checked_fields(cls, text, "keypoints", vocabulary, source)
        with _naming(source):
            return cls(vocabulary=vocabulary, **fields)


@dataclass(frozen=True)
class AttributeConfig:
    """All that decides what a classifier learns; the same configuration and data give the same weights."""

    vocabulary: Vocabulary = field(default_factory=load_vocabulary)
    """names of categories and attribute tasks: fashionai, or the path of a TOML file"""
    task: str = "all"
    """all (one network for every attribute task), one attribute task such as skirt_length, style, or product"""
    network: str = "resnet50v2"
    """the name of the backbone, such as lite, resnet50v2, densenet121, efficientnetv2b0 or resnest50d"""
    size: int = 224
    """side of the square network input in px. The defaults of --size, --batch-size and --learning-rate depend on
    --network; --help --network NAME shows those of another one"""
    crop: CropRule = field(default_factory=CropRule)
    """how the photos were cropped: image (not at all), keypoints, heatmap or cam; see aifashion data crop"""
    layers: Layers = "all"
    """what is trained: all layers, or only the heads (the backbone stays frozen)"""
    length_heads: LengthHeads = "ordinal"
    """how lengths are learned: ordinal (as ordered steps), or exclusive (as classes without order)"""
    task_weights: TaskWeights = "equal"
    """weights in the total loss: equal (the same for each task, as in mAP), or photos (the same for each label)"""

    epochs: int = 40
    """passes over the training set"""
    batch_size: int = 16
    """images in a training step"""
    optimizer: str = "adamw"
    """the optimizer: adam, adamw, sgd, radam, lookahead, lookahead_sgd or ranger"""
    schedule: str = "cosine"
    """how the learning rate falls: cosine, constant, 1x to 10x, 20e, 100e, or EPOCH=RATIO,... such as 8=0.1,11=0.01"""
    learning_rate: float = 5e-4
    """the highest learning rate, reached at the end of the warm-up"""
    warmup_epochs: float = 1.0
    """epochs over which the learning rate rises from zero"""
    weight_decay: float = 1e-4
    """decoupled weight decay; it is not applied to biases and normalisation layers"""
    clip_norm: float = 10.0
    """largest global norm of the gradients; 0 switches gradient clipping off"""
    ema: float = 0.999
    """decay of the moving average of the weights; the average is validated and saved; 0 switches it off"""
    precision: Precision = "float32"
    """number format for computing the layers; weights and losses stay in float32"""
    seed: int = 0
    """seed of the random start weights, the order of the photos and the augmentation"""

    labels: Labels = "soft"
    """soft: classes marked "maybe" get a part of the probability; hard: the class marked "yes" gets all of it"""
    label_smoothing: float = 0.0
    """fraction of the target probability that is spread evenly over all classes"""
    mixup: float = 0.0
    """the parameter alpha of mixup (arXiv:1710.09412); 0 switches it off"""
    cutmix: float = 0.0
    """the parameter alpha of cutmix (arXiv:1905.04899); 0 switches it off"""
    balance: float = 0.0
    """sampling of photos, 0 to 1: 0 takes each photo once per epoch, 1 takes rare classes as often as frequent ones"""
    dropout: float = 0.0
    """dropout rate of the pooled features"""

    scales: tuple[float, ...] = (1.0,)
    """augmentation: input sizes in training, as multiples of --size; each batch takes one of them at random"""
    rotate: float = 10.0
    """augmentation: largest rotation, in degrees, in both directions"""
    zoom: float = 0.2
    """augmentation: largest change of size, as a fraction, larger or smaller"""
    shift: float = 0.08
    """augmentation: largest shift, as a fraction of the side; together with --zoom it acts as a random crop"""
    flip: bool = True
    """augmentation: mirror half of the photos"""
    hue: float = 0.05
    """augmentation: largest change of hue, as a fraction of the colour circle, in both directions"""
    saturation: float = 0.3
    """augmentation: largest change of saturation, as a fraction"""
    brightness: float = 0.3
    """augmentation: largest change of brightness, as a fraction"""
    blur: float = 0.1
    """augmentation: fraction of the photos that are blurred"""
    erase: float = 0.3
    """augmentation: fraction of the photos in which a rectangle is erased"""

    tag: str = ""
    """a word of your choice; 'aifashion runs list' and 'aifashion runs clear' select runs by it"""
    val_fraction: float = 0.1
    """fraction of the training photos to keep for validation; used only if the data folder has no split file yet"""

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
        fields = _checked_fields(cls, text, "attributes", vocabulary, source)
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
    *(f"efficientnet_lite{number}" for number in range(5)),
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
    if network.startswith("efficientnet_lite") and network in BACKBONE_NETWORKS:
        return KeypointConfig(network=network, **_PRESETS["lite"])
    if network in BACKBONE_NETWORKS:
        return KeypointConfig(network=network, **_PRESETS["v11"])
    if network not in _PRESETS:
        raise ValueError(f"unknown network {network!r}; expected one of {', '.join((*_PRESETS, *BACKBONE_NETWORKS))}")
    return KeypointConfig(network=network, **_PRESETS[network])


def attribute_preset(network: str) -> AttributeConfig:
    """The configuration that a backbone is trained with by default."""
    if network == "lite" or network.startswith("efficientnet_lite"):
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
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{name} = {value!r}; expected a finite number")
        if name in ranges and value not in ranges[name]:
            raise ValueError(f"{name} = {value!r} is outside {ranges[name]}")
        choices = typing.get_args(kind) if typing.get_origin(kind) is Literal else ()
        if choices and value not in choices:
            raise ValueError(f"{name} = {value!r}; expected {' or '.join(choices)}")


_DIGEST = "vocabulary_sha256"
"""In a file: which vocabulary belongs to the configuration. Older files do not have it."""


def _to_json(config: Any, kind: str) -> str:
    values = dataclasses.asdict(config)
    del values["vocabulary"]
    return json.dumps({"kind": kind, **values, _DIGEST: config.vocabulary.digest}, indent=1) + "\n"


def _checked_fields(cls: type, text: str, kind: str, vocabulary: Vocabulary, source: Path | str) -> dict[str, Any]:
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
    digest = values.pop(_DIGEST, None)
    if digest not in (None, vocabulary.digest):
        raise ValueError(
            f"{source}: the vocabulary beside it is not the one of this network (its sha256 differs): it was lost or "
            "edited, and the names of the outputs would be wrong; restore it, or train or export again"
        )
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
    if older in values and name in values:
        raise ValueError(
            f"{source} has both {name} and {older}, its name in earlier versions: take the one out that is not meant"
        )
    if older in values:
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
