"""The networks that come with the package: where they lie, and the name that means them.

Each stage is an artifact, which runs without Keras, with the Keras weights that finetuning starts from and a model card
beside it. The weights are compact: kernels that the artifact holds, also those in int8, are kept there alone, and the
others are in float16 (unet/compact_weights.py). `python recipes/photograph_networks.py` writes all of it.
"""

from pathlib import Path

from .artifact import MANIFEST, ArtifactError, Manifest, Stage

WORD = "shipped"
"""What the commands that predict take for them where they take a run or an artifact, and trainings as a start."""
SHIPPED = Path(__file__).parent / "networks"
STAGES: tuple[Stage, ...] = ("detection", "keypoints", "attributes")
WEIGHTS = "model.weights.h5"
CARD = "MODEL_CARD.md"
_AGAIN = "install the package again, or make the networks: python recipes/photograph_networks.py"


def shipped(stage: Stage) -> Path:
    """The artifact's folder. Raises ArtifactError where this copy of the package came without it."""
    folder = SHIPPED / stage
    if not (folder / MANIFEST).is_file():
        raise ArtifactError(f"{folder} is missing: {_AGAIN}")
    return folder


def shipped_weights(stage: Stage) -> Path:
    """The Keras weights file of a stage, in the compact form that `unet.runs.load_weights` reads.

    Raises ArtifactError where this copy of the package came without it, or with another one.
    """
    path = shipped(stage) / WEIGHTS
    if not path.is_file():
        raise ArtifactError(f"{path} is missing: {_AGAIN}")
    manifest = Manifest.read(path.parent)  # checks the sha256 of all files
    if WEIGHTS not in manifest.files:
        raise ArtifactError(f"{manifest.path} does not list {WEIGHTS}: {_AGAIN}")
    return path


def is_shipped(word: str) -> bool:
    """Whether a name means the shipped networks; a file or folder of that name goes first."""
    return word == WORD and not Path(word).exists()


def or_shipped(path: Path, stage: Stage) -> Path:
    """`path`, or the shipped artifact of the stage where it is the name of that and no file or folder."""
    return shipped(stage) if is_shipped(str(path)) else path
