"""Names in the files of the challenges, in their order: constants, whatever vocabulary is used.

Categories, keypoints, spans and attribute tasks are those of the FashionAI challenges (keypoints and attributes,
Alibaba and HKPU, 2018), styles those of the JingDong fashion challenge. Their files, their official scores and the
drawing of synthetic garments depend on these names; everything else reads its names from a `Vocabulary`.
"""

from ...vocabulary import Category, Vocabulary

CATEGORIES = ("blouse", "dress", "outwear", "skirt", "trousers")

KEYPOINTS = (
    "neckline_left",
    "neckline_right",
    "center_front",
    "shoulder_left",
    "shoulder_right",
    "armpit_left",
    "armpit_right",
    "waistline_left",
    "waistline_right",
    "cuff_left_in",
    "cuff_left_out",
    "cuff_right_in",
    "cuff_right_out",
    "top_hem_left",
    "top_hem_right",
    "waistband_left",
    "waistband_right",
    "hemline_left",
    "hemline_right",
    "crotch",
    "bottom_left_in",
    "bottom_left_out",
    "bottom_right_in",
    "bottom_right_out",
)

_UPPER = KEYPOINTS[0:2] + KEYPOINTS[3:7]
_CUFFS = KEYPOINTS[9:13]

CATEGORY_KEYPOINTS: dict[str, frozenset[str]] = {
    "blouse": frozenset((*_UPPER, "center_front", *_CUFFS, "top_hem_left", "top_hem_right")),
    "dress": frozenset(
        (*_UPPER, "center_front", "waistline_left", "waistline_right", *_CUFFS, "hemline_left", "hemline_right")
    ),
    "outwear": frozenset((*_UPPER, "waistline_left", "waistline_right", *_CUFFS, "top_hem_left", "top_hem_right")),
    "skirt": frozenset(("waistband_left", "waistband_right", "hemline_left", "hemline_right")),
    "trousers": frozenset(("waistband_left", "waistband_right", "crotch", *KEYPOINTS[20:24])),
}

SPAN_PAIRS: dict[str, tuple[str, str]] = {
    "blouse": ("armpit_left", "armpit_right"),
    "dress": ("armpit_left", "armpit_right"),
    "outwear": ("armpit_left", "armpit_right"),
    "skirt": ("waistband_left", "waistband_right"),
    "trousers": ("waistband_left", "waistband_right"),
}
"""The two keypoints whose distance normalises the error of a garment (NE)."""

ATTRIBUTE_TASKS: dict[str, tuple[str, ...]] = {
    "coat_length": (
        "Invisible",
        "High Waist Length",
        "Regular Length",
        "Long Length",
        "Micro Length",
        "Knee Length",
        "Midi Length",
        "Ankle&Floor Length",
    ),
    "collar_design": ("Invisible", "Shirt Collar", "Peter Pan", "Puritan Collar", "Rib Collar"),
    "lapel_design": ("Invisible", "Notched", "Collarless", "Shawl Collar", "Plus Size Shawl"),
    "neck_design": ("Invisible", "Turtle Neck", "Ruffle Semi-High Collar", "Low Turtle Neck", "Draped Collar"),
    "neckline_design": (
        "Invisible",
        "Strapless Neck",
        "Deep V Neckline",
        "Straight Neck",
        "V Neckline",
        "Square Neckline",
        "Off Shoulder",
        "Round Neckline",
        "Sweat Heart Neck",
        "One Shoulder Neckline",
    ),
    "pant_length": ("Invisible", "Short Pant", "Mid Length", "3/4 Length", "Cropped Pant", "Full Length"),
    "skirt_length": ("Invisible", "Short Length", "Knee Length", "Midi Length", "Ankle Length", "Floor Length"),
    "sleeve_length": (
        "Invisible",
        "Sleeveless",
        "Cup Sleeves",
        "Short Sleeves",
        "Elbow Sleeves",
        "3/4 Sleeves",
        "Wrist Length",
        "Long Sleeves",
        "Extra Long Sleeves",
    ),
}
"""Attribute task -> its classes in label order. In files the name of the task is `<task>_labels`."""

STYLES = (
    "sports",
    "casual",
    "OL/commuter",
    "Japanese",
    "Korean",
    "Western",
    "British",
    "girl",
    "lady",
    "minimalist",
    "natural",
    "street/punk",
    "ethnic",
)

LENGTHS = tuple(task for task in ATTRIBUTE_TASKS if task.endswith("_length"))
"""The tasks whose classes are ordered."""

FASHIONAI = Vocabulary(
    "fashionai",
    KEYPOINTS,
    tuple(
        Category(name, tuple(k for k in KEYPOINTS if k in CATEGORY_KEYPOINTS[name]), SPAN_PAIRS[name])
        for name in CATEGORIES
    ),
    tuple((name, name.replace("left", "right")) for name in KEYPOINTS if "left" in name),
)
"""The categories, keypoints, twins and spans of the keypoint challenge."""
