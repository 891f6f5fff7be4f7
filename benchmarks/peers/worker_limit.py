"""The limit of the machine: the highest rate of multiply-adds of a matrix product at each precision.

{"do": "rate"} -> {"f32": 1.2e11, ...}   multiply-adds a second
"""

# pyright: reportMissingImports=false

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch_modes import versions
from worker import Options, converse, read_options

SHAPES = ((1024, 1024, 1024), (2048, 2048, 2048), (4096, 1024, 1024), (16384, 256, 2304), (4096, 4096, 4096))
"""(rows, columns, inner): squares, and a 3x3 convolution of 256 channels on 128x128 cells."""
SECONDS = 0.5
"""How long each product is repeated."""


def products(rows: int, columns: int, inner: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Precision -> a product of (rows, inner) and (inner, columns) in it; for int8 there are two."""
    left, right = torch.randn(rows, inner), torch.randn(inner, columns)
    yield "f32", lambda: torch.mm(left, right)
    left16, right16 = left.bfloat16(), right.bfloat16()
    yield "bf16", lambda: torch.mm(left16, right16)
    left8 = torch.randint(0, 127, (rows, inner), dtype=torch.int8)
    right8 = torch.randint(-127, 127, (columns, inner), dtype=torch.int8)
    yield "int8", lambda: torch._int_mm(left8, right8.t())
    yield "int8", _quantised_layer(left8.to(torch.uint8), right8)


def _quantised_layer(left: torch.Tensor, right: torch.Tensor) -> Callable[[], Any]:
    """oneDNN's int8 layer (rows, inner) x (columns, inner) with weights packed beforehand and an int8 result."""
    packed = torch.ops.onednn.qlinear_prepack(right, None)
    scales, zeros = torch.ones(right.shape[0]), torch.zeros(right.shape[0], dtype=torch.int64)
    layer = torch.ops.onednn.qlinear_pointwise
    return lambda: layer(left, 1.0, 0, packed, scales, zeros, None, 1.0, 0, torch.uint8, "none", [], "")


def best_rate(product: Callable[[], Any], multiply_adds: int) -> float:
    """Multiply-adds a second of the fastest repetition."""
    product()
    best, end = 0.0, time.perf_counter() + SECONDS
    while (start := time.perf_counter()) < end:
        product()
        best = max(best, multiply_adds / (time.perf_counter() - start))
    return best


def rates(options: dict[str, Any]) -> dict[str, float]:
    best: dict[str, float] = {}
    with torch.inference_mode():
        for shape in SHAPES:
            for precision, product in products(*shape):
                rate = best_rate(product, shape[0] * shape[1] * shape[2])
                best[precision] = max(best.get(precision, 0.0), rate)
    return best


def main(options: Options) -> None:
    torch.set_num_threads(options.threads)
    converse(lambda: ({"versions": versions()}, {"rate": rates}))


if __name__ == "__main__":
    main(read_options())
