"""Modes in which PyTorch eager can compute a network; the fastest one is measured."""

# pyright: reportMissingImports=false

from typing import Any

import numpy as np
import torch
from torch import nn

FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


class EagerNetwork:
    """A network in eval mode under inference_mode, in float32 or bfloat16.

    precision: f32 or bf16. bf16 is computed under autocast, or with bfloat16 weights. The network gets float32 images
    of 0..255, and casts them after normalisation.
    """

    def __init__(self, network: nn.Module, precision: str, threads: int) -> None:
        torch.set_num_threads(threads)
        self.network = network.eval()
        kinds = ("float32",) if precision == "f32" else ("autocast", "bfloat16")
        self.modes = tuple(f"{kind} {layout}" for kind in kinds for layout in FORMATS)
        self.use(self.modes[0])

    def use(self, mode: str) -> None:
        """Switches to one of `modes`. Weights stay rounded to bfloat16 once they were; autocast rounds them equally."""
        self.kind, layout = mode.split()
        self.layout = FORMATS[layout]
        dtype = torch.bfloat16 if self.kind == "bfloat16" else torch.float32
        self.network.to(dtype=dtype, memory_format=self.layout)

    def __call__(self, images: np.ndarray) -> Any:
        """images (B, H, W, 3) uint8 -> the network's outputs."""
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=self.kind == "autocast"):
            x = torch.from_numpy(images).permute(0, 3, 1, 2)
            return self.network(x.to(torch.float32, memory_format=self.layout))


def arrays(tensors: Any) -> list[np.ndarray]:
    return [tensor.float().numpy() for tensor in tensors]


def versions() -> str:
    return f"PyTorch {torch.__version__}"
