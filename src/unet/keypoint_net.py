"""The Cascaded Pyramid Network (arXiv:1711.07319): GlobalNet finds the easy keypoints, RefineNet the hard ones."""

from dataclasses import dataclass

import keras
from keras import layers

from .backbones import BACKBONES, Weights, build_backbone
from .backbones.efficientnet_lite import EFFICIENTNET_LITE
from .blocks import basic_block, bottleneck, conv_bn, merged_bn, merged_bottleneck, upsample

LEVELS = ("P5", "P4", "P3", "P2")


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """The backbone by name, the width of the pyramid, and what it is built of.

    cpu: basic blocks instead of bottlenecks, and nearest instead of bilinear upsampling of features, both of which
    a CPU does far faster for the same accuracy.
    """

    backbone: str
    width: int
    cpu: bool


NETWORKS: dict[str, NetworkSpec] = {
    "v11": NetworkSpec("resnet101", 256, False),
    "resnet50": NetworkSpec("resnet50", 256, False),
    "lite": NetworkSpec("lite", 48, True),
    **{name: NetworkSpec(name, 48, True) for name in EFFICIENTNET_LITE},
    **{
        name: NetworkSpec(name, 256, False)
        for name in BACKBONES
        if name not in ("lite", "resnet50", "resnet101", *EFFICIENTNET_LITE)
    },
}
"""`v11` and `lite` have names of their own; every other network is named after its backbone. EfficientNet-Lites are
built like lite, all others like v11."""


def network_spec(network: str, size: int) -> NetworkSpec:
    """Of a network with an input side of `size` px. Raises ValueError for an unknown network or a size that 32 does not
    divide."""
    if network not in NETWORKS:
        raise ValueError(f"unknown network {network!r}; expected one of {', '.join(NETWORKS)}")
    if size % 32 or size < 64:
        raise ValueError(f"the input side must be a multiple of 32 and at least 64 px, not {size}")
    return NETWORKS[network]


def build_keypoint_net(
    network: str, size: int, keypoints: int, categories: int, backbone_weights: Weights = None
) -> keras.Model:
    """Inputs image (B, size, size, 3) of 0..255 and mask (B, K), 1 where the category has the keypoint.

    Outputs by name: `global_p5` .. `global_p2` and `refined`, heatmaps (B, size/4, size/4, K), masked; and, where
    there is more than one category, `category` (B, categories) logits from P5. For `backbone_weights` see
    `build_backbone`.
    Raises ValueError for an unknown network or a size that 32 does not divide.
    """
    spec = network_spec(network, size)
    image = layers.Input((size, size, 3), name="image")
    mask = layers.Input((keypoints,), name="mask")
    backbone = build_backbone(spec.backbone, (size, size, 3), backbone_weights)
    features = backbone(image)
    plane_mask = layers.Reshape((1, 1, keypoints), name="plane_mask")(mask)

    def heatmaps(x, factor: int, name: str):
        # Small weights keep the first heatmaps near zero, where nearly every cell of the target is.
        start = keras.initializers.RandomNormal(stddev=0.001)
        x = layers.Conv2D(keypoints, 3, padding="same", kernel_initializer=start, name=f"{name}_conv")(x)
        # In float32 from here on, whatever the precision of the layers: points are read off these values.
        x = upsample(x, factor, f"{name}_up", dtype="float32")
        return layers.Multiply(name=name, dtype="float32")([x, plane_mask])

    outputs, pyramid = {}, {}
    above = None
    for level in LEVELS:
        key = level.lower()
        x = conv_bn(features[level], spec.width, 1, f"lateral_{key}")
        if above is not None:
            # Convolving before the upsampling gives the same as after it, at a quarter of the work.
            merged = conv_bn(above, spec.width, 1, f"merge_{key}", relu=False)
            x = layers.Add(name=f"topdown_{key}")([x, upsample(merged, 2, f"up_{key}", nearest=spec.cpu)])
        pyramid[level] = above = x
        factor = 2 ** (int(level[1]) - 2)
        head = conv_bn(x, spec.width, 1, f"global_{key}_head")
        outputs[f"global_{key}"] = heatmaps(head, factor, f"global_{key}")

    block = basic_block if spec.cpu else bottleneck
    columns = []
    for level in LEVELS:
        x, key = pyramid[level], level.lower()
        for step in range(int(level[1]) - 2):
            x = block(x, spec.width, f"refine_{key}_{step}")
        columns.append(x)
    # Their sizes differ: brought to that of P2 by what merges them.
    if spec.cpu:
        x = basic_block(merged_bn(columns, spec.width, "refine_reduce", nearest=True), spec.width, "refine_final")
    else:
        x = merged_bottleneck(columns, spec.width, "refine_final")
    outputs["refined"] = heatmaps(x, 1, "refined")
    if categories > 1:
        pooled = layers.GlobalAveragePooling2D(name="category_pool")(features["P5"])
        outputs["category"] = layers.Dense(categories, name="category", dtype="float32")(pooled)
    return keras.Model({"image": image, "mask": mask}, outputs, name=f"cpn_{network}")
