import os
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aifashion.top.run_log import logged_command, read_run_log


def no_warning(text: str) -> None:
    raise AssertionError(text)


def child(log: Path, body: str, *words: str) -> subprocess.Popen:
    """A process that runs `body` as a logged command, called by its `words`."""
    code = f"""
        import sys, time
        from pathlib import Path
        from aifashion.top.run_log import logged_command
        for number in range(int(sys.argv[2])):
            with logged_command(Path(sys.argv[1]), [*sys.argv[3:], str(number)], print):
                {body}
    """
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), str(log), *words], stdout=subprocess.PIPE)


def test_a_command_that_ends_well(tmp_path: Path) -> None:
    log = tmp_path / "run_log.txt"
    with logged_command(log, ["train.py", "--category", "all"], no_warning):
        assert read_run_log(log)[0].outcome is None
    (entry,) = read_run_log(log)
    assert entry.command == "train.py --category all" and entry.outcome == "ok"
    assert entry.duration == timedelta(0)
    assert abs(datetime.now(UTC) - entry.started) < timedelta(minutes=5)
    assert entry.process.startswith(f"pid {os.getpid()} on ")


def test_what_the_file_looks_like(tmp_path: Path) -> None:
    log = tmp_path / "run_log.txt"
    with logged_command(log, ["train.py"], no_warning):
        pass
    begin, end = [line.split("\t") for line in log.read_text().splitlines()]
    assert begin[2] == "begin" and begin[4] == "train.py"
    assert end[1:] == [begin[1], "end", "0:00:00", "ok"]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ValueError("no photos in data\nsecond line"), "error: no photos in data"),
        (RuntimeError(), "error: RuntimeError"),
        (FileNotFoundError(2, "No such file", "x"), "error: [Errno 2] No such file: 'x'"),
        (KeyboardInterrupt(), "stopped by the keyboard"),
        (SystemExit(2), "exit code 2"),
        (SystemExit(0), "ok"),
        (SystemExit(), "ok"),
        (SystemExit("words"), "exit code words"),
    ],
)
def test_a_command_that_ends_otherwise(error: BaseException, outcome: str, tmp_path: Path) -> None:
    with pytest.raises(type(error)) as caught, logged_command(tmp_path / "log", ["test.py"], no_warning):
        raise error
    assert caught.value is error
    assert [entry.outcome for entry in read_run_log(tmp_path / "log")] == [outcome]


def test_words_that_would_break_the_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with logged_command(log, ["demo.py", "my photos/ü.jpg", "a\nb\tc", "\udcff"], no_warning):
        pass
    assert len(log.read_bytes().splitlines()) == 2
    assert read_run_log(log)[0].command == r"demo.py 'my photos/ü.jpg' 'a\nb\tc' '\udcff'"


def test_commands_within_one_another(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with logged_command(log, ["outer"], no_warning), logged_command(log, ["inner"], no_warning):
        pass
    assert [(entry.command, entry.outcome) for entry in read_run_log(log)] == [("outer", "ok"), ("inner", "ok")]


def test_a_command_that_is_killed_stays_without_an_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = child(log, "print('begun', flush=True); time.sleep(60)", "1", "train.py")
    assert process.stdout is not None and process.stdout.readline()
    process.kill()
    process.communicate()
    with logged_command(log, ["next"], no_warning):
        pass
    killed, after = read_run_log(log)
    assert killed.command == "train.py 0" and killed.outcome is None and killed.duration is None
    assert after.outcome == "ok"


def test_processes_that_write_at_once(tmp_path: Path) -> None:
    log, long_word = tmp_path / "log", "x" * 3000
    processes = [child(log, "pass", "100", name, long_word) for name in "abc"]
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    entries = read_run_log(log)
    assert len(log.read_text().splitlines()) == 600
    assert {e.command for e in entries} == {f"{name} {long_word} {n}" for name in "abc" for n in range(100)}
    assert {entry.outcome for entry in entries} == {"ok"}


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    warnings, done = [], []
    with logged_command(tmp_path / "file" / "log", ["train.py"], warnings.append):
        done.append(True)
    assert done and all(text.startswith("this command is not noted in ") for text in warnings)


def test_durations_and_lines_that_are_no_entries(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        "2026-11-22 06:00:00+00:00\ta\tbegin\tpid 1 on h\ttrain.py\n"
        "2026-11-22 06:00:00+00:00\tb\tbegin\tpid 2 on h\ttest.py\n"
        "a note by hand\n"
        "2026-11-22 06:00:00+00:00\tb\tend\tlong\tok\n"
        "not a time\tc\tbegin\tpid 3 on h\ttest.py\n"
        "2026-11-25 09:04:05+00:00\ta\tend\t3 days, 3:04:05\tok\n"
        "2026-11-22 06:00:"
    )
    first, second = read_run_log(log)
    assert first.duration == timedelta(days=3, hours=3, minutes=4, seconds=5) and first.outcome == "ok"
    assert first.started == datetime(2026, 11, 22, 6, tzinfo=UTC) and first.process == "pid 1 on h"
    assert second.command == "test.py" and second.outcome is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_no_command_waits_for_a_pipe_that_nobody_reads(tmp_path: Path) -> None:
    log = tmp_path / "log"
    os.mkfifo(log)
    warnings = []
    with logged_command(log, ["train.py"], warnings.append):
        pass
    assert len(warnings) == 2 and all(text.startswith(f"this command is not noted in {log}: ") for text in warnings)
    with pytest.raises(OSError, match="a named pipe; expected a file"):
        read_run_log(log)
    # One that is read gets the lines.
    reader = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
    with logged_command(log, ["train.py"], no_warning):
        pass
    assert os.read(reader, 1 << 16).count(b"\n") == 2
    os.close(reader)
