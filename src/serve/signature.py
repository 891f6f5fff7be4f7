"""What the network of an artifact takes and gives, by its manifest, and whether the network that is there does."""

from collections.abc import Mapping
from typing import NamedTuple

from .artifact import KERNELS, ArtifactError, Manifest


class Array(NamedTuple):
    """shape: without the batch; None where it is not fixed. dtype: the name that NumPy has for it."""

    shape: tuple[int | None, ...]
    dtype: str

    def __str__(self) -> str:
        return f"(B, {', '.join('?' if side is None else str(side) for side in self.shape)}) {self.dtype}"


Arrays = Mapping[str, Array]


class Signature(NamedTuple):
    """inputs, outputs: by name."""

    inputs: Arrays
    outputs: Arrays


def expected_signature(manifest: Manifest) -> Signature:
    """What the network must take and give if the manifest describes it."""
    side = manifest.config["size"]
    inputs = {"image": Array((side, side, 3), "uint8")}
    if manifest.stage == "keypoints":
        config = manifest.keypoint_config
        count, (h, w) = len(config.vocabulary.keypoints), config.codec.shape
        outputs = {"heatmaps": (h, w, count), "keypoints": (count, 3), "category": (len(config.vocabulary.categories),)}
        inputs["mask"] = Array((count,), "float32")
    elif manifest.stage == "detection":
        config = manifest.detection_config
        (h, w), count = config.codec.shape, len(config.vocabulary.categories)
        outputs = {"heat": (h, w, count), "distances": (h, w, count, 4)}
    else:
        outputs = {}
        for head in manifest.heads:
            classes = len(head.classes)
            outputs[head.name], outputs[f"logits_{head.name}"] = (classes,), (classes - (head.kind == "ordinal"),)
        if KERNELS in manifest.files:
            outputs["features"] = (None, None, None)
    return Signature(inputs, {name: Array(shape, "float32") for name, shape in outputs.items()})


def check_signature(manifest: Manifest, found: Signature) -> None:
    """Raises ArtifactError, naming the manifest, where the network takes or gives other arrays than it says."""
    for what, wanted, there in zip(("inputs", "outputs"), expected_signature(manifest), found, strict=True):
        if set(wanted) != set(there):
            raise ArtifactError(
                f"{manifest.path}: the network has other {what} than the manifest says: {_names(set(there))} instead "
                f"of {_names(set(wanted))}: export the run again"
            )
        for name, array in wanted.items():
            if not _agree(array, there[name]):
                raise ArtifactError(
                    f"{manifest.path}: by the manifest {name}, one of the network's {what}, is {array}; in the network "
                    f"it is {there[name]}: export the run again"
                )


def _agree(wanted: Array, found: Array) -> bool:
    if wanted.dtype != found.dtype or len(wanted.shape) != len(found.shape):
        return False
    return all(a is None or b is None or a == b for a, b in zip(wanted.shape, found.shape, strict=True))


def _names(names: set[str], shown: int = 8) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:shown]) + (" ..." if len(names) > shown else "") if names else "none"
