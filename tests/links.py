"""Symbolic links for tests."""

import os
from pathlib import Path

import pytest


def link(path: Path, target: Path) -> None:
    """Makes `path` a link to the file or folder `target`, which need not exist.

    Skips the test where Windows lets nobody make links: without its developer mode that takes an administrator. A
    link that cannot be made there cannot lead out of a data folder either. Elsewhere a failure is one.
    """
    try:
        path.symlink_to(target, target_is_directory=target.is_dir())
    except OSError:
        if os.name != "nt":
            raise
        pytest.skip("Windows without developer mode lets nobody make symbolic links")
