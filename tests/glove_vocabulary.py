"""A vocabulary of a user, for tests."""

from pathlib import Path

GLOVE = """
name = "gloves"
twins = [
    ["thumb", "little finger"],
]
edges = [["wrist", "thumb"], ["wrist", "little finger"]]

[categories.glove]
keypoints = ["wrist", "thumb", "little finger"]
span = ["thumb", "little finger"]
attributes = ["cuff_length"]

[categories."knitted glove"]
keypoints = ["wrist", "thumb", "little finger", "knot"]

[attributes.cuff_length]
kind = "ordinal"
classes = ["short", "long"]

[attributes.material]
classes = ["wool", "leather"]
"""


def gloves(tmp_path: Path, old: str = "", new: str = "") -> Path:
    assert old in GLOVE
    path = tmp_path / "gloves.toml"
    path.write_text(GLOVE.replace(old, new, 1) if old else GLOVE)
    return path
