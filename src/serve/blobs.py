"""Compiled networks on disk, so that the next start takes a third of the time.

A runtime believes whatever it reads back: a damaged file can give other answers without an error. So every file begins
with a sha256 of its name and content. One that does not agree is not used, and is written anew.
"""

import hashlib
import logging
import os
from functools import lru_cache
from pathlib import Path

from ..files import read_regular, regular, write_atomic

log = logging.getLogger(__name__)
NAMED = "AIFASHION_CACHE"
"""The environment variable that names the folder; empty for none."""
_DIGEST_BYTES = 32


def cache_folder() -> Path | None:
    """Where compiled networks are kept; None for nowhere, which is reported once where it was not asked for.

    The folder that AIFASHION_CACHE names (empty: none), or else the user's own for such things. It is made for this
    user alone. One that belongs to another user, or that others can write into, is not used.
    """
    named = os.environ.get(NAMED)
    if named == "":
        return None
    try:
        folder = Path(named) if named else _users_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not named and os.name != "nt" and folder.stat().st_uid == os.geteuid():
            folder.chmod(0o700)  # earlier versions made it readable for others
        reason = _unusable(folder)
    except (OSError, ValueError, RuntimeError) as error:  # also for a user without a home
        reason, folder = str(getattr(error, "strerror", None) or error), Path(named or "~/.cache/aifashion")
    if reason is None:
        return folder
    _report(folder, reason, bool(named))
    return None


def read_blob(path: Path) -> bytes | None:
    """What `write_blob` wrote; None where there is no file, or a damaged one."""
    try:
        data = read_regular(path)
    except OSError:
        return None
    blob = data[_DIGEST_BYTES:]
    return blob if data[:_DIGEST_BYTES] == _digest(path, blob) else None


def write_blob(path: Path, blob: bytes) -> None:
    """Keeps the blob, or reports why that cannot be: nothing depends on it but the time of the next start."""
    try:
        write_atomic(regular(path), _digest(path, blob) + blob, flush=False)
    except OSError as error:
        _report(path.parent, str(error), NAMED in os.environ)


def _digest(path: Path, blob: bytes) -> bytes:
    digest = hashlib.sha256(path.name.encode())
    digest.update(blob)
    return digest.digest()


def _users_folder() -> Path:
    if os.name == "nt":
        above = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        above = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return above / "aifashion"


def _unusable(folder: Path) -> str | None:
    if os.name != "nt":
        facts = folder.stat()
        if facts.st_uid != os.geteuid():
            return "it belongs to another user"
        if facts.st_mode & 0o022:
            return "others can write into it (chmod go-w mends that)"
    return None if os.access(folder, os.W_OK | os.X_OK) else "it cannot be written"


@lru_cache(maxsize=64)
def _report(folder: Path, reason: str, named: bool) -> None:
    text = f"compiled networks are not kept in {folder}: {reason}; "
    if named:
        log.warning(f"{text}{NAMED} names this folder, name another one or an empty text for none")
    else:
        log.info(f"{text}{NAMED} can name another folder")
