"""The architecture of RTMPose-m (arXiv:2303.07399) in PyTorch, with random weights: CSPNeXt-m and a SimCC head.

Written from the papers: CSPNeXt and its channel attention are those of RTMDet (arXiv:2212.07784), SimCC is
arXiv:2107.03332, the gated attention unit arXiv:2202.10447. With 17 keypoints at 256x192 the paper counts 13.59 M
parameters and 1.93 G multiply-adds; `python benchmarks/peers/torch_rtmpose.py` compares these numbers.
"""

# pyright: reportMissingImports=false

import torch
from torch import nn
from torch.nn import functional

HEIGHT, WIDTH = 256, 192
"""The network's input in px."""
SPLIT = 2
"""SimCC classes per px."""
PARAMETERS, MULTIPLY_ADDS = 13.59e6, 1.93e9
"""Numbers of the paper's RTMPose-m with 17 keypoints (table 1)."""
WIDTHS, DEPTHS = (48, 96, 192, 384, 768), (2, 4, 4, 2)
"""CSPNeXt-m: 0.75 of the channels and 0.67 of the blocks of CSPNeXt-l."""
HIDDEN, KEY = 256, 128


def conv(channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Module:
    """Convolution with folded batch norm, as for inference, and SiLU."""
    return nn.Sequential(nn.Conv2d(channels, out, kernel, stride, kernel // 2, groups=groups), nn.SiLU(inplace=True))


class Block(nn.Module):
    """3x3 convolution, then 5x5 depthwise and 1x1; optionally with a shortcut."""

    def __init__(self, channels: int, shortcut: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv(channels, channels, 3), conv(channels, channels, 5, groups=channels), conv(channels, channels, 1)
        )
        self.shortcut = shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x) + x if self.shortcut else self.body(x)


class Stage(nn.Module):
    """Two branches of half the width, one of them through `depth` blocks, joined by channel attention."""

    def __init__(self, channels: int, depth: int, shortcut: bool) -> None:
        super().__init__()
        half = channels // 2
        self.main, self.side, self.last = conv(channels, half, 1), conv(channels, half, 1), conv(channels, channels, 1)
        self.blocks = nn.Sequential(*(Block(half, shortcut) for _ in range(depth)))
        self.attention = nn.Conv2d(channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.cat([self.blocks(self.main(x)), self.side(x)], 1)
        return self.last(x * functional.hardsigmoid(self.attention(x.mean((2, 3), keepdim=True))))


class PooledPyramid(nn.Module):
    """Spatial pyramid pooling: the map and its maxima over 5, 9 and 13 cells."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.last = conv(channels, channels // 2, 1), conv(channels * 2, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        return self.last(torch.cat([x, *(functional.max_pool2d(x, side, 1, side // 2) for side in (5, 9, 13))], 1))


def cspnext() -> nn.Sequential:
    """(B, 3, H, W) -> (B, 768, H/32, W/32)."""
    stem = WIDTHS[0]
    parts = [conv(3, stem // 2, 3, 2), conv(stem // 2, stem // 2, 3), conv(stem // 2, stem, 3)]
    for number, (before, channels, depth) in enumerate(zip(WIDTHS[:-1], WIDTHS[1:], DEPTHS, strict=True)):
        last = number == len(DEPTHS) - 1
        parts.append(conv(before, channels, 3, 2))
        parts += [PooledPyramid(channels)] if last else []
        parts.append(Stage(channels, depth, shortcut=not last))
    return nn.Sequential(*parts)


class ScaleNorm(nn.Module):
    """Normalises vectors to the same length, times a learned scale."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.factor, self.scale = channels**-0.5, nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / (x.norm(dim=-1, keepdim=True) * self.factor).clamp(min=1e-5) * self.scale


class GatedAttention(nn.Module):
    """Self-attention among keypoints, (B, K, 256) -> the same shape, with squared ReLU instead of softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.inner = ScaleNorm(HIDDEN), 2 * HIDDEN
        self.enter = nn.Linear(HIDDEN, 2 * self.inner + KEY, bias=False)
        self.leave = nn.Linear(self.inner, HIDDEN, bias=False)
        self.scale, self.shift = nn.Parameter(torch.rand(2, KEY)), nn.Parameter(torch.zeros(2, KEY))
        self.residual = nn.Parameter(torch.ones(HIDDEN))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gate, value, base = functional.silu(self.enter(self.norm(x))).split([self.inner, self.inner, KEY], dim=-1)
        query, key = (base[..., None, :] * self.scale + self.shift).unbind(-2)
        weights = functional.relu(query @ key.transpose(1, 2) / KEY**0.5).square()
        return x * self.residual + self.leave(gate * (weights @ value))


class RTMPose(nn.Module):
    """Normalised RGB (B, 3, 256, 192) -> scores of x (B, K, 384) and of y (B, K, 512)."""

    def __init__(self, keypoints: int) -> None:
        super().__init__()
        self.backbone = cspnext()
        self.planes = nn.Conv2d(WIDTHS[-1], keypoints, 7, padding=3)
        cells = HEIGHT // 32 * (WIDTH // 32)
        self.embed = nn.Sequential(ScaleNorm(cells), nn.Linear(cells, HIDDEN, bias=False))
        self.attention = GatedAttention()
        self.x = nn.Linear(HIDDEN, WIDTH * SPLIT, bias=False)
        self.y = nn.Linear(HIDDEN, HEIGHT * SPLIT, bias=False)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        # ImageNet's mean and deviation; here one number for all channels, which costs the same.
        x = ((image - 116.0) / 57.6).to(self.planes.weight.dtype)
        tokens = self.attention(self.embed(self.planes(self.backbone(x)).flatten(2)))
        return self.x(tokens), self.y(tokens)


def counts(network: nn.Module) -> tuple[int, int]:
    """Parameters, including those of the folded batch norms, and multiply-adds of one image."""
    total, shapes = 0, []

    def add(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        places = output.numel() // output.shape[-3 if isinstance(module, nn.Conv2d) else -1]
        shapes.append(module.weight.numel() * (places if isinstance(module, nn.Conv2d) else output.shape[1]))

    handles = [m.register_forward_hook(add) for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    with torch.inference_mode():
        network(torch.zeros(1, 3, HEIGHT, WIDTH))
    for handle in handles:
        handle.remove()
    # A batch norm has a scale and a shift; the shift is already counted as the folded convolution's bias.
    total = sum(parameter.numel() for parameter in network.parameters())
    total += sum(m[0].out_channels for m in network.modules() if isinstance(m, nn.Sequential) and _normed(m))
    return total, sum(shapes)


def _normed(module: nn.Sequential) -> bool:
    return len(module) == 2 and isinstance(module[0], nn.Conv2d) and isinstance(module[1], nn.SiLU)


if __name__ == "__main__":
    parameters, multiply_adds = counts(RTMPose(17).eval())
    print(f"parameters     {parameters / 1e6:.2f} M, paper {PARAMETERS / 1e6:.2f} M")
    print(f"multiply-adds  {multiply_adds / 1e9:.2f} G, paper {MULTIPLY_ADDS / 1e9:.2f} G")
