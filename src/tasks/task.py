"""What every kind of task offers, so that one training, one evaluation and one export serve them all."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from ..data_gen.batches import Batch
from ..serve.artifact import Manifest, Stage, is_artifact

Pictures = dict[str, Callable[[Path], None]]
"""By the name of the file, what draws it."""
Apart = dict[str, float]
"""By name, how far two computations of the same outputs are apart."""
LeaveOut = Callable[[str], None]
"""Takes the name of a photo that cannot be read."""


class Task(Protocol):
    """A kind of task with its configuration. A part is what `parts` gives: the photos to train on, or to validate on.

    stage: as artifacts call it. inputs: keys of a batch that the network takes. measure: the number that a lower
    precision can make worse by `measure_bound` at most; output_bound: how far in float32 an output can be from the
    run's. folder: where its run folders lie below trained_models.
    """

    stage: ClassVar[Stage]
    inputs: ClassVar[tuple[str, ...]]
    measure: ClassVar[str]
    measure_bound: ClassVar[float]
    output_bound: ClassVar[float]

    @property
    def config(self) -> Any: ...

    @property
    def folder(self) -> Path: ...

    @staticmethod
    def config_of(run: Path) -> Any:
        """The configuration of a run. Raises RunError or ValueError where it is not a run of this kind."""
        ...

    @classmethod
    def of_run(cls, run: Path) -> Self:
        """The task that a run was trained for."""
        ...

    @classmethod
    def of_model(cls, run: Path, weights: Path | None) -> tuple[Self, Any, Any]:
        """The task, the predict function and the calibration of a run, with other `weights` if given, or artifact."""
        ...

    def with_config(self, config: Any) -> Self: ...

    def parts(self, data: Path) -> tuple[Any, Any]:
        """(train, val). Raises ValueError or OSError where the data are not there, or do not fit the task."""
        ...

    def few(self, part: Any, count: int) -> Any:
        """At most so many photos of a part, from its first to its last."""
        ...

    def names(self, part: Any, data: Path) -> Iterable[str]:
        """What tells the photos apart, the same on every machine."""
        ...

    def name(self, part: Any, index: int) -> str:
        """What messages call a photo."""
        ...

    def photo(self, part: Any, index: int) -> np.ndarray:
        """(H, W, 3) uint8. Raises ImageError where it cannot be read."""
        ...

    def gaps(self, train: Any) -> list[str]:
        """What no photo to train on shows, as warnings."""
        ...

    def batches(self, train: Any, epoch: int, first_step: int, workers: int) -> Iterator[Batch]: ...

    def pictures(self, train: Any, batch: Batch) -> list[tuple[np.ndarray, str]]:
        """The photos of a batch, with what is drawn on them, and their labels in words."""
        ...

    def check(self) -> None:
        """Raises ValueError for a network that is not known."""
        ...

    def net(self, weights: str | None = None) -> Any:
        """The network, its backbone with these weights. Raises WeightsError for those that cannot be had."""
        ...

    def transferred_net(self) -> Any:
        """The network with what fits of the one that comes with the package."""
        ...

    def backbone(self, net: Any) -> Any:
        """The layer of the network that is its backbone."""
        ...

    def check_outputs_of(self, run: Path) -> None:
        """Raises RunError where a run's outputs mean other things than this task's."""
        ...

    def check_heads(self, run: Path) -> None:
        """Raises RunError where a run that is to go on has other heads."""
        ...

    def write_heads(self, run: Path) -> None: ...

    def objective(self, train: Any) -> tuple[Callable, list[str]]:
        """(targets, outputs) -> losses by name, and their names in order."""
        ...

    def predictor(self, net: Any) -> Any: ...

    def answers(self, predict: Any, part: Any, leave_out: LeaveOut, calibration: Any = None) -> Any:
        """The answers to all photos of a part that can be read. Raises ValueError where there are none."""
        ...

    def numbers(self, part: Any, answers: Any) -> dict[str, float]:
        """What the answers score, by name; `score` is the one that training lowers."""
        ...

    def log_line(self, row: dict[str, Any]) -> str: ...

    def calibrate(self, run: Path, part: Any, answers: Any) -> None:
        """Fits the calibration to answers on validation photos, and keeps it in the run."""
        ...

    def report(self, part: Any, answers: Any, calibration: Any) -> tuple[dict[str, float], Pictures]:
        """All numbers of an evaluation, and its pictures."""
        ...

    def read_calibration(self, run: Path) -> Any: ...

    def mirrored(self, predict: Any) -> Any:
        """The mean over the image and its mirror image."""
        ...

    def serving_net(self, net: Any, calibration: Any, flip: bool) -> Any: ...

    def kernels(self, net: Any) -> dict[str, np.ndarray] | None:
        """What class activation maps are computed with, where the crops depend on them."""
        ...

    def described(self, manifest: Manifest, calibration: Any) -> Manifest:
        """The manifest with what only this kind of task has."""
        ...

    def example(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """(S, S, 3) uint8 -> the inputs of a serving net by name, a batch of one."""
        ...

    def artifact_predictor(self, network: Any) -> Any: ...

    def outputs_apart(self, predict: Any, network: Any, images: np.ndarray) -> Apart:
        """The largest differences between a run's outputs and an artifact's."""
        ...


def spread(count: int, most: int) -> np.ndarray:
    """Indices (N,) of at most so many of `count`, from first to last, since lists are often grouped by task or kind."""
    return np.linspace(0, count - 1, min(count, most)).astype(int)


def stage_of(run: Path) -> str:
    """The kind of task of a run folder or an artifact. Raises RunError where it is neither, ValueError for another."""
    if is_artifact(run):
        return Manifest.read(run).stage
    from ..unet.runs import read_config  # Keras loads here

    kind = json.loads(read_config(run)).get("kind")
    if kind not in ("keypoints", "attributes"):
        raise ValueError(f"{run / 'config.json'} is of a run of kind {kind!r}; expected keypoints or attributes")
    return kind
