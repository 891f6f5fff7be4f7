"""The Cascaded Pyramid Network in PyTorch for training: with separate batch norms, all heads and losses.

Weights are random; the time does not depend on them.
"""

# pyright: reportMissingImports=false

import math
from collections.abc import Sequence

import timm
import torch
from torch import nn
from torch.nn import functional

LEVELS = (5, 4, 3, 2)
KEYPOINTS, CATEGORIES = 24, 5
LITE = (32, (32, 64, 112, 160), (1, 2, 2, 2))
"""The `lite` backbone: channels of the stem, and channels and blocks by level."""


def conv_bn(inputs: int, filters: int, kernel: int, stride: int = 1, relu: bool = True) -> nn.Sequential:
    parts = [nn.Conv2d(inputs, filters, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(filters)]
    return nn.Sequential(*parts, *([nn.ReLU(inplace=True)] if relu else []))


class Block(nn.Module):
    """A basic block, or a bottleneck of half the width."""

    def __init__(self, inputs: int, filters: int, basic: bool, stride: int = 1) -> None:
        super().__init__()
        same = stride == 1 and inputs == filters
        self.shortcut = nn.Identity() if same else conv_bn(inputs, filters, 1, stride, relu=False)
        half = filters // 2
        kernels = (3, 3) if basic else (1, 3, 1)
        widths = (inputs, filters, filters) if basic else (inputs, half, half, filters)
        last = len(kernels) - 1
        self.body = nn.Sequential(
            *(
                conv_bn(widths[i], widths[i + 1], kernel, stride if i == 0 else 1, relu=i < last)
                for i, kernel in enumerate(kernels)
            )
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu_(self.body(x) + self.shortcut(x))


class LiteBackbone(nn.Module):
    """Image (B, 3, S, S) of 0..255 -> features of strides 4, 8, 16 and 32."""

    def __init__(self) -> None:
        super().__init__()
        width, widths, depths = LITE
        self.stem, stages = conv_bn(3, width, 3, stride=2), []
        for filters, depth in zip(widths, depths, strict=True):
            first = Block(width, filters, basic=True, stride=2)
            stages.append(nn.Sequential(first, *(Block(filters, filters, basic=True) for _ in range(depth - 1))))
            width = filters
        self.stages, self.widths = nn.ModuleList(stages), widths

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        x, features = self.stem(image / 64 - 2), []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class ResNetBackbone(nn.Module):
    """timm's ResNet101 with the stride in a block's first convolution, as in keras.applications."""

    def __init__(self) -> None:
        super().__init__()
        self.body = timm.create_model("resnet101", features_only=True, out_indices=(1, 2, 3, 4))
        for stage in (2, 3, 4):
            block = getattr(self.body, f"layer{stage}")[0]
            block.conv1.stride, block.conv2.stride = (2, 2), (1, 1)
        self.widths = (256, 512, 1024, 2048)

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        return self.body(image / 64 - 2)


class Merge(nn.Module):
    """A 1x1 convolution of the levels, upsampled to the last and concatenated; applied to each before upsampling."""

    def __init__(self, width: int, filters: int, upsampling: dict, relu: bool) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(width, filters, 1, bias=False) for _ in LEVELS)
        self.norm, self.upsampling, self.relu = nn.BatchNorm2d(filters), upsampling, relu

    def forward(self, columns: Sequence[torch.Tensor]) -> torch.Tensor:
        total = self.convs[-1](columns[-1])
        for conv, x in zip(self.convs[:-1], columns[:-1], strict=True):
            total = total + functional.interpolate(conv(x), total.shape[2:], **self.upsampling)
        total = self.norm(total)
        return functional.relu_(total) if self.relu else total


class TrainingCpn(nn.Module):
    """Image (B, 3, S, S) of 0..255 and mask (B, K, 1, 1) -> heatmaps of the four levels, the refined ones, logits."""

    def __init__(self, network: str) -> None:
        super().__init__()
        self.lite = network == "lite"
        self.backbone = LiteBackbone() if self.lite else ResNetBackbone()
        width = 48 if self.lite else 256
        self.upsampling = {"mode": "nearest"} if self.lite else {"mode": "bilinear", "align_corners": False}
        widths = dict(zip((2, 3, 4, 5), self.backbone.widths, strict=True))
        self.lateral = nn.ModuleDict({str(n): conv_bn(widths[n], width, 1) for n in LEVELS})
        self.merge = nn.ModuleDict({str(n): conv_bn(width, width, 1, relu=False) for n in LEVELS[1:]})
        self.head = nn.ModuleDict(
            {str(n): nn.Sequential(conv_bn(width, width, 1), nn.Conv2d(width, KEYPOINTS, 3, padding=1)) for n in LEVELS}
        )
        self.refine = nn.ModuleDict(
            {str(n): nn.Sequential(*(Block(width, width, self.lite) for _ in range(n - 2))) for n in LEVELS}
        )
        if self.lite:
            self.reduce, self.final = Merge(width, width, self.upsampling, relu=True), Block(width, width, basic=True)
        else:
            self.reduce = Merge(width, width // 2, self.upsampling, relu=True)
            self.shortcut = Merge(width, width, self.upsampling, relu=False)
            self.final = nn.Sequential(conv_bn(width // 2, width // 2, 3), conv_bn(width // 2, width, 1, relu=False))
        self.refined = nn.Conv2d(width, KEYPOINTS, 3, padding=1)
        self.category = nn.Linear(widths[5], CATEGORIES)

    def forward(self, image: torch.Tensor, mask: torch.Tensor):
        features = dict(zip((2, 3, 4, 5), self.backbone(image), strict=True))
        columns, heatmaps, above = [], [], None
        for level in LEVELS:
            x = self.lateral[str(level)](features[level])
            if above is not None:
                x = x + functional.interpolate(self.merge[str(level)](above), scale_factor=2, **self.upsampling)
            above = x
            maps = self.head[str(level)](x).float()
            if level > 2:
                maps = functional.interpolate(maps, scale_factor=2 ** (level - 2), mode="bilinear", align_corners=False)
            heatmaps.append(maps * mask)
            columns.append(self.refine[str(level)](x))
        x = self.final(self.reduce(columns))
        if not self.lite:
            x = functional.relu_(x + self.shortcut(columns))
        refined = self.refined(x).float() * mask
        return heatmaps, refined, self.category(features[5].mean((2, 3))).float()


def objective(outputs, heat: torch.Tensor, labelled: torch.Tensor, keep: int, category: torch.Tensor) -> torch.Tensor:
    """The sum of all losses; heat (B, K, h, w), labelled (B, K)."""
    levels, refined, logits = outputs
    energy = math.pi * 1.5**2

    def errors(maps: torch.Tensor) -> torch.Tensor:
        return (heat - maps).square().sum((2, 3)) / energy * labelled

    total = sum(errors(maps).sum(1).div(labelled.sum(1)).mean() for maps in levels)
    hardest = errors(refined).topk(keep, dim=1).values.mean()
    return total + hardest + 0.1 * functional.cross_entropy(logits, category)
