"""Distinguishes a network from another one that later lies in the same folder."""

import hashlib
from pathlib import Path

from ..files import read_regular
from ..serve.artifact import MANIFEST

RUN_FILES = ("best.json", "config.json", "vocabulary.json", "heads.json", "calibration.json")
"""Files on which the predictions of a run depend; the first one has the sha256 of the weights."""


def network_digest(folder: Path) -> str:
    """12 hex digits of everything that the predictions of an artifact, or of a run's best model, depend on.

    The manifest of an artifact has the sha256 of its files. Raises OSError if there is neither.
    """
    manifest = folder / MANIFEST
    if manifest.exists():
        return hashlib.sha256(read_regular(manifest)).hexdigest()[:12]
    digest = hashlib.sha256(read_regular(folder / RUN_FILES[0]))
    for name in RUN_FILES[1:]:
        if (folder / name).exists():
            digest.update(name.encode() + hashlib.sha256(read_regular(folder / name)).digest())
    return digest.hexdigest()[:12]
