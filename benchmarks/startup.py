"""Measures the time from the shell to the help of `aifashion`."""

import subprocess
import sys

from measure import report, seconds

COMMAND = [sys.executable, "-c", "from aifashion.top.cli import main; main(['--help'])"]

report(
    "startup",
    "aifashion --help",
    seconds(lambda: subprocess.run(COMMAND, check=True, stdout=subprocess.DEVNULL), rounds=11),
    "s",
    "< 0.4",
)
