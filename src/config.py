"""Frozen configurations, to and from JSON. A run folder keeps the one it was trained with."""

import dataclasses
import json
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from .garments import CATEGORIES, Vocabulary, vocabulary
from .heatmaps import DECODERS, Decoder, HeatmapCodec

Precision = Literal["float32", "mixed_bfloat16"]


@dataclass(frozen=True)
class KeypointConfig:
    """All that decides what a keypoint network learns; the same configuration and data give the same weights."""

    category: str = "all"
    """all, or one category, whose points alone are then trained"""
    network: str = "v11"
    """v11 (CPN on ResNet101), resnet50 or lite (for a CPU)"""
    size: int = 512
    """side of the square network input in px, a multiple of 32"""
    sigma: float = 1.5
    """standard deviation of a heatmap's Gaussian in cells of 4 px"""

    epochs: int = 30
    """passes over the training set"""
    batch_size: int = 3
    """images in a training step"""
    learning_rate: float = 5e-4
    """peak learning rate, reached after the warm-up"""
    warmup_epochs: float = 1.0
    """epochs over which the learning rate rises from zero"""
    lrdecay: bool = True
    """let the learning rate fall along a cosine to 1% of its peak; False keeps it constant after the warm-up"""
    weight_decay: float = 1e-4
    """decoupled weight decay (AdamW)"""
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
    val_fraction: float = 0.1
    """share of the training photos held out for validation when no split file exists yet"""

    def __post_init__(self) -> None:
        self.vocabulary  # noqa: B018  raises for an unknown category
        limits = {
            "epochs": self.epochs >= 1,
            "batch_size": self.batch_size >= 1,
            "size": self.size >= 64 and self.size % 32 == 0,
            "learning_rate": self.learning_rate > 0,
            "ema": 0 <= self.ema < 1,
            "clip_norm": self.clip_norm >= 0,
            "warmup_epochs": self.warmup_epochs >= 0,
            "weight_decay": self.weight_decay >= 0,
            "hard_fraction": 0 < self.hard_fraction <= 1,
            "hidden_weight": self.hidden_weight >= 0,
            "val_fraction": 0 < self.val_fraction < 1,
            "zoom": 0 <= self.zoom < 1,
            "decoder": self.decoder in DECODERS,
            "precision": self.precision in typing.get_args(Precision),
        }
        for field, valid in limits.items():
            if not valid:
                raise ValueError(f"{field} = {getattr(self, field)!r} is outside its range")

    @property
    def vocabulary(self) -> Vocabulary:
        return vocabulary(CATEGORIES if self.category == "all" else self.category)

    @property
    def codec(self) -> HeatmapCodec:
        return HeatmapCodec((self.size, self.size), 4, self.sigma)

    def to_json(self) -> str:
        return json.dumps({"kind": "keypoints", **dataclasses.asdict(self)}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, source: Path | str = "config.json") -> Self:
        """Raises ValueError, naming `source`, for JSON that is not a keypoint configuration."""
        return cls(**_checked_fields(cls, text, "keypoints", source))


_PRESETS: dict[str, dict[str, Any]] = {
    "v11": {"size": 512, "batch_size": 3, "learning_rate": 5e-4},
    "resnet50": {"size": 512, "batch_size": 4, "learning_rate": 5e-4},
    "lite": {"size": 256, "batch_size": 16, "learning_rate": 2e-3},
}


def keypoint_preset(network: str) -> KeypointConfig:
    """The configuration that a network is trained with unless told otherwise. Raises ValueError for an unknown one."""
    if network not in _PRESETS:
        raise ValueError(f"unknown network {network!r}; expected one of {', '.join(_PRESETS)}")
    return KeypointConfig(network=network, **_PRESETS[network])


def _checked_fields(cls: type, text: str, kind: str, source: Path | str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{source} is not JSON: {error}") from None
    found = values.pop("kind", None) if isinstance(values, dict) else None
    if found != kind:
        raise ValueError(f"{source} is the configuration of a {found!r} run; expected one of kind {kind!r}")
    names = {field.name for field in dataclasses.fields(cls)}
    if set(values) != names:
        raise ValueError(
            f"{source} comes from another version: unknown fields {sorted(set(values) - names)}, "
            f"missing fields {sorted(names - set(values))}"
        )
    return values
