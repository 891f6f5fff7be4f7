"""Frozen configurations, to and from JSON. A run folder keeps the one it was trained with."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from .box_maps import BoxCodec
from .config_fields import OLDER_PRECISIONS as OLDER_PRECISIONS
from .config_fields import Range, check_values, naming, read_fields, write_fields
from .heatmaps import Decoder, HeatmapCodec
from .records import CropRule, HeadSpec
from .vocabulary import Vocabulary, load_vocabulary

Precision = Literal["float32", "bfloat16"]
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
    turn: float = 0.0
    """augmentation: fraction of the photos that are first turned by 90, 180 or 270 degrees, as lying clothes can be"""
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
        check_values(self, {"size": Range(64), "sigma": Range(0, above=True)})

    @property
    def codec(self) -> HeatmapCodec:
        return HeatmapCodec((self.size, self.size), 4, self.sigma)

    def to_json(self) -> str:
        """Without the vocabulary, which has a file of its own."""
        return write_fields(self, "keypoints")

    @classmethod
    def from_json(cls, text: str, vocabulary: Vocabulary, source: Path | str = "config.json") -> Self:
        """Raises ValueError, naming `source`, for JSON that is not a keypoint configuration."""
        fields = read_fields(cls, text, "keypoints", vocabulary, source)
        with naming(source):
            return cls(vocabulary=vocabulary, **fields)


@dataclass(frozen=True)
class DetectionConfig:
    """All that decides what a detector of garments learns; the same configuration and data give the same weights."""

    vocabulary: Vocabulary = field(default_factory=load_vocabulary)
    """names of the categories: fashionai, deepfashion2, or the path of a TOML file"""
    network: str = "lite"
    """lite (small, for a CPU), or the name of another backbone, such as efficientnet_lite0 or resnet50"""
    size: int = 256
    """side of the square network input in px, a multiple of 32"""

    epochs: int = 30
    """passes over the training set"""
    batch_size: int = 16
    """images in a training step"""
    layers: Layers = "all"
    """what is trained: all layers, or only the heads (the pyramid and what follows; the backbone stays frozen)"""
    optimizer: str = "adamw"
    """the optimizer: adam, adamw, sgd, radam, lookahead, lookahead_sgd or ranger"""
    schedule: str = "cosine"
    """how the learning rate falls: cosine, constant, 1x to 10x, 20e, 100e, or EPOCH=RATIO,... such as 8=0.1,11=0.01"""
    learning_rate: float = 1e-3
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

    box_weight: float = 2.0
    """weight of the loss of the boxes in the total loss; the loss of the peaks, which say where garments are, has 1"""

    rotate: float = 4.0
    """augmentation: largest rotation, in degrees, in both directions. Keep it small: the upright box around a rotated
    box is larger than the garment"""
    turn: float = 0.0
    """augmentation: fraction of the photos that are first turned by 90, 180 or 270 degrees, as lying clothes can be"""
    zoom: float = 0.4
    """augmentation: largest change of size, as a fraction, larger or smaller"""
    shift: float = 0.2
    """augmentation: largest shift, as a fraction of the side"""
    flip: bool = True
    """augmentation: mirror half of the photos"""
    colour: float = 0.4
    """augmentation: strength of random changes of light and colour, from 0 to 1"""
    blur: float = 0.15
    """augmentation: fraction of the photos that are blurred"""
    erase: float = 0.2
    """augmentation: fraction of the photos in which a rectangle is erased"""

    tag: str = ""
    """a word of your choice; 'aifashion runs list' and 'aifashion runs clear' select runs by it"""
    val_fraction: float = 0.1
    """fraction of the training photos to keep for validation; used only if the data folder has no split file yet"""

    def __post_init__(self) -> None:
        if self.size % 32:
            raise ValueError(f"size = {self.size!r} is not a multiple of 32; expected one from 64 up")
        check_values(self, {"size": Range(64)})

    @property
    def codec(self) -> BoxCodec:
        return BoxCodec((self.size, self.size))

    def to_json(self) -> str:
        """Without the vocabulary, which has a file of its own."""
        return write_fields(self, "detection")

    @classmethod
    def from_json(cls, text: str, vocabulary: Vocabulary, source: Path | str = "config.json") -> Self:
        """Raises ValueError, naming `source`, for JSON that is not a detector's configuration."""
        fields = read_fields(cls, text, "detection", vocabulary, source)
        with naming(source):
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
    turn: float = 0.0
    """augmentation: fraction of the photos that are first turned by 90, 180 or 270 degrees, as lying clothes can be"""
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
        check_values(self, {"size": Range(32)})

    def to_json(self) -> str:
        """Without the vocabulary, which has a file of its own."""
        return write_fields(self, "attributes")

    @classmethod
    def from_json(cls, text: str, vocabulary: Vocabulary, source: Path | str = "config.json") -> Self:
        """Raises ValueError, naming `source`, for JSON that is not a classifier's configuration."""
        fields = read_fields(cls, text, "attributes", vocabulary, source)
        with naming(source):
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


def detection_preset(network: str) -> DetectionConfig:
    """The configuration that a detector is trained with by default. Raises ValueError for an unknown network."""
    like = keypoint_preset(network)
    if like.size == _PRESETS["lite"]["size"]:
        return DetectionConfig(network=network)
    return DetectionConfig(network=network, size=512, batch_size=like.batch_size, learning_rate=like.learning_rate)


def attribute_preset(network: str) -> AttributeConfig:
    """The configuration that a backbone is trained with by default."""
    if network == "lite" or network.startswith("efficientnet_lite"):
        return AttributeConfig(network=network, size=160, batch_size=32, learning_rate=2e-3)
    return AttributeConfig(network=network)
