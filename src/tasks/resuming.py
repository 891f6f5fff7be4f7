"""Functions that all training commands share: they find the run to resume, and check that data and options match."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from ..config import AttributeConfig, DetectionConfig, KeypointConfig
from ..config_fields import lost_fields
from ..files import sealed, unsealed
from ..records import CropRule
from ..run_files import RunError, read_config, read_data_facts

Config = TypeVar("Config", KeypointConfig, AttributeConfig, DetectionConfig)


def resumed_config(run: Path, kept: Config, asked: Callable[[Config], Config]) -> Config:
    """The configuration of a run to resume.

    kept: that of its folder. asked: reads the command line, with a configuration as default. Raises RunError if the
    command line changes anything.
    """
    wanted = asked(kept)
    fields = [field.name for field in dataclasses.fields(kept)]
    # A command line names only the kind of the crops.
    changed = [name for name in fields if _plain(getattr(wanted, name)) != _plain(getattr(kept, name))]
    if changed:
        raise RunError(
            f"{run} was trained with another {', '.join(changed)}; an exact resume changes nothing. "
            "To change it, start a new run from its weights with --load RUN, without --resume"
        )
    return kept


def check_whole(run: Path, kind: type) -> None:
    """Raises RunError if the configuration of a run to resume lacks fields. kind: its class."""
    lost = lost_fields(kind, json.loads(read_config(run)))
    if lost:
        raise RunError(
            f"{run / 'config.json'} has lost {', '.join(lost)}, and a resume needs every field: restore the file from "
            "a copy, or start a new run from its weights with --load RUN, without --resume"
        )


def check_tag(tag: str) -> None:
    """Raises ValueError for a tag that would break the lines of lists."""
    if not tag.isprintable():
        raise ValueError(f"--tag {tag!r} has a line end or another control character; expected a word or a few words")


def _plain(value: Any) -> Any:
    return value.kind if isinstance(value, CropRule) else value


def data_facts(train: Iterable[str], val: Iterable[str], debug: bool) -> str:
    """The content of `data.json` of a run: the counts, and the digest of the photos' names in their order."""
    digest, counts = hashlib.sha256(), []
    for part in (train, val):
        count = 0
        for name in part:
            digest.update(name.encode() + b"\n")
            count += 1
        counts.append(count)
    facts = {"train": counts[0], "val": counts[1], "debug": debug, "photos_sha256": digest.hexdigest()}
    return json.dumps(sealed(facts), indent=1) + "\n"


def check_facts(run: Path, facts: str, data: Path) -> None:
    """Raises RunError if the run was trained on other data than there are now, or its `data.json` is damaged."""
    found, now = read_data_facts(run), unsealed(json.loads(facts))
    if found is None or found == now:
        return
    if found["debug"] != now["debug"]:
        raise RunError(f"{run} {'is' if found['debug'] else 'is not'} a --debug run: resume it in the same way")
    counts = [f"{facts['train']} photos to train on and {facts['val']} to validate on" for facts in (found, now)]
    there = f"{counts[1]}, not {counts[0]}" if counts[0] != counts[1] else "as many, but other photos"
    raise RunError(f"{run} was trained on other data, or with another split, than {data} holds now: {there}")
