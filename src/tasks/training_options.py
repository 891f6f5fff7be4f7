"""How a network is trained, beside its configuration; the options of both training commands."""

from dataclasses import dataclass
from pathlib import Path

from ..files import CHECKOUT


@dataclass(frozen=True)
class TrainingOptions:
    """What decides where a training starts, what it reads, and what it keeps when."""

    data: Path = CHECKOUT / "data"
    """folder with the training set: of keypoints in the FashionAI layout, or with train.json, or a file of COCO
    keypoints; of a classifier the attribute sets, the shards of styles, or train.txt and val.txt of products"""
    out: Path = CHECKOUT / "trained_models"
    """folder in which the run folder is made"""
    weights: str = "auto"
    """start of the backbone: auto (ImageNet where it can be fetched), imagenet, none, a Keras weights file, a
    checkpoint of PyTorch for its backbone or its name on the hub, such as hf://timm/resnet50d.ra2_in1k, or the run
    folder of a keypoint network with the same backbone; or shipped, to start the whole network from the one that comes
    with the package, with those of its outputs that are wanted"""
    load: Path | None = None
    """a run folder, a folder of runs to take the latest trained one of, or a weights file of this network, to start
    from instead of --weights; with --resume a run folder goes on"""
    reset: bool = False
    """with --load: take the backbone alone, and start everything else at random"""
    resume: bool = False
    """go on with a run, exactly: the newest of this category or task, or the one that --load names"""
    init_epoch: int | None = None
    """with --load: epochs that the weights have already been trained for; the new run counts and decays from there"""
    gpu_id: str | None = None
    """GPUs to use, such as 0 or 0,1; all by default"""
    workers: int = 0
    """processes that prepare batches; 0 prepares them in threads"""
    val_freq: int = 1
    """epochs between validations; the last epoch is always validated"""
    save_freq: int = 1
    """epochs between the models that are kept; the last one always is"""
    save_every: int = 500
    """steps between the states that are kept within an epoch"""
    keep: int = 3
    """models kept beside the best one: those of the last epochs"""
    strict: bool = False
    """stop at the first photo that cannot be read"""
    debug: bool = False
    """two epochs of ten steps on few photos, to see that all works"""

    def __post_init__(self) -> None:
        least = {"workers": 0, "val_freq": 1, "save_freq": 1, "save_every": 1, "keep": 0}
        for name, low in least.items():
            if getattr(self, name) < low:
                raise ValueError(f"--{name.replace('_', '-')} {getattr(self, name)}; expected {low} or more")
        if self.reset and self.resume:
            raise ValueError("--reset starts a new run and --resume continues one as it is: drop one of them")
        for name, given in {"--reset": self.reset, "--init-epoch": self.init_epoch is not None}.items():
            if given and self.load is None:
                raise ValueError(f"{name} needs --load with a run folder or weights file")
        if self.load is not None and not self.load.exists():
            raise ValueError(f"no run folder and no weights file at {self.load}, which --load names")
