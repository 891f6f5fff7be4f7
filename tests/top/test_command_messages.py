"""How commands end, what they leave in the log of commands, and what they print."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from aifashion.top.arguments import console, one_line, printable, run_command, tell, warn
from aifashion.top.run_log import read_run_log


@dataclass(frozen=True)
class Options:
    batch_size: int = 1


def test_a_missing_file_is_named_without_the_number_of_its_error(fails, tmp_path):
    def main(tokens):
        run_command("a.py", None, tokens, lambda paths: Path(paths[0]).read_text())

    assert fails(main, tmp_path / "no.csv") == f"{tmp_path / 'no.csv'}: No such file or directory"


@pytest.mark.parametrize("error", [ValueError, OSError, FileNotFoundError, FloatingPointError])
def test_mistakes_become_one_line_and_exit_code_1(capsys, error):
    def command(tokens):
        raise error("no [red]data[/red] in C:\\[x]\\")

    with pytest.raises(SystemExit) as caught:
        run_command("a.py", None, [], command)
    captured = capsys.readouterr()
    assert caught.value.code == 1
    assert captured.err == "error: no [red]data[/red] in C:\\[x]\\\n" and captured.out == ""


def test_the_keyboard_stops_without_a_traceback(capsys):
    def command(tokens):
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as caught:
        run_command("a.py", None, [], command)
    assert caught.value.code == 1 and "stopped by the keyboard" in capsys.readouterr().err


def test_too_little_memory_is_told_with_what_to_do(capsys):
    class ResourceExhaustedError(Exception):  # as TensorFlow calls its own
        pass

    for error in (ResourceExhaustedError("OOM when allocating [16,512,512]\nmore"), MemoryError()):

        def command(tokens, error=error):
            raise error

        with pytest.raises(SystemExit) as caught:
            run_command("a.py", None, [], command)
        assert caught.value.code == 1
    shown = capsys.readouterr().err
    assert "error: out of memory (OOM when allocating [16,512,512]): take a smaller --batch-size or --size" in shown
    assert "out of memory (MemoryError)" in shown


def test_the_arguments_are_read_for_the_body():
    read: list[Options] = []
    run_command("a.py", Options, ["--batchSize", "5"], read.append)
    run_command("a.py", None, ["--batchSize", "5"], read.append)
    assert read[0].batch_size == 5 and read[1] == ["--batchSize", "5"]


def test_commands_are_noted_with_how_they_ended(monkeypatch, tmp_path, capsys):
    log = tmp_path / "run_log.txt"
    monkeypatch.setenv("AIFASHION_RUN_LOG", str(log))

    def faulty(tokens):
        raise ValueError(f"no {tokens}")

    run_command("aifashion data crop", None, ["--out", "my crops"], lambda tokens: None)
    with pytest.raises(SystemExit):
        run_command("b.py", None, ["x"], faulty)
    with pytest.raises(SystemExit):
        run_command("c.py", Options, ["--nothing"], faulty)
    with pytest.raises(SystemExit):
        run_command("d.py", Options, ["--help"], faulty)  # which asks for nothing to be done
    entries = read_run_log(log)
    assert [(entry.command, entry.outcome) for entry in entries] == [
        ("aifashion data crop --out 'my crops'", "ok"),
        ("b.py x", "error: no ['x']"),
        ("c.py --nothing", "exit code 2"),
    ]
    capsys.readouterr()
    monkeypatch.setenv("AIFASHION_RUN_LOG", "")
    run_command("e.py", None, [], lambda tokens: None)
    assert len(read_run_log(log)) == 3


def test_a_log_whose_folder_is_missing_is_not_made(monkeypatch, tmp_path, capsys):
    for log, reason in (
        (tmp_path / "missing" / "deeper" / "log.txt", f"there is no folder {tmp_path / 'missing' / 'deeper'}; make it"),
        (tmp_path, "it is a folder; give a file in AIFASHION_RUN_LOG"),
    ):
        monkeypatch.setenv("AIFASHION_RUN_LOG", str(log))
        done: list[list[str]] = []
        run_command("a.py", None, ["x"], done.append)
        assert done == [["x"]] and not list(tmp_path.iterdir())
        assert capsys.readouterr().out.startswith(f"this command is not noted in {log}: {reason}")


def test_errors_of_the_program_itself_keep_their_traceback():
    def command(tokens):
        raise TypeError("a bug")

    with pytest.raises(TypeError):
        run_command("a.py", None, [], command)


def test_lines_are_printed_as_they_are_however_long(capsys):
    text = "/data/[bold]/:smile:/" + "x" * 200
    tell(text)
    warn(text)
    assert capsys.readouterr().out == f"{text}\n{text}\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain \u88d9.jpg", "plain \u88d9.jpg"),
        ("a\x1b[31m\x07\x9b\tb", "a\\x1b[31m\\x07\\x9b\\tb"),
        ("caf\udce9", "caf\\xe9"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("two\nlines \u3000wide", "two\nlines \u3000wide"),
    ],
)
def test_names_cannot_control_the_terminal(text: str, shown: str, capsys):
    assert printable(text) == shown and one_line(text) == shown.replace("\n", "\\n")
    tell(text)
    warn(text)
    console.print(text, markup=False)
    from rich.table import Table

    table = Table("name")
    table.add_row(text)
    console.print(table)
    out = capsys.readouterr().out
    assert out.startswith(f"{shown}\n{shown}\n{shown}\n") and not set(out) & {
        "\x1b",
        "\x07",
        "\x9b",
        "\udce9",
        "\u202e",
    }


def test_an_error_and_a_report_are_printable_too(capsys):
    import logging

    def body(options: Options) -> None:
        logging.getLogger("aifashion.x").warning("report \x1b[2J")
        raise ValueError("error \x1b[2J caf\udce9\n  second line")

    with pytest.raises(SystemExit):
        run_command("aifashion x", Options, [], body)
    out, err = capsys.readouterr()
    assert "report \\x1b[2J" in out and "error \\x1b[2J caf\\xe9\n  second line" in err and "\x1b[2J" not in out + err


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_the_encoding_of_the_terminal_does_not_end_a_command(encoding: str, monkeypatch):
    import io
    import sys

    streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    done = []

    def body(options: Options) -> None:
        tell("\u88d9 caf\udce9")
        warn("\u88d9")
        done.append(True)

    run_command("aifashion x", Options, [], body)
    streams[0].flush()
    written = streams[0].buffer.getvalue().decode(encoding)
    assert done and "caf\\xe9" in written and ("\\u88d9" in written) == (encoding != "utf-8")
