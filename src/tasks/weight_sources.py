"""Resolves the value of --weights to a file of weights, and records the source in the run."""

import hashlib
import json
import logging
import re
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from ..extras import explained
from ..files import open_regular, regular, write_atomic
from ..serve.artifact import Stage
from ..serve.shipped import WORD, is_shipped, shipped_weights

log = logging.getLogger(__name__)
WORDS = ("auto", "imagenet", "none")
"""Words that stand for weights, or for none, even if files or folders have these names."""
HUB = "hf://"
START_FILE = "start.json"
_FILES = ("model.safetensors", "pytorch_model.bin")
"""Weights files of a model on the hub; the first that exists is used."""
_CONFIG = "config.json"
"""File beside them: timm's facts of the model, such as the normalisation of its input."""
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Start:
    """weights: as `build_backbone` takes them, or one of the words. facts: source, revision and sha256."""

    weights: str
    facts: dict[str, str] = field(default_factory=dict)

    def write(self, run: Path) -> None:
        """Saves the facts in the run folder, beside its configuration."""
        if self.facts:
            write_atomic(regular(run / START_FILE), json.dumps(self.facts, indent=1) + "\n")


def check_source(word: str) -> None:
    """Raises ValueError if a file or folder of weights does not exist."""
    if word not in WORDS and not is_shipped(word) and not word.startswith(HUB) and not Path(word).exists():
        raise ValueError(f"no weights file at {word}; expected {', '.join(WORDS)}, {WORD}, {HUB}OWNER/MODEL or a path")


def find_start(word: str, stage: Stage | None = None) -> Start:
    """Fetches a model from the hub (`hf://owner/model`, optionally @REVISION); for a folder of runs, finds the latest
    with a model; returns all other texts unchanged.

    The facts are of the file that is used: that of the hub, the best model of a run, or the weights file itself. stage:
    the network that `shipped` stands for, whose weights must then exist. Raises ValueError if the hub cannot be
    reached, or has no such weights, and RunError for a folder without a trained run.
    """
    if word in WORDS:
        return Start(word)
    if stage is not None and is_shipped(word):
        return Start(WORD, {"weights": WORD, "sha256": _digest(shipped_weights(stage))})
    if word.startswith(HUB):
        return _from_hub(word)
    path = Path(word)
    if path.is_dir():
        return _from_run(word, path)
    return Start(word, {"weights": word, "sha256": _digest(path)} if path.is_file() else {})


def _from_run(word: str, path: Path) -> Start:
    from ..unet.runs import best_model, find_trained_run  # Keras loads here

    run = find_trained_run(path)
    model = best_model(run, log.warning)
    return Start(str(run), {"weights": word, "file": str(model.path), "sha256": _digest(model.path)})


def _from_hub(word: str) -> Start:
    name, _, revision = word.removeprefix(HUB).partition("@")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise ValueError(f"{word} is no name on the hub; expected one like hf://timm/resnet50d.ra2_in1k")
    hub = _library(word)
    try:
        # A commit always names the same files; a branch is resolved once, and the run records the commit.
        file = _kept(hub, name, revision) if _COMMIT.fullmatch(revision) else ""
        described = bool(file) and isinstance(hub.try_to_load_from_cache(name, _CONFIG, revision=revision), str)
        if not file:
            about = hub.model_info(name, revision=revision or None)
            revision, held = about.sha, {sibling.rfilename for sibling in about.siblings or ()}
            file, described = next((file for file in _FILES if file in held), ""), _CONFIG in held
        if not file:
            raise ValueError(f"{word} has none of {', '.join(_FILES)}")
        path = Path(hub.hf_hub_download(name, file, revision=revision))
        if described:
            hub.hf_hub_download(name, _CONFIG, revision=revision)
    except ValueError:
        raise
    except Exception as error:  # the library has several error types of its own
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ValueError(
            f"{word} could not be fetched from the hub ({reason}). Without a network, fetch {_FILES[0]} elsewhere and "
            "give its path"
        ) from None
    return Start(str(path), {"weights": word, "revision": revision, "file": file, "sha256": _digest(path)})


def _kept(hub: ModuleType, name: str, commit: str) -> str:
    """The file of that commit if it was fetched before, so that no network is needed; else empty."""
    found = (file for file in _FILES if isinstance(hub.try_to_load_from_cache(name, file, revision=commit), str))
    return next(found, "")


def _library(word: str) -> ModuleType:
    try:
        import huggingface_hub  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ValueError(f"{explained(error, word)}, or fetch {_FILES[0]} and give its path") from None
    return huggingface_hub


def _digest(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
