"""EfficientNet-Lite against a forward pass in NumPy alone, and against the published sizes."""

from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
import pytest

from aifashion.unet.backbones import WeightsError, build_backbone
from aifashion.unet.backbones.classifiers import build_classifier_backbone
from aifashion.unet.backbones.conversion import convert_checkpoint, load_state, targets
from aifashion.unet.backbones.efficientnet_lite import EFFICIENTNET_LITE, build_efficientnet_lite, module_of
from aifashion.unet.backbones.pretrained import build_started
from torch_writer import tensors, write_torch_file

NAME = "efficientnet_lite0"
PUBLISHED_MILLIONS = {
    "efficientnet_lite0": 4.65,
    "efficientnet_lite1": 5.42,
    "efficientnet_lite2": 6.09,
    "efficientnet_lite3": 8.20,
    "efficientnet_lite4": 13.01,
}
"""Trainable numbers with the classifier of ImageNet, as timm's table of results lists them."""
State = Mapping[str, np.ndarray]


def some_state(net: keras.Model) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    state = {}
    for name, target in targets(net, module_of).items():
        values = rng.normal(size=target.shape)
        if name.endswith(("running_var", "bn0.weight", "bn1.weight", "bn2.weight")):
            values = 0.5 + np.abs(values)
        elif len(target.shape) == 4:
            values *= np.sqrt(2 / np.prod(target.shape[1:]))
        state[name] = values.astype(np.float32)
    return state


def padded(x: np.ndarray, kernel: int, stride: int) -> np.ndarray:
    """Zeros around (H, W, C) as TensorFlow pads: the odd one below and to the right."""
    pads = []
    for side in x.shape[:2]:
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        pads.append((total // 2, total - total // 2))
    return np.pad(x, (*pads, (0, 0)))


def convolved(x: np.ndarray, weight: np.ndarray, stride: int = 1) -> np.ndarray:
    """weight: (out, in, k, k), or (out, 1, k, k) for a depthwise convolution."""
    kernel = weight.shape[-1]
    windows = np.lib.stride_tricks.sliding_window_view(padded(x, kernel, stride), (kernel, kernel), (0, 1))
    windows = windows[::stride, ::stride]
    if weight.shape[1] == 1:
        return np.einsum("hwckl,ckl->hwc", windows, weight[:, 0])
    return np.einsum("hwckl,ockl->hwo", windows, weight)


def normalised(x: np.ndarray, state: State, module: str, relu: bool = True) -> np.ndarray:
    mean, variance = state[f"{module}.running_mean"], state[f"{module}.running_var"]
    x = (x - mean) / np.sqrt(variance + 1e-3) * state[f"{module}.weight"] + state[f"{module}.bias"]
    return np.clip(x, 0, 6) if relu else x


def reference(image: np.ndarray, state: State) -> dict[str, np.ndarray]:
    """The pyramid of EfficientNet-Lite0 from (H, W, 3) pixels."""
    stages = [(1, 3, 1, 1), (2, 3, 2, 6), (2, 5, 2, 6), (3, 3, 2, 6), (3, 5, 1, 6), (4, 5, 2, 6), (1, 3, 1, 6)]
    x = normalised(convolved((image - 127) / 128, state["_conv_stem.weight"], 2), state, "_bn0")
    number, levels = 0, []
    for blocks, _, stride, expand in stages:
        for block in range(blocks):
            module, before = f"_blocks.{number}", x
            step = stride if block == 0 else 1
            if expand > 1:
                x = normalised(convolved(x, state[f"{module}._expand_conv.weight"]), state, f"{module}._bn0")
            x = normalised(convolved(x, state[f"{module}._depthwise_conv.weight"], step), state, f"{module}._bn1")
            x = normalised(convolved(x, state[f"{module}._project_conv.weight"]), state, f"{module}._bn2", relu=False)
            x = x + before if step == 1 and x.shape == before.shape else x
            number += 1
        levels.append(x)
    return {"P2": levels[1], "P3": levels[2], "P4": levels[4], "P5": levels[6]}


@pytest.mark.parametrize("shape", [(64, 64), (75, 98)])
def test_the_levels_are_those_of_the_reference(shape: tuple[int, int]) -> None:
    net = build_efficientnet_lite(NAME, (None, None, 3))
    state = some_state(net)
    assert load_state(net, NAME, state, "x") == ([], [])
    image = np.random.default_rng(1).uniform(0, 255, (*shape, 3)).astype(np.float32)
    found = net.predict_on_batch(image[None])
    for level, expected in reference(image.astype(np.float64), state).items():
        assert found[level][0].shape == expected.shape
        np.testing.assert_allclose(found[level][0], expected, atol=2e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", EFFICIENTNET_LITE)
def test_the_sizes_are_the_published_ones(name: str) -> None:
    net = build_efficientnet_lite(name, (None, None, 3))
    count = sum(int(np.prod(weight.shape)) for weight in net.trainable_weights)
    last = net.output["P5"].shape[-1]
    head = last * 1280 + 2 * 1280 + 1280 * 1000 + 1000
    assert round((count + head) / 1e6, 2) == PUBLISHED_MILLIONS[name]


def test_a_checkpoint_is_converted_without_its_classifier(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    net = build_efficientnet_lite(NAME, (None, None, 3))
    state = some_state(net) | {
        "_conv_head.weight": np.ones((4, 320, 1, 1), np.float32),
        **{f"_bn1.{part}": np.ones(4, np.float32) for part in ("weight", "bias", "running_mean", "running_var")},
        "_fc.weight": np.ones((2, 4), np.float32),
        "_fc.bias": np.ones(2, np.float32),
    }
    write_torch_file(tmp_path / "lite0.pth", tensors(state))
    assert convert_checkpoint(tmp_path / "lite0.pth", NAME, tmp_path / "lite0.weights.h5") == ([], [])
    assert not caplog.records  # all checkpoints of the family are normalised in one way
    image = np.random.default_rng(1).uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)
    load_state(net, NAME, state, "x")
    expected = net.predict_on_batch(image)["P5"]
    for weights in ("lite0.weights.h5", "lite0.pth"):
        found = build_backbone(NAME, (64, 64, 3), tmp_path / weights).predict_on_batch(image)["P5"]
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_missing_tensors_are_named() -> None:
    net = build_efficientnet_lite(NAME, (None, None, 3))
    state = some_state(net)
    del state["_blocks.3._depthwise_conv.weight"]
    with pytest.raises(WeightsError, match=r"it lacks \(1\): _blocks.3._depthwise_conv.weight"):
        load_state(net, NAME, state, "x")


def test_both_stages_have_the_same_backbone() -> None:
    pyramid, classifier = build_started(NAME, (64, 64, 3), None), build_classifier_backbone(NAME)
    assert [w.path for w in pyramid.weights] == [w.path for w in classifier.weights]
