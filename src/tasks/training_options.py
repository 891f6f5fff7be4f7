"""Options of all training commands, in addition to the configuration of the network."""

from dataclasses import dataclass
from pathlib import Path

from ..files import CHECKOUT


@dataclass(frozen=True)
class TrainingOptions:
    """Options for the start of a training, its input, and what it saves when."""

    data: Path = CHECKOUT / "data"
    """the training set. For keypoints and detectors: a folder in the FashionAI layout, a folder with train.json, a COCO
    file, or a file or folder in another format of docs/formats.md. For classifiers: a folder with FashionAI attribute
    sets, with TFRecords of styles, or with train.txt of products"""
    out: Path = CHECKOUT / "trained_models"
    """the run folder is created in this folder"""
    weights: str = "auto"
    """the weights that the backbone starts from: auto (ImageNet if they can be downloaded, else random), imagenet, none
    (random), a Keras weights file, a PyTorch checkpoint of this backbone, its name on the Hugging Face hub such as
    hf://timm/resnet50d.ra2_in1k, or the run folder of a keypoint network with the same backbone. With shipped, all
    layers that fit start from the network that comes with the package"""
    load: Path | None = None
    """start a new run from this, instead of --weights: a run folder, a folder of runs (its latest finished run is
    used), or a weights file of the same network. With --resume: the run to continue"""
    reset: bool = False
    """with --load: load only the backbone; all other layers start at random"""
    resume: bool = False
    """continue a stopped run: the newest run of this category or task, or the one that --load names"""
    init_epoch: int | None = None
    """with --load: epochs that were already trained; the epoch count and the learning rate continue from there; by
    default 0"""
    gpu_id: str | None = None
    """number of the GPU to use, such as 0; -1 for none; by default the first"""
    workers: int = 0
    """number of processes that prepare batches; 0 uses threads instead"""
    val_freq: int = 1
    """validate every this many epochs, and after the last one"""
    save_freq: int = 1
    """save the model every this many epochs, and after the last one"""
    save_every: int = 500
    """save the training state, from which --resume continues, every this many steps of an epoch"""
    keep: int = 3
    """how many models of the last epochs to keep, in addition to the best one"""
    strict: bool = False
    """stop at the first photo that cannot be read; by default such photos are only reported"""
    debug: bool = False
    """a quick trial: two epochs of ten steps on few photos"""

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
        for above in (self.out, *self.out.absolute().parents):
            if above.exists() and not above.is_dir():
                raise ValueError(f"--out {self.out}: {above} is a file; expected a folder")
        if self.load is not None and not self.load.exists():
            raise ValueError(f"no run folder and no weights file at {self.load}, which --load names")
