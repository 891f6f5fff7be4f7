import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from aifashion.top import arguments
from aifashion.top.arguments import choose_device, option_value, read_arguments, run_command, tell, warn
from aifashion.top.run_log import read_run_log


@dataclass(frozen=True)
class Options:
    batch_size: int = 1
    gpu_id: str | None = None
    augment: bool = False
    lrdecay: bool = True
    data: Path = Path("data")


def read(*words: str) -> Options:
    return read_arguments(Options, "prog", words)


@pytest.mark.parametrize(
    "words", [["--batchSize", "4"], ["--batch-size", "4"], ["--batch_size", "4"], ["--batchSize=4"], ["--batch-size=4"]]
)
def test_both_spellings(words):
    assert read(*words) == Options(batch_size=4)


@pytest.mark.parametrize("word", ["--gpuID", "--gpu-id", "--gpu_id", "--gpuId"])
def test_runs_of_capitals(word):
    assert read(word, "0,1").gpu_id == "0,1"


@pytest.mark.parametrize(("text", "value"), [("True", True), ("true", True), ("False", False), ("false", False)])
def test_yes_and_no_are_read_and_not_merely_present(text, value):
    assert read("--augment", text).augment is value
    assert read("--lrdecay", text).lrdecay is value
    assert read(f"--augment={text}").augment is value


def test_values_keep_their_case():
    assert read("--data", "My/Photos").data == Path("My/Photos")
    assert read("--data=My/Photos").data == Path("My/Photos")


@pytest.mark.parametrize(
    "words", [["--augment", "perhaps"], ["--augment"], ["--batchSize", "four"], ["--unknown", "1"]]
)
def test_what_cannot_be_read_ends_with_exit_code_2(words, capsys):
    with pytest.raises(SystemExit) as caught:
        read(*words)
    assert caught.value.code == 2
    assert words[0].replace("S", "-s").lower() in capsys.readouterr().err


def test_the_command_line_is_that_of_the_process_unless_given(monkeypatch):
    monkeypatch.setattr("sys.argv", ["prog", "--batchSize", "7", "--network", "lite"])
    assert option_value(None, "--network", "v11") == "lite"
    monkeypatch.setattr("sys.argv", ["prog", "--batchSize", "7"])
    assert read_arguments(Options, "prog") == Options(batch_size=7)


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ([], "v11"),
        (["--network", "lite"], "lite"),
        (["--network=lite"], "lite"),
        (["--Network", "lite"], "lite"),
        (["--size", "64", "--network", "lite", "--epochs", "1"], "lite"),
        (["--network"], "v11"),
        (["--networks", "lite"], "v11"),
        (["--network", "lite", "--network", "resnet50"], "resnet50"),  # as the command line is read in full
    ],
)
def test_one_option_is_found_before_the_others_are_read(words, value):
    assert option_value(words, "--network", "v11") == value


def test_an_option_of_several_words_is_found_in_both_spellings():
    assert option_value(["--initEpoch", "3"], "--init-epoch", "") == "3"


@pytest.mark.parametrize("error", [ValueError, OSError, FileNotFoundError, FloatingPointError])
def test_mistakes_become_one_line_and_exit_code_1(capsys, error):
    def command(words):
        raise error("no [red]data[/red] in C:\\[x]\\")

    with pytest.raises(SystemExit) as caught:
        run_command("a.py", None, [], command)
    captured = capsys.readouterr()
    assert caught.value.code == 1
    assert captured.err == "error: no [red]data[/red] in C:\\[x]\\\n" and captured.out == ""


def test_the_keyboard_stops_without_a_traceback(capsys):
    def command(words):
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as caught:
        run_command("a.py", None, [], command)
    assert caught.value.code == 1 and "stopped by the keyboard" in capsys.readouterr().err


def test_too_little_memory_is_told_with_what_to_do(capsys):
    class ResourceExhaustedError(Exception):  # as TensorFlow calls its own
        pass

    for error in (ResourceExhaustedError("OOM when allocating [16,512,512]\nmore"), MemoryError()):

        def command(words, error=error):
            raise error

        with pytest.raises(SystemExit) as caught:
            run_command("a.py", None, [], command)
        assert caught.value.code == 1
    shown = capsys.readouterr().err
    assert "error: out of memory (OOM when allocating [16,512,512]): take a smaller --batch-size or --size" in shown
    assert "out of memory (MemoryError)" in shown


def test_the_words_are_read_for_the_body():
    read: list[Options] = []
    run_command("a.py", Options, ["--batchSize", "5"], read.append)
    run_command("a.py", None, ["--batchSize", "5"], read.append)
    assert read[0].batch_size == 5 and read[1] == ["--batchSize", "5"]


def test_commands_are_noted_with_how_they_ended(monkeypatch, tmp_path, capsys):
    log = tmp_path / "run_log.txt"
    monkeypatch.setenv("AIFASHION_RUN_LOG", str(log))

    def faulty(words):
        raise ValueError(f"no {words}")

    run_command("aifashion data crop", None, ["--out", "my crops"], lambda words: None)
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
    run_command("e.py", None, [], lambda words: None)
    assert len(read_run_log(log)) == 3


def test_errors_of_the_program_itself_keep_their_traceback():
    def command(words):
        raise TypeError("a bug")

    with pytest.raises(TypeError):
        run_command("a.py", None, [], command)


def test_lines_are_printed_as_they_are_however_long(capsys):
    text = "/data/[bold]/:smile:/" + "x" * 200
    tell(text)
    warn(text)
    assert capsys.readouterr().out == f"{text}\n{text}\n"


def test_the_chosen_gpus_are_the_only_ones(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    choose_device(None)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "5"
    choose_device("0,1")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1"


def test_the_default_folders_are_those_of_the_checkout():
    assert (arguments.CHECKOUT / "pyproject.toml").is_file()
