"""The Cascaded Pyramid Network of this project in PyTorch, with weights exported from Keras.

Batch norms are folded into the preceding convolutions, which saves a pass over every feature map in eager mode.
"""

# pyright: reportMissingImports=false

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import timm
import torch
from torch import nn
from torch.nn import functional

BACKBONE_EPSILON, OWN_EPSILON = 1.001e-5, 1e-5
"""Epsilon of the batch norms: in keras.applications' ResNets, and in this project's layers."""
RGB_MEAN = (123.68, 116.779, 103.939)
LEVELS = ("P5", "P4", "P3", "P2")
MERGING = {True: ("refine_reduce",), False: ("refine_final_a", "refine_final_shortcut")}
"""Convolutions that merge the levels, in a network for a CPU (True) and in others."""
Weights = Mapping[str, np.ndarray]


def folded_conv(weights: Weights, name: str, norm: str, epsilon: float = OWN_EPSILON, stride: int = 1) -> nn.Module:
    """A Keras convolution with "same" padding, and the batch norm after it if there is one.

    weights: `name.kernel` (kh, kw, in, out), optionally `name.bias`, and gamma, beta and moments of `norm`.
    """
    kernel = weights[f"{name}.kernel"].astype(np.float64)
    bias = weights.get(f"{name}.bias", np.zeros(kernel.shape[3])).astype(np.float64)
    if f"{norm}.gamma" in weights:
        scale = weights[f"{norm}.gamma"] / np.sqrt(weights[f"{norm}.moving_variance"].astype(np.float64) + epsilon)
        kernel, bias = kernel * scale, (bias - weights[f"{norm}.moving_mean"]) * scale + weights[f"{norm}.beta"]
    side, uneven = kernel.shape[0], stride == 2 and kernel.shape[0] == 3
    conv = nn.Conv2d(
        kernel.shape[2], kernel.shape[3], side, stride=stride, padding=0 if uneven else side // 2, device="meta"
    )
    conv.weight = nn.Parameter(torch.from_numpy(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1), np.float32)))
    conv.bias = nn.Parameter(torch.from_numpy(bias.astype(np.float32)))
    # For an even side, Keras pads a 3x3 convolution of stride 2 on the right and below only.
    return nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), conv) if uneven else conv


class MergedConv(nn.Module):
    """A 1x1 convolution of levels, (B, C, h, w) each, upsampled to the size of the last and concatenated.

    It is applied to each level before upsampling, as `MergeLevels` of the Keras network does.
    """

    def __init__(self, conv: nn.Module, levels: int, upsampling: Mapping[str, Any]) -> None:
        super().__init__()
        self.weights = nn.ParameterList(part.contiguous() for part in conv.weight.detach().chunk(levels, dim=1))
        self.bias, self.upsampling = conv.bias, upsampling

    def forward(self, levels: Sequence[torch.Tensor]) -> torch.Tensor:
        total = functional.conv2d(levels[-1], self.weights[-1], self.bias)
        for x, weight in zip(levels[:-1], self.weights[:-1], strict=True):
            total += functional.interpolate(functional.conv2d(x, weight), total.shape[2:], **self.upsampling)
        return total


class ResNet(nn.Module):
    """timm's ResNet101 changed to that of keras.applications: a block's first convolution has the stride.

    RGB of 0..255 (B, 3, H, W) -> features by level. In timm the 3x3 convolution has the stride ("ResNet v1.5"), which
    is more work. The convolutions of keras.applications have biases and its batch norms another epsilon; folding
    removes both differences.
    """

    def __init__(self, name: str, weights: Weights) -> None:
        super().__init__()
        with torch.device("meta"):  # no initial weights, which would be replaced at once
            self.body = timm.create_model(name, features_only=True, out_indices=(1, 2, 3, 4))
        kernel = weights["conv1_conv.kernel"][:, :, ::-1]  # Keras' network sees BGR
        stem = folded_conv({**weights, "conv1_conv.kernel": kernel}, "conv1_conv", "conv1_bn", BACKBONE_EPSILON)
        stem.stride = (2, 2)
        self.body.conv1, self.body.bn1 = stem, nn.Identity()
        for stage in (1, 2, 3, 4):
            for number, block in enumerate(getattr(self.body, f"layer{stage}"), start=1):
                self._fill(block, weights, f"conv{stage + 1}_block{number}", 2 if stage > 1 and number == 1 else 1)
        self.mean = torch.tensor(RGB_MEAN)[:, None, None]

    @staticmethod
    def _fill(block: Any, weights: Weights, name: str, stride: int) -> None:
        def conv(part: int, stride: int = 1) -> nn.Module:
            return folded_conv(weights, f"{name}_{part}_conv", f"{name}_{part}_bn", BACKBONE_EPSILON, stride)

        block.conv1, block.conv2, block.conv3 = conv(1, stride), conv(2), conv(3)
        block.bn1, block.bn2, block.bn3 = nn.Identity(), nn.Identity(), nn.Identity()
        if block.downsample is not None:
            block.downsample = conv(0, stride)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        features = self.body((image - self.mean).to(self.body.conv1.weight.dtype))
        return dict(zip(("P2", "P3", "P4", "P5"), features, strict=True))


class Named(nn.Module):
    """Folded convolutions by the names of their Keras layers, and blocks made of them."""

    def __init__(self, weights: Weights, names: list[str], strided: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.convs = nn.ModuleDict(
            {name: folded_conv(weights, name, f"{name}_bn", stride=2 if name in strided else 1) for name in names}
        )

    def conv(self, x: Any, name: str, relu: bool = True) -> torch.Tensor:
        x = self.convs[name](x)
        return functional.relu_(x) if relu else x

    def block(self, x: Any, name: str) -> torch.Tensor:
        """A basic block (two convolutions) or a bottleneck (three)."""
        shortcut = self.conv(x, f"{name}_shortcut", relu=False) if f"{name}_shortcut" in self.convs else x
        *first, last = [f"{name}_{part}" for part in "abc" if f"{name}_{part}" in self.convs]
        for part in first:
            x = self.conv(x, part)
        return functional.relu_(self.conv(x, last, relu=False).add_(shortcut))


class Lite(Named):
    """The `lite` backbone. RGB of 0..255 (B, 3, H, W) -> features by level."""

    def __init__(self, weights: Weights) -> None:
        names = _convolutions(weights, ("stem1", "p2_", "p3_", "p4_", "p5_"))
        starts = [f"p{level}_0_{part}" for level in (2, 3, 4, 5) for part in ("a", "shortcut")]
        super().__init__(weights, names, ("stem1", *starts))
        self.blocks = sorted({name.rpartition("_")[0] for name in names} - {""})

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        x, features = self.conv((image / 64 - 2).to(next(self.parameters()).dtype), "stem1"), {}
        for block in self.blocks:
            x = features[block[:2].upper()] = self.block(x, block)
        return features


class Cpn(Named):
    """RGB of 0..255 (B, 3, S, S) -> heatmaps (B, K, S/4, S/4) and category logits (B, C), both float32.

    facts: the NetworkSpec: `backbone`, and whether blocks and upsampling are the variants for a CPU (`cpu`).
    """

    def __init__(self, weights: Weights, facts: Mapping[str, Any]) -> None:
        super().__init__(weights, _convolutions(weights, ("lateral_", "merge_", "refine_", "refined_")))
        name = facts["backbone"]
        self.backbone = Lite(weights) if name == "lite" else ResNet(name, weights)
        self.upsampling = {"mode": "nearest"} if facts["cpu"] else {"mode": "bilinear", "align_corners": False}
        for merging in MERGING[facts["cpu"]]:
            self.convs[merging] = MergedConv(self.convs[merging], len(LEVELS), self.upsampling)
        self.category = nn.Linear(*weights["category.kernel"].shape)
        with torch.no_grad():
            self.category.weight.copy_(torch.from_numpy(weights["category.kernel"].T))
            self.category.bias.copy_(torch.from_numpy(weights["category.bias"]))

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.backbone(image)
        columns, above = [], None
        for level in LEVELS:
            key = level.lower()
            x = self.conv(features[level], f"lateral_{key}")
            if above is not None:
                merged = self.conv(above, f"merge_{key}", relu=False)
                x = x + functional.interpolate(merged, scale_factor=2, **self.upsampling)
            above = x
            for step in range(int(level[1]) - 2):
                x = self.block(x, f"refine_{key}_{step}")
            columns.append(x)
        # A block for a CPU gets the merged levels; in a bottleneck, the first convolution and the shortcut merge them.
        x = self.conv(columns, "refine_reduce") if "refine_reduce" in self.convs else columns
        heatmaps = self.conv(self.block(x, "refine_final"), "refined_conv", relu=False)
        pooled = features["P5"].mean((2, 3))
        return heatmaps.float(), self.category(pooled).float()


def _convolutions(weights: Weights, starts: tuple[str, ...]) -> list[str]:
    kernels = [name.removesuffix(".kernel") for name in weights if name.endswith(".kernel")]
    return [name for name in kernels if name.startswith(starts)]
