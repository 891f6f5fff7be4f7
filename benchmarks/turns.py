"""Processes that take turns, so that a slow moment of the machine affects all of them.

A worker first prints a line of facts about itself; then it answers every line that it reads with one. Both are JSON.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any


class Worker:
    """A process that answers. facts: its first line. Raises RuntimeError if it ends before it is closed."""

    def __init__(self, options: Sequence[object], environment: Mapping[str, str] | None = None) -> None:
        self.options = [str(word) for word in options]
        self.process = subprocess.Popen(
            self.options, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.facts: dict[str, Any] = self._answer()

    def ask(self, **options: object) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(options) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"`{' '.join(self.options)}` ended")
        return json.loads(line)

    def close(self) -> None:
        self.process.communicate()
