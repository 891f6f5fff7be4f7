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
    """Convert a PyTorch checkpoint to a Keras weights file, for --weights of the training commands.

    Nothing in the checkpoint is executed. If tensors are missing or left over, the command names them and writes
    nothing, unless you accept them. The classifier of the checkpoint is not converted. The weights file keeps the mean
    and deviation by which the input is normalised.
    """

    checkpoint: tyro.conf.Positional[str]
    """a .safetensors file, a torch.save file (.pth, .pt, .bin), or a name on the Hugging Face hub, such as
    hf://timm/resnet50d.ra2_in1k"""
    backbone: str
    """the backbone of the checkpoint, such as resnet50d; docs/backbones.md lists them"""
    out: Path
    """file to write; its name must end in .weights.h5"""
    accept_missing: tuple[str, ...] = ()
    """tensors that can be missing in the checkpoint, as patterns such as 'layer4.*'; they start at random"""
    accept_unexpected: tuple[str, ...] = ()
    """tensors of the checkpoint that the backbone does not have and that can be ignored, as patterns"""
    prefix: str = ""
    """what the names of the backbone's tensors begin with, such as student.cnn.; prefixes of common wrappers such as
    module. are found without it"""
    entry: str = ""
    """which state dict of a file that has several, such as state_dict_ema"""
    mean: tuple[float, float, float] | None = None
    """mean of red, green and blue (0 to 1) by which the input was normalised; by default as the config.json of timm
    beside the checkpoint says, or that of ImageNet"""
    std: tuple[float, float, float] | None = None
    """deviation of red, green and blue; its default is found as that of --mean"""


def convert(arguments: Sequence[str] | None = None) -> None:
    run_command("aifashion weights convert", ConvertArguments, arguments, _convert)


def _convert(args: ConvertArguments) -> None:
    from aifashion.unet.framework import import_keras

    import_keras()
    from aifashion.unet.backbones.conversion import Known, convert_checkpoint
    from aifashion.unet.backbones.reading import first
    from aifashion.unet.normalization import InputStatistics

    if (args.mean is None) != (args.std is None):
        raise ValueError("--mean and --std go together: give both or neither")
    statistics = None if args.mean is None or args.std is None else InputStatistics(args.mean, args.std)
    known = Known(args.entry, args.prefix, statistics)
    if Path(args.checkpoint).is_dir():
        raise ValueError(
            f"{args.checkpoint} is a folder; expected the file of a checkpoint, such as model.safetensors in it, or "
            "its name on the Hugging Face hub"
        )
    path = Path(find_start(args.checkpoint).weights)
    missing, extra = convert_checkpoint(
        path, args.backbone, args.out, args.accept_missing, args.accept_unexpected, known
    )
    if missing:
        warn(f"missing, and so at random: {first(missing, 50)}")
    if extra:
        warn(f"not used: {first(extra, 50)}")
    digest = hashlib.sha256(args.out.read_bytes()).hexdigest()
    tell(f"Wrote {args.out} ({args.out.stat().st_size / 1e6:.1f} MB, sha256 {digest}): {args.backbone} from {path}")
