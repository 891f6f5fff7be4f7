"""The image: what its file says, and the steps that fill it, which need no Docker."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_the_image_runs_the_command_without_rights() -> None:
    from aifashion.top.cli import COMMANDS

    (entry,) = re.findall(r"^ENTRYPOINT (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert entry.startswith('["aifashion", "serve", "--host", "0.0.0.0"') and "serve" in COMMANDS
    final = DOCKERFILE.rpartition("FROM ")[2]
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", final, re.MULTILINE) and "HEALTHCHECK" in final
    # Nothing is written where the root is read-only.
    assert 'AIFASHION_RUN_LOG=""' in final and 'AIFASHION_CACHE=""' in final


def test_all_that_is_copied_is_there_and_not_ignored() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {name for line in re.findall(r"^COPY (?!--)(.+)$", DOCKERFILE, re.MULTILINE) for name in line.split()[:-1]}
    assert copied == kept and all((ROOT / name).exists() for name in copied)


@pytest.mark.slow
def test_the_steps_make_an_environment_that_serves(tmp_path: Path) -> None:
    variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    words = ["sh", str(ROOT / "docker" / "steps.sh"), str(tmp_path / "env")]
    done = subprocess.run(
        words, env=variables | {"PYTHON": sys.executable}, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "'keypoints': {'name': 'shipped'" in done.stdout and "aifashion 0." in done.stdout
    help_text = subprocess.run(
        [tmp_path / "env" / "bin" / "aifashion", "serve", "--help"], env=variables, capture_output=True, text=True
    )
    assert help_text.returncode == 0 and "--allow-host" in help_text.stdout
    names = {path.name.partition("-")[0].lower() for path in (tmp_path / "env").rglob("*.dist-info")}
    assert "fastapi" in names and not names & {"tensorflow", "keras", "torch", "pytest"}
