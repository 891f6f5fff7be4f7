"""`aifashion weights`: weights that were trained elsewhere become weights of a backbone."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from aifashion.tasks.weight_sources import find_start
from aifashion.top.arguments import run_command, tell, warn


@dataclass(frozen=True)
class ConvertArguments:
    """Turn a checkpoint of PyTorch into a Keras weights file, which --weights of the trainings takes.

    Nothing in the file is executed. Every tensor that is missing or too many is named, and nothing is written, unless
    it is accepted; the classifier of the checkpoint is left out.
    """

    checkpoint: tyro.conf.Positional[str]
    """.safetensors, or what torch.save wrote (.pth, .pt, .bin), or a name on the hub such as hf://timm/resnet50d.ra2_in1k"""
    backbone: str
    """the network that it belongs to, such as resnet50d; docs/backbones.md lists them"""
    out: Path
    """file to write; ends in .weights.h5"""
    accept_missing: tuple[str, ...] = ()
    """tensors that can be missing, as patterns such as 'layer4.*'; they start at random"""
    accept_unexpected: tuple[str, ...] = ()
    """tensors that can be left over, as patterns"""


def convert(arguments: Sequence[str] | None = None) -> None:
    run_command("aifashion weights convert", ConvertArguments, arguments, _convert)


def _convert(args: ConvertArguments) -> None:
    from aifashion.unet.framework import import_keras

    import_keras()
    from aifashion.unet.backbones.conversion import convert_checkpoint

    path = Path(find_start(args.checkpoint).weights)
    missing, extra = convert_checkpoint(path, args.backbone, args.out, args.accept_missing, args.accept_unexpected)
    if missing:
        warn(f"missing, and so at random: {', '.join(missing)}")
    if extra:
        warn(f"not used: {', '.join(extra)}")
    digest = hashlib.sha256(args.out.read_bytes()).hexdigest()
    tell(f"Wrote {args.out} ({args.out.stat().st_size / 1e6:.1f} MB, sha256 {digest}): {args.backbone} from {path}")
