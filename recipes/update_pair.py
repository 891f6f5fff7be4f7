"""`python recipes/update_pair.py [FOLDER]`: writes an earlier pair in the layout of today, with the same networks.

The artifacts stay as they are, to the byte. The weights become compact, and the manifests and the cards' lines about
files and commands are written anew; the scores in the cards stay. By default that is the pair of the package.
"""

import dataclasses
import json
import sys
from pathlib import Path

from installing import write_weights
from model_cards import about

from aifashion.files import write_atomic
from aifashion.serve.artifact import ArtifactError, Manifest
from aifashion.serve.shipped import CARD, SHIPPED, STAGES, WEIGHTS
from aifashion.unet.compact_weights import is_compact

RECIPE = "python recipes/shipped_networks.py"
OLDER_RECIPE = "aifashion weights make"
"""What the recipe was called while it was a command of the package."""


def update(folder: Path) -> None:
    """Writes a stage of a pair anew.

    Raises ArtifactError, and changes nothing, where it is damaged or is no part of a pair.
    """
    manifest = Manifest.read(folder)
    if "made_by" not in manifest.source:
        raise ArtifactError(f"{manifest.path} does not say what made it, as a pair must (source: made_by)")
    config = manifest.keypoint_config if manifest.stage == "keypoints" else manifest.attribute_config
    made_by = [command.replace(OLDER_RECIPE, RECIPE) for command in manifest.source["made_by"]]
    source = manifest.source | {"made_by": made_by}
    manifest = dataclasses.replace(manifest, config=json.loads(config.to_json()), source=source)
    if not is_compact(folder / WEIGHTS):
        write_weights(folder / WEIGHTS, folder)
    manifest.write(folder)  # the card describes these files
    lines = {_label(line): line for line in about(Manifest.read(folder), folder)}
    card = (folder / CARD).read_text(encoding="utf-8").split("\n")
    write_atomic(folder / CARD, "\n".join(lines.get(_label(line), line) for line in card))
    manifest.write(folder)


def _label(line: str) -> str:
    """`- **Files**: ...` -> `Files`; of every other line nothing that `about` has."""
    return line.removeprefix("- **").partition("**")[0] if line.startswith("- **") else ""


def main(pair: Path = SHIPPED) -> None:
    for stage in STAGES:
        update(pair / stage)
        size = sum(path.stat().st_size for path in (pair / stage).iterdir())
        print(f"Wrote {pair / stage}: {size:,} bytes")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
