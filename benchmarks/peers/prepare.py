"""Prepares the input of the peers benchmark's workers: a run, its weights for other frameworks, reference outputs.

    run/                 folder of a run with random weights (only if no run was given)
    config.json          the run's configuration
    weights.safetensors  `LAYER.VARIABLE` of every layer that the heatmaps and the category depend on
    reference.npz        images (B, S, S, 3) uint8 -> heatmaps (B, h, w, K), not masked, and category logits (B, C)
    facts.json           paths of the run and its weights, multiply-adds of one image, and the NetworkSpec

`python benchmarks/peers/prepare.py --network lite --photos FOLDER --out FOLDER [--run RUN]`
"""

import argparse
import dataclasses
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import keras
import numpy as np
from safetensors.numpy import save_file

from aifashion.config import KeypointConfig, keypoint_preset
from aifashion.data_gen.images import read_image
from aifashion.data_gen.preprocess import letterboxed
from aifashion.unet.blocks import MergeLevels
from aifashion.unet.keypoint_net import NETWORKS
from aifashion.unet.predictors import keypoint_net, trained_keypoint_net
from aifashion.unet.runs import best_model, new_run, read_keypoint_config, save_model

SIZES = {"v11": 512, "lite": 192}
"""Side of the input in px at which each network is measured."""
REFERENCE_IMAGES = 2
SETTLING_IMAGES = 4


def leaf_layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """All layers of a model, including those of nested models."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from leaf_layers(layer)
        else:
            yield layer


def settled_random_net(config: KeypointConfig, images: np.ndarray) -> keras.Model:
    """A network with random weights whose activations stay about 1 in every layer, as in a trained one.

    The batch norms have the statistics of the images (B, S, S, 3). The highest heatmap value on them is 1, as for a
    trained network, so that differences between frameworks are comparable.
    """
    keras.utils.set_random_seed(0)
    net = keypoint_net(config)
    norms = [layer for layer in leaf_layers(net) if isinstance(layer, keras.layers.BatchNormalization)]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0  # use the statistics of this one batch
    net(_inputs(config, images), training=True)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
    head = net.get_layer("refined_conv")
    kernel, bias = head.get_weights()
    highest = np.abs(_told(net, config, images)["refined"]).max()
    head.set_weights([kernel / highest, bias])
    return net


def multiply_adds(model: keras.Model) -> int:
    """Multiply-adds of the convolutions and matrix products, for one image."""
    total = 0
    for layer in leaf_layers(model):
        if isinstance(layer, keras.layers.Dense):
            total += math.prod(layer.kernel.shape)
        elif isinstance(layer, keras.layers.Conv2D):
            total += math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:3])
        elif isinstance(layer, MergeLevels):
            total += sum(layer.filters * math.prod(level.shape[1:]) for level in layer.input)
    return total


def named_weights(model: keras.Model) -> dict[str, np.ndarray]:
    """`LAYER.VARIABLE` -> array in Keras's layout: kernels are (kh, kw, in, out)."""
    named: dict[str, np.ndarray] = {}
    for layer in leaf_layers(model):
        for variable in layer.variables:
            name = f"{layer.name}.{variable.name}"
            assert name not in named, f"two layers are called {layer.name}"
            named[name] = np.ascontiguousarray(variable.numpy())
    return named


def _serving(net: keras.Model) -> keras.Model:
    """The part of the network used in inference: RefineNet and the category head."""
    return keras.Model(net.input, {name: x for name, x in net.output.items() if not name.startswith("global")})


def _told(net: keras.Model, config: KeypointConfig, images: np.ndarray) -> dict[str, np.ndarray]:
    outputs = _serving(net).predict_on_batch(_inputs(config, images))
    return {name: np.asarray(values) for name, values in outputs.items()}


def _inputs(config: KeypointConfig, images: np.ndarray) -> dict[str, np.ndarray]:
    mask = np.ones((len(images), len(config.vocabulary.keypoints)), np.float32)
    return {"image": images.astype(np.float32), "mask": mask}


def _images(photos: Sequence[Path], size: int) -> np.ndarray:
    return np.stack([letterboxed(read_image(path), (size, size))[0] for path in photos])


def write(out: Path, run: Path, config: KeypointConfig, images: np.ndarray) -> None:
    """Writes everything except the run itself."""
    weights = best_model(run, print).path
    net = trained_keypoint_net(config, weights)
    model, outputs = _serving(net), _told(net, config, images)
    np.savez(out / "reference.npz", images=images, heatmaps=outputs["refined"], category=outputs["category"])
    save_file(named_weights(model), out / "weights.safetensors")
    spec = NETWORKS[config.network]
    facts = {
        "run": str(run.resolve()),
        "weights": str(weights.resolve()),
        "multiply_adds": multiply_adds(model),
        **dataclasses.asdict(spec),
    }
    (out / "facts.json").write_text(json.dumps(facts, indent=1))
    (out / "config.json").write_text(config.to_json())
    print(f"{config.network} at {config.size} px: {facts['multiply_adds'] / 1e9:.2f} G multiply-adds an image")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--network", choices=SIZES, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--run", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    photos = sorted(options.photos.rglob("*.jpg"))
    if options.run is None:
        config = dataclasses.replace(keypoint_preset(options.network), size=SIZES[options.network])
        run = new_run(options.out, "run", config)
        net = settled_random_net(config, _images(photos[:SETTLING_IMAGES], config.size))
        save_model(run, net, epoch=1, score=0.5, keep=1)
    else:
        run = options.run
        config = read_keypoint_config(run)
    write(options.out, run, config, _images(photos[:REFERENCE_IMAGES], config.size))


if __name__ == "__main__":
    main()
