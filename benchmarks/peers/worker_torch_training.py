"""Training steps of the same network in PyTorch eager: one for every line that `training_peers.py` sends."""

# pyright: reportMissingImports=false

import argparse
import json
import sys
import time

import torch
from torch_training import KEYPOINTS, TrainingCpn, objective


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("size", "batch", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--network", required=True)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), required=True)
    parser.add_argument("--layout", choices=("contiguous_format", "channels_last"), required=True)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    layout, side = getattr(torch, options.layout), options.size // 4
    net = TrainingCpn(options.network).train().to(memory_format=layout)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-4)
    image = (255 * torch.rand(options.batch, 3, options.size, options.size)).to(memory_format=layout)
    heat = torch.rand(options.batch, KEYPOINTS, side, side).to(memory_format=layout)
    labelled, category = torch.ones(options.batch, KEYPOINTS), torch.zeros(options.batch, dtype=torch.long)
    mask = torch.ones(options.batch, KEYPOINTS, 1, 1)

    def step() -> float:
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "bfloat16"):
            outputs = net(image, mask)
        loss = objective(outputs, heat, labelled, KEYPOINTS // 2, category)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        optimizer.step()
        loss.item()
        return time.perf_counter() - start

    for _ in range(2):
        step()
    count = sum(parameter.numel() for parameter in net.parameters())
    print(json.dumps({"parameters": count}), flush=True)
    for _ in sys.stdin:
        print(json.dumps({"seconds": step()}), flush=True)


if __name__ == "__main__":
    main()
