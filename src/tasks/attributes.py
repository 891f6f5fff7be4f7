"""The task of a classifier: data, scores, calibration, pictures and export, for every kind of labels."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from ..config import PRODUCT, AttributeConfig
from ..data_gen.label_table import LabelTable, check_labels
from ..eval.attribute_inference import AttributePredict, Outcome, predict_attributes
from ..recognition.attribute_model import (
    FOLDER,
    HEADS_FILE,
    Calibration,
    load_attribute_model,
    read_calibration,
    read_heads,
    write_heads,
)
from ..records import HeadSpec
from ..serve.artifact import Manifest, Stage
from ..serve.shipped import shipped, shipped_weights
from . import spread
from .attribute_data import check_crop
from .attribute_scores import fit_calibration, reliabilities, score_tasks
from .label_kinds import LabelKind, label_kind, product_tables

SHOWN_METRICS = ("map", "basic_precision", "accuracy", "f2", "error")


@dataclass(frozen=True)
class AttributeTask:
    """Classifies garments. See `KeypointTask` for what its functions do.

    trained_heads: heads of an existing network; default: those of the configuration, or of the lists if only they have
    the classes. lists: (train, val) of products, read beforehand for their classes.
    """

    config: AttributeConfig
    trained_heads: tuple[HeadSpec, ...] = ()
    lists: tuple[LabelTable, LabelTable] | None = None

    stage: ClassVar[Stage] = "attributes"
    inputs: ClassVar[tuple[str, ...]] = ("image",)
    measure: ClassVar[str] = "score"
    measure_bound: ClassVar[float] = 0.002
    output_bound: ClassVar[float] = 1e-3

    @classmethod
    def to_train(
        cls, config: AttributeConfig, data: Path, classes: int | None = None, class_names: Path | None = None
    ) -> Self:
        """For a training on `data`. classes, class_names: of products. Errors as in `parts` for their lists."""
        if config.task != PRODUCT:
            return cls(config)
        lists = product_tables(data, classes, class_names)
        check_labels(data, *lists)
        return cls(config, lists=lists)

    @staticmethod
    def config_of(run: Path) -> Any:
        from ..unet.runs import read_attribute_config  # Keras loads here

        return read_attribute_config(run)

    @classmethod
    def of_run(cls, run: Path) -> Self:
        return cls(cls.config_of(run), read_heads(run))

    @classmethod
    def of_model(cls, run: Path, weights: Path | None) -> tuple[Self, Any, Any]:
        model = load_attribute_model(run, weights=weights)
        return cls(model.config, model.heads), model.predict, model.calibration

    @property
    def kind(self) -> LabelKind:
        return label_kind(self.config.task)

    @property
    def heads(self) -> tuple[HeadSpec, ...]:
        return self.trained_heads or (self.lists[0].heads if self.lists else self.kind.heads(self.config))

    @property
    def folder(self) -> Path:
        return Path(FOLDER) / self.config.task

    # ------------------------------------------------------------------------------------------------------ photos

    def parts(self, data: Path) -> tuple[Any, Any]:
        self.kind.find(data)
        check_crop(data, self.config.crop)
        if self.lists is not None:
            return self.lists
        if self.config.task != PRODUCT:
            train, val = self.kind.tables(data, self.config)
            check_labels(data, train, val)
            return train, val
        # The lists of products alone do not define the classes: there can be more than occur, and they can have names.
        train, val = product_tables(data, len(self.heads[0].classes))
        return dataclasses.replace(train, heads=self.heads), dataclasses.replace(val, heads=self.heads)

    def few(self, part: LabelTable, count: int) -> Any:
        return part.select(spread(len(part), count))

    def names(self, part: LabelTable, data: Path) -> Iterable[str]:
        return part.photos.names

    def name(self, part: LabelTable, index: int) -> str:
        return part.photos.name(index)

    def photo(self, part: LabelTable, index: int) -> np.ndarray:
        return part.photos.read(index)

    def gaps(self, train: LabelTable) -> list[str]:
        found = []
        for index, head in enumerate(train.heads):
            missing = [name for name, count in zip(head.classes, train.counts(index), strict=True) if count == 0]
            if len(missing) == len(head.classes):
                found.append(f"no photo to train on is labelled for {head.name}: its outputs will mean nothing")
            elif missing and head.name != PRODUCT:  # the lists of products say so themselves
                found.append(f"no photo to train on is {', '.join(missing)} ({head.name})")
        return found

    def can_score(self, val: LabelTable) -> bool:
        return bool((val.codes >= 0).any())

    def batches(self, train: LabelTable, epoch: int, first_step: int, workers: int) -> Iterator[dict[str, Any]]:
        from ..data_gen.attribute_batches import attribute_batches  # its library must load after the framework

        return attribute_batches(train, self.config, epoch, first_step, workers)

    def pictures(self, train: LabelTable, batch: dict[str, Any]) -> list[tuple[np.ndarray, str]]:
        return [(image, describe_targets(train.heads, batch, index)) for index, image in enumerate(batch["image"])]

    # ----------------------------------------------------------------------------------------------------- network

    def check(self) -> None:
        from ..unet.backbones.classifiers import CLASSIFIERS

        if self.config.network not in CLASSIFIERS:
            raise ValueError(f"unknown network {self.config.network!r}; expected one of {', '.join(CLASSIFIERS)}")

    def net(self, weights: str | None = None) -> Any:
        from ..unet.predictors import attribute_net

        return attribute_net(self.config, self.heads, weights)

    def transferred_net(self) -> Any:
        from ..unet.transfer import warm_attribute_net

        trained, weights = Manifest.read(shipped("attributes")), shipped_weights("attributes")
        return warm_attribute_net(self.config, self.heads, trained.attribute_config, trained.heads, weights)

    def backbone(self, net: Any) -> Any:
        from ..unet.predictors import attribute_backbone

        return attribute_backbone(net)

    def check_outputs_of(self, run: Path) -> None:
        from ..unet.runs import RunError

        # Weights are loaded by their order, so those of another task would fit a head with as many classes.
        if read_heads(run) != self.heads:
            raise RunError(f"{run} has other heads than this training: --reset starts from its backbone alone")

    def check_heads(self, run: Path) -> None:
        from ..unet.runs import RunError

        if not (run / HEADS_FILE).exists():
            return
        found = read_heads(run)
        if found != self.heads:
            mend = "start a new run from its backbone: --load RUN --reset"
            if any(head.name == PRODUCT for head in (*found, *self.heads)):
                mend = "give the same --classes and --class-names as it was started with"
            raise RunError(f"{run} has {_described(found)}; this command asks for {_described(self.heads)}: {mend}")

    def write_heads(self, run: Path) -> None:
        write_heads(run, self.heads)

    def objective(self, train: LabelTable) -> tuple[Callable, list[str]]:
        from ..unet.attribute_losses import attribute_objective, equal_head_weights, loss_names, positive_weights

        heads = train.heads
        labelled = {head.name: int((train.codes[:, index] >= 0).sum()) for index, head in enumerate(heads)}
        weights = {
            head.name: positive_weights(train.counts(index), labelled[head.name])
            for index, head in enumerate(heads)
            if head.kind == "independent"
        }
        head_weights = equal_head_weights(labelled) if self.config.task_weights == "equal" else {}

        def losses(targets, outputs):
            return attribute_objective(targets, outputs, heads, weights, head_weights)

        return losses, loss_names(heads)

    def predictor(self, net: Any) -> Any:
        from ..unet.predictors import attribute_predictor

        return attribute_predictor(net)

    # ------------------------------------------------------------------------------------------------------ scores

    def answers(
        self,
        predict: AttributePredict,
        part: LabelTable,
        leave_out: Callable[[str], None],
        calibration: Calibration | None = None,
    ) -> Any:
        temperatures = calibration.temperatures if calibration else {}
        outcomes = []
        for outcome in predict_attributes(
            predict,
            part.photos,
            part.heads,
            self.config.size,
            temperatures=temperatures,
            batch_size=self.config.batch_size,
        ):
            if outcome.error is None:
                outcomes.append(outcome)
            else:
                leave_out(part.photos.name(outcome.row))
        if not outcomes:
            raise ValueError("not one validation photo can be read")
        return outcomes

    def numbers(self, part: LabelTable, answers: list[Outcome]) -> dict[str, float]:
        return self.kind.numbers(part, answers)

    def log_line(self, row: dict[str, Any]) -> str:
        scores = "  ".join(f"{name} {row[name]:.4f}" for name in SHOWN_METRICS if name in row) or "not validated"
        tasks = "  ".join(f"{name[3:]} {value:.4f}" for name, value in row.items() if name.startswith("ap_"))
        return f"epoch {row['epoch']:3d}  {scores}{'  |  ' if tasks else ''}{tasks}\n"

    def calibrate(self, run: Path, part: LabelTable, answers: list[Outcome]) -> None:
        fit_calibration(run, part, answers)

    def report(
        self, part: LabelTable, answers: list[Outcome], calibration: Calibration
    ) -> tuple[dict[str, float], dict[str, Callable[[Path], None]]]:
        from ..eval.attribute_report import draw_confusions, draw_reliability  # loads matplotlib

        numbers = self.numbers(part, answers)
        states = reliabilities(part, answers, calibration.temperatures)
        for name, (before, after) in states.items():
            numbers |= {f"ece_{name}_before": before.ece, f"ece_{name}_after": after.ece}
        pictures: dict[str, Callable[[Path], None]] = {"reliability.png": lambda path: draw_reliability(states, path)}
        if self.kind.tasks:
            pictures["confusion.png"] = lambda path: draw_confusions(score_tasks(part, answers), path)
        return numbers, pictures

    # ------------------------------------------------------------------------------------------------------ export

    def read_calibration(self, run: Path) -> Any:
        return read_calibration(run, self.heads)

    def mirrored(self, predict: AttributePredict) -> Any:
        def both(images: np.ndarray) -> dict[str, np.ndarray]:
            direct, mirrored = predict(images), predict(np.ascontiguousarray(images[:, :, ::-1]))
            return {name: (direct[name] + mirrored[name]) / 2 for name in direct}

        return both

    def serving_net(self, net: Any, calibration: Calibration, flip: bool) -> Any:
        from ..serve.serving_net import attribute_serving_net

        features = self.config.crop.kind == "cam"
        return attribute_serving_net(net, self.heads, self.config.size, calibration.temperatures, flip, features)

    def kernels(self, net: Any) -> dict[str, np.ndarray] | None:
        from ..unet.predictors import head_kernels

        return head_kernels(net, self.heads) if self.config.crop.kind == "cam" else None

    def described(self, manifest: Manifest, calibration: Calibration) -> Manifest:
        temperatures = {name: np.asarray(value).tolist() for name, value in calibration.temperatures.items()}
        return dataclasses.replace(
            manifest, heads=self.heads, temperatures=temperatures, thresholds=calibration.thresholds
        )

    def example(self, image: np.ndarray) -> dict[str, np.ndarray]:
        return {"image": image[None]}

    def artifact_predictor(self, network: Any) -> Any:
        from ..serve.runtime import attribute_predict

        return attribute_predict(network)

    def outputs_apart(self, predict: AttributePredict, network: Any, images: np.ndarray) -> dict[str, float]:
        expected, found = predict(images), self.artifact_predictor(network)(images)
        apart = (np.abs(_sigmoid(found[h.name]) - _sigmoid(expected[h.name])).max() for h in self.heads)
        return {"probability": float(max(apart))}


def describe_targets(heads: Sequence[HeadSpec], batch: dict[str, Any], index: int) -> str:
    """The labels of one photo of a batch: every class with a share above 0.01."""
    parts = []
    for head in heads:
        if not batch[f"known/{head.name}"][index]:
            continue
        target = batch[f"target/{head.name}"][index]
        shares = sorted(((float(v), c) for v, c in zip(target, head.classes, strict=True) if v > 0.01), reverse=True)
        parts.append(", ".join(c if v > 0.995 else f"{c} {v:.0%}" for v, c in shares[:3]))
    return "; ".join(parts) or "no label"


def _described(heads: Sequence[HeadSpec]) -> str:
    parts = []
    for head in heads:
        few = ", ".join(head.classes[:3]) + (", ..." if len(head.classes) > 3 else "")
        parts.append(f"{head.name} in {len(head.classes)} {head.kind} classes ({few})")
    return "; ".join(parts)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-logits.astype(np.float64))))
