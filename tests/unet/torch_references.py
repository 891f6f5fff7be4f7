"""The reference networks, in PyTorch: reads lines of JSON, one a network, and answers each with the files it wrote.

Runs in an environment with torch and timm, and without this project. Weights are loaded strictly: a name or shape that
the reference does not have ends it.

    {"name": "resnet18d", "weights": "in.safetensors", "images": "in.npz", "checkpoint": "out.pth", "told": "out.npz"}
"""

import json
import sys

import numpy as np
import safetensors.torch
import timm
import torch
from torch import nn

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
DEPTHS = {
    "iresnet50": (3, 4, 6, 3),
    "iresnet101": (3, 4, 23, 3),
    "iresnet152": (3, 8, 36, 3),
    "iresnet200": (3, 24, 36, 3),
}


class ImprovedBlock(nn.Module):
    """A block of the improved residual network, arXiv:2004.04989: of a stage's start, middle or end."""

    def __init__(self, inputs: int, width: int, number: int, count: int) -> None:
        super().__init__()
        self.start, self.end = number == 0, number == count - 1
        stride = 2 if self.start else 1
        if number > 1:
            self.bn0 = nn.BatchNorm2d(inputs)
        self.conv1, self.bn1 = nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        if self.start or self.end:
            self.bn3 = nn.BatchNorm2d(4 * width)
        if self.start:
            projection = nn.Conv2d(inputs, 4 * width, 1, bias=False)
            self.downsample = nn.Sequential(nn.MaxPool2d(3, 2, 1), projection, nn.BatchNorm2d(4 * width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn0(x) if hasattr(self, "bn0") else x
        y = self.conv1(y if self.start else y.relu())
        y = self.conv3(self.bn2(self.conv2(self.bn1(y).relu())).relu())
        if self.start:
            return self.bn3(y) + self.downsample(x)
        return self.bn3(x + y).relu() if self.end else x + y


class ImprovedResNet(nn.Module):
    def __init__(self, depths: tuple[int, ...]) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        inputs = 64
        for stage, count in enumerate(depths):
            width, blocks = 64 * 2**stage, []
            for number in range(count):
                blocks.append(ImprovedBlock(inputs, width, number, count))
                inputs = 4 * width
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(inputs, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.bn1(self.conv1(x)).relu()
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
        return self.fc(x.mean((2, 3)))


def network(name: str) -> nn.Module:
    """`_torch` marks the plain ResNets, of which keras.applications has others."""
    if name in DEPTHS:
        return ImprovedResNet(DEPTHS[name])
    return timm.create_model(name.removesuffix("_torch"), pretrained=False)


@torch.inference_mode()
def told(net: nn.Module, image: np.ndarray) -> dict[str, np.ndarray]:
    """image: (1, H, W, 3), 0..255 -> P2 to P5 (1, h, w, C) and logits (1, 1000)."""
    found = {}
    stages = [getattr(net, f"layer{stage}") for stage in range(1, 5)]
    hooks = [
        stage.register_forward_hook(lambda _, __, out, level=level: found.update({f"P{level}": out.clone()}))
        for level, stage in enumerate(stages, start=2)
    ]
    x = (torch.from_numpy(image) / 255 - torch.tensor(MEAN)) / torch.tensor(DEVIATION)
    logits = net(x.permute(0, 3, 1, 2))
    for hook in hooks:
        hook.remove()
    return {level: x.permute(0, 2, 3, 1).numpy() for level, x in found.items()} | {"logits": logits.numpy()}


def answer(words: dict[str, str]) -> None:
    net = network(words["name"]).eval()
    given = safetensors.torch.load_file(words["weights"])
    missing, unexpected = net.load_state_dict(given, strict=False)
    wrong = [*(name for name in missing if not name.endswith("num_batches_tracked")), *unexpected]
    if wrong:
        raise SystemExit(f"{words['name']} has not the tensors of the reference: {', '.join(wrong)}")
    if words["checkpoint"].endswith(".safetensors"):
        safetensors.torch.save_file(net.state_dict(), words["checkpoint"])
    else:
        wrapped = {f"module.{name}": value for name, value in net.state_dict().items()}
        torch.save({"epoch": 90, "arch": words["name"], "state_dict": wrapped}, words["checkpoint"])
    images = np.load(words["images"])
    results = {f"{side}/{key}": value for side in images for key, value in told(net, images[side]).items()}
    np.savez(words["told"], **results)


if __name__ == "__main__":
    torch.set_num_threads(2)
    for line in sys.stdin:
        answer(json.loads(line))
        print(json.dumps({"versions": f"PyTorch {torch.__version__}, timm {timm.__version__}"}), flush=True)
