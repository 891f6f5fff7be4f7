"""The run log: every command with its time and how it ended, in a text file that several commands can write at once.

A command has two lines, of fields between tabs: one when it begins and one when it ends.

    2026-11-22 06:11:32+00:00  3f9a12bc  begin  pid 12276 on host  train.py --category all
    2026-11-22 07:21:40+00:00  3f9a12bc  end    1:10:08            ok

A command that was killed, or is still running, has no second line. Each line is written by one call that appends, so
lines of several processes do not mix (on a local disk; Windows can lose one of two written in the same instant).
"""

import os
import secrets
import shlex
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from aifashion.files import read_regular

RUN_LOG = "run_log.txt"
# Not blocking: a named pipe that nobody reads, or that is full, holds no command up.
_APPENDING = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


@dataclass(frozen=True, slots=True)
class LoggedCommand:
    """One command of a run log. duration and outcome are None where it was killed or is still running."""

    started: datetime
    process: str
    command: str
    duration: timedelta | None
    outcome: str | None


@contextmanager
def logged_command(log: Path, tokens: Sequence[str], warn: Callable[[str], None]) -> Iterator[None]:
    """Notes the command made of `tokens` in the file `log` when its body begins, and how it went when the body ends.

    The outcome is `ok`, the first line of the error, or the exit code. Errors pass on unchanged. Where the log cannot
    be written the command runs all the same, with a word to `warn`.
    """
    key, start = secrets.token_hex(4), time.monotonic()
    _append(log, (key, "begin", f"pid {os.getpid()} on {socket.gethostname()}", shlex.join(tokens)), warn)
    outcome = "ok"
    try:
        yield
    except SystemExit as stop:
        outcome = "ok" if stop.code in (None, 0) else f"exit code {stop.code}"
        raise
    except KeyboardInterrupt:
        outcome = "stopped by the keyboard"
        raise
    except BaseException as error:
        outcome = f"error: {(str(error).strip() or type(error).__name__).splitlines()[0]}"
        raise
    finally:
        duration = timedelta(seconds=round(time.monotonic() - start))
        _append(log, (key, "end", str(duration), outcome), warn)


def read_run_log(log: Path) -> list[LoggedCommand]:
    """The commands of a run log in the order in which they began; lines that are no entries are passed over.

    Raises OSError where the log cannot be read.
    """
    begun: dict[str, tuple[datetime, str, str]] = {}
    ended: dict[str, tuple[timedelta, str]] = {}
    for line in read_regular(log).decode("utf-8", "replace").splitlines():
        try:
            moment, key, kind, first, second = line.split("\t")
            if kind == "begin":
                begun[key] = datetime.fromisoformat(moment), first, second
            elif kind == "end":
                ended[key] = _read_duration(first), second
        except ValueError:
            continue
    return [LoggedCommand(*entry, *ended.get(key, (None, None))) for key, entry in begun.items()]


def _append(log: Path, fields: Sequence[str], warn: Callable[[str], None]) -> None:
    moment = datetime.now().astimezone().isoformat(" ", "seconds")
    line = "\t".join("".join(map(_visible, field)) for field in (moment, *fields)) + "\n"
    try:
        descriptor = os.open(log, _APPENDING, 0o644)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)
    except OSError as error:
        reason = error.strerror or str(error)
        if not log.parent.is_dir():
            reason = f"there is no folder {log.parent}; make it, or give another file in AIFASHION_RUN_LOG"
        elif log.is_dir():
            reason = "it is a folder; give a file in AIFASHION_RUN_LOG"
        warn(f"this command is not noted in {log}: {reason}")


def _visible(character: str) -> str:
    """Line ends and tabs would pass for the log's own; bytes of no encoding could not be written."""
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def _read_duration(text: str) -> timedelta:
    days, _, clock = text.rpartition(", ")
    hours, minutes, seconds = map(int, clock.split(":"))
    return timedelta(int(days.split()[0]) if days else 0, seconds, hours=hours, minutes=minutes)
