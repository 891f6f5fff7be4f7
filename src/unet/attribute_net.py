"""The classifier: one backbone, one head for each question."""

from collections.abc import Sequence

import keras
from keras import layers

from ..records import HeadSpec
from .backbones import Weights
from .backbones.classifiers import build_classifier_backbone


def head_width(head: HeadSpec) -> int:
    """Logits of a head: one a class, but an ordinal one asks `higher than class c?` of all classes except the last."""
    return len(head.classes) - (head.kind == "ordinal")


def build_attribute_net(
    model: str, heads: Sequence[HeadSpec], dropout: float = 0.0, backbone_weights: Weights = None
) -> keras.Model:
    """Input image (B, H, W, 3) of 0..255, H and W as wanted; outputs by head name: logits (B, head_width).

    The backbone is the layer `backbone`; `pooled` is the mean of its features. Raises ValueError for an unknown
    model, two heads of one name or none, and `WeightsError` for weights that cannot be had.
    """
    names = [head.name for head in heads]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"a classifier needs heads of different names; got {names}")
    image = layers.Input((None, None, 3), name="image")
    features = build_classifier_backbone(model, backbone_weights)(image)
    x = layers.GlobalAveragePooling2D(name="pooled")(features)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    outputs = {
        # In float32 whatever the precision of the layers: probabilities are read off these values.
        head.name: layers.Dense(head_width(head), name=f"head_{head.name}", dtype="float32")(x)
        for head in heads
    }
    return keras.Model({"image": image}, outputs, name=f"classifier_{model}")
