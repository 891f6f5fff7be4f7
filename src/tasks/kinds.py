"""The kinds of tasks. One training, one evaluation and one export serve them all: each kind has the same functions."""

import json
from pathlib import Path
from typing import Any

from ..run_files import read_config
from ..serve.artifact import Manifest, is_artifact
from .attributes import AttributeTask
from .detection import DetectionTask
from .keypoints import KeypointTask

Task = KeypointTask | AttributeTask | DetectionTask
"""What the functions of a task do is said in `KeypointTask`."""


def task_kind(run: Path) -> type[KeypointTask] | type[AttributeTask] | type[DetectionTask]:
    """Of a run folder or an artifact. Raises RunError where it is neither, ValueError for another kind of run."""
    if is_artifact(run):
        stage: Any = Manifest.read(run).stage
    else:
        stage = json.loads(read_config(run)).get("kind")
    for kind in (KeypointTask, AttributeTask, DetectionTask):
        if kind.stage == stage:
            return kind
    raise ValueError(
        f"{run / 'config.json'} is of a run of kind {stage!r}; expected detection, keypoints or attributes"
    )
