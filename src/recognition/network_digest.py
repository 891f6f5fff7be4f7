"""What distinguishes one network from another that later lies in the same folder."""

import hashlib
from pathlib import Path

from ..serve.artifact import MANIFEST


def network_digest(folder: Path) -> str:
    """12 hex digits of an artifact, or of the best model of a run.

    Both folders have a file that holds the sha256 of their weights. Raises OSError where there is neither.
    """
    manifest = folder / MANIFEST
    return hashlib.sha256((manifest if manifest.is_file() else folder / "best.json").read_bytes()).hexdigest()[:12]
