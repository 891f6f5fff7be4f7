"""A trained network with what surrounds it: uint8 images go in, keypoints or probabilities come out.

What stands after the last convolution or matrix product stays in float32 in every runtime, whatever the precision of
the layers before it, since points and probabilities are read off there.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from ..heatmaps import Decoder, HeatmapCodec
from ..records import HeadSpec
from .decoding import KeypointDecoder


def keypoint_serving_net(
    net: keras.Model, codec: HeatmapCodec, decoder: Decoder, twins: np.ndarray, flip: bool = False
) -> keras.Model:
    """Inputs image (B, S, S, 3) uint8 and mask (B, K) float32, 1 where the category has the keypoint.

    Outputs by name: heatmaps (B, h, w, K), masked; keypoints (B, K, 3), x and y in px of the image and the peak;
    category (B, C) probabilities, of a network of one category always 1. flip: everything is the mean of the image
    and its mirror image, as `with_flip` does it.
    """
    side, count = codec.size[0], int(net.input["mask"].shape[1])
    image = layers.Input((side, side, 3), dtype="uint8", name="image")
    mask = layers.Input((count,), name="mask")
    unmasked = net.get_layer("refined").input[0]
    wanted = {"refined": unmasked} | {name: x for name, x in net.output.items() if name == "category"}
    bare = keras.Model(net.input["image"], wanted, name="network")
    found = bare(_seen(image, flip))
    heatmaps = found["refined"]
    if flip:
        heatmaps = _Unmirrored(twins, name="unmirror")(heatmaps)
    heatmaps = layers.Multiply(name="masked", dtype="float32")([heatmaps, ops.reshape(mask, (-1, 1, 1, count))])
    points = KeypointDecoder(codec, decoder, name="decode")(heatmaps)
    if "category" in found:
        probabilities = layers.Softmax(name="probabilities", dtype="float32")(found["category"])
        probabilities = _mean_of_views(probabilities) if flip else probabilities
    else:
        probabilities = ops.ones_like(mask[:, :1])
    outputs = {"heatmaps": heatmaps, "keypoints": points, "category": probabilities}
    return keras.Model({"image": image, "mask": mask}, _named(outputs), name="keypoints")


def detection_serving_net(net: keras.Model, size: int, flip: bool = False) -> keras.Model:
    """Input image (B, S, S, 3) uint8. Outputs by name: heat (B, h, w, C) probabilities, and distances (B, h, w, C, 4)
    px, as `BoxCodec` decodes them.

    flip: both are means over the image and its mirror image.
    """
    image = layers.Input((size, size, 3), dtype="uint8", name="image")
    bare = keras.Model(net.input["image"], dict(net.output), name="network")
    found = bare(_seen(image, flip))
    heat = layers.Activation("sigmoid", dtype="float32", name="probabilities")(found["heat"])
    distances = found["distances"]
    if flip:
        heat, distances = _UnmirroredBoxes(name="unmirror")([heat, distances])
    return keras.Model({"image": image}, _named({"heat": heat, "distances": distances}), name="detection")


class _UnmirroredBoxes(layers.Layer):
    """Maps of images and then of their mirror images -> their means, mirrored back, left and right edges exchanged."""

    def __init__(self, **kwargs) -> None:
        super().__init__(dtype="float32", **kwargs)

    def call(self, maps):
        heat, distances = ([plain, ops.flip(other, axis=2)] for plain, other in (ops.split(m, 2, axis=0) for m in maps))
        exchanged = ops.take(distances[1], np.array([2, 1, 0, 3]), axis=-1)
        return [(heat[0] + heat[1]) / 2, (distances[0] + exchanged) / 2]

    def compute_output_shape(self, shapes):
        return shapes


def attribute_serving_net(
    net: keras.Model,
    heads: Sequence[HeadSpec],
    size: int,
    temperatures: Mapping[str, Any],
    flip: bool = False,
    features: bool = False,
) -> keras.Model:
    """Input image (B, S, S, 3) uint8. Outputs by the heads' names: calibrated probabilities (B, C).

    `logits_NAME` (B, logits) are what the probabilities were made of, before the temperatures. features: also the
    last features (B, h, w, F), for class activation maps. flip: probabilities and logits are means over the image and
    its mirror image; features are those of the image itself.
    """
    image = layers.Input((size, size, 3), dtype="uint8", name="image")
    wanted = {head.name: net.output[head.name] for head in heads}
    if features:
        wanted["features"] = net.get_layer("pooled").input
    bare = keras.Model(net.input["image"], wanted, name="network")
    found = bare(_seen(image, flip))
    outputs = {}
    for head in heads:
        logits = found[head.name]
        temperature = np.asarray(temperatures.get(head.name, 1.0), np.float32)
        probabilities = HeadProbabilities(head.kind, temperature, name=f"probabilities_{head.name}")(logits)
        if flip:
            logits, probabilities = _mean_of_views(logits), _mean_of_views(probabilities)
        outputs[head.name], outputs[f"logits_{head.name}"] = probabilities, logits
    if features:
        last = found["features"]
        last = ops.split(last, 2, axis=0)[0] if flip else last
        outputs["features"] = ops.cast(last, "float32")
    return keras.Model({"image": image}, _named(outputs), name="attributes")


class HeadProbabilities(layers.Layer):
    """`head_probabilities` of eval/heads.py in the operations of Keras: (B, logits) -> (B, C)."""

    def __init__(self, kind: str, temperature: np.ndarray, **kwargs) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.kind, self.temperature = kind, temperature

    def call(self, logits):
        scaled = logits / self.temperature
        if self.kind == "exclusive":
            return ops.softmax(scaled)
        answers = ops.sigmoid(scaled)
        if self.kind == "independent":
            return answers
        higher = [ops.ones_like(answers[:, :1])]
        for c in range(answers.shape[1]):
            higher.append(ops.minimum(higher[-1], answers[:, c : c + 1]))
        edges = [*higher, ops.zeros_like(higher[0])]
        return ops.concatenate([above - below for above, below in pairwise(edges)], axis=-1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[1] + (self.kind == "ordinal"))


class _Unmirrored(layers.Layer):
    """(2B, h, w, K), images and then their mirror images -> (B, h, w, K), the mean of both, mirrored back."""

    def __init__(self, twins: np.ndarray, **kwargs) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.twins = [int(twin) for twin in twins]

    def call(self, heatmaps):
        plain, mirrored = ops.split(heatmaps, 2, axis=0)
        return (plain + ops.take(ops.flip(mirrored, axis=2), np.array(self.twins), axis=-1)) / 2

    def compute_output_shape(self, input_shape):
        return input_shape


def _seen(image, flip: bool):
    pixels = ops.cast(image, "float32")
    return ops.concatenate([pixels, ops.flip(pixels, axis=2)], axis=0) if flip else pixels


def _mean_of_views(values):
    plain, mirrored = ops.split(values, 2, axis=0)
    return (plain + mirrored) / 2


def _named(outputs: Mapping[str, Any]) -> dict[str, Any]:
    # A converter names an output after the operation that made it; the identity bears the name that it is asked for.
    return {name: layers.Identity(name=f"out_{name}", dtype="float32")(x) for name, x in outputs.items()}
