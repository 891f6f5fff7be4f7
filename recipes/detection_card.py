"""Writes the model card of a detector in Markdown, from measured scores."""

from pathlib import Path
from typing import Any

from model_cards import about, limits_of, percent, read_json, table

from aifashion.serve.artifact import Manifest

LIMITS = (
    "It knows five categories: blouse, dress, outwear, skirt and trousers. Other clothes are taken for one of these, "
    "or are not found.",
    "It sees the whole photo at its input size: small garments are missed.",
    "Most of the photographs that it learnt from show one person or one garment; crowds and rails are drawn.",
    "Probabilities are calibrated on the validation photographs, which are few.",
)
ROWS = {
    "ap50": "AP50, all boxes",
    "ap": "AP, all boxes",
    "found": "garments found",
    "found_of_over_5%_of_the_photo": "of those that take over 5% of the photo",
    "found_of_any_category": "found, of any category",
    "right_of_those_told": "right of the boxes that are told",
    "ece": "expected calibration error",
}


def detection_card(folder: Path, scores: Path) -> str:
    """The card of the detector's artifact in `folder`; `scores` has the scores measured by the recipe."""
    manifest = Manifest.read(folder)
    measured = read_json(scores / "detection.json")
    validated = read_json(scores / "validation_detection.json")
    worn, drawn, laid = (measured[name] for name in ("worn", "drawn", "laid"))
    sets = {"worn": worn, "drawn": drawn}
    rows = [[text, *(percent(numbers[name]) for numbers in sets.values())] for name, text in ROWS.items()]
    rows.append(["false alarms in a photo", *(_number(numbers["false_alarms_a_photo"]) for numbers in sets.values())])
    categories = [
        [name, *(percent(numbers["ap50_by_category"][name]) for numbers in sets.values())]
        for name in manifest.vocabulary.categories
    ]
    header = [f"{name}: {numbers['photos']} photos, {numbers['garments']} garments" for name, numbers in sets.items()]
    return "\n".join(
        [
            "# Garment detection",
            "",
            *about(manifest, folder),
            "- **Answers**: boxes of garments, each with one of five categories and the calibrated probability that",
            f"  there is such a garment; those from {percent(validated['threshold'])} on are told.",
            "",
            "Worn: street photos of the part `report`, which no training and no choice has seen, with the boxes of",
            "their masks. Drawn: other scenes than those it learnt from. A box is right from an overlap (IoU) of 0.5.",
            "",
            *table(["", *header], rows),
            "",
            "AP50 by category:",
            "",
            *table(["", *sets], categories),
            "",
            f"- laid: of {laid['photos']} photographs of garments that lie or hang, of people whose photos no training",
            f"  has seen, a garment is found in {percent(laid['found'])}, and the likeliest box has the right category",
            f"  in {percent(laid['category_right'])}",
            f"- hats and shoes: in {percent(laid['said_to_show_none'])} of {laid['without_garment']} photographs there "
            "is no box",
            f"- validation photos: AP50 {percent(1 - validated['missed'])}; of the garments "
            f"{percent(validated['recall'])} found, of the boxes {percent(validated['precision'])} right; expected "
            "calibration error "
            f"{percent(validated.get('ece'))}",
            "",
            *limits_of(LIMITS, False),
        ]
    )


def _number(value: float | None) -> Any:
    return "–" if value is None else f"{value:.2f}"
