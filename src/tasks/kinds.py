"""The kinds of tasks. All have the same functions, so training, evaluation and export are written once."""

import json
from pathlib import Path
from typing import Any

from ..run_files import read_config
from ..serve.artifact import Manifest, is_artifact
from .attributes import AttributeTask
from .detection import DetectionTask
from .keypoints import KeypointTask

Task = KeypointTask | AttributeTask | DetectionTask
"""`KeypointTask` explains the functions of a task."""


def task_kind(run: Path) -> type[KeypointTask] | type[AttributeTask] | type[DetectionTask]:
    """The kind of a run folder or artifact. Raises RunError if it is neither, ValueError for another kind of run."""
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
