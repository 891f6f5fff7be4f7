"""What distinguishes one network from another that later lies in the same folder."""

import hashlib
from pathlib import Path

from ..serve.artifact import MANIFEST

RUN_FILES = ("best.json", "config.json", "vocabulary.json", "heads.json", "calibration.json")
"""What the answers of a run depend on; the first one holds the sha256 of the weights."""


def network_digest(folder: Path) -> str:
    """12 hex digits of all that the answers of an artifact, or of the best model of a run, depend on.

    The manifest of an artifact holds the sha256 of its files. Raises OSError where there is neither.
    """
    manifest = folder / MANIFEST
    if manifest.is_file():
        return hashlib.sha256(manifest.read_bytes()).hexdigest()[:12]
    digest = hashlib.sha256((folder / RUN_FILES[0]).read_bytes())
    for name in RUN_FILES[1:]:
        if (folder / name).is_file():
            digest.update(name.encode() + hashlib.sha256((folder / name).read_bytes()).digest())
    return digest.hexdigest()[:12]
