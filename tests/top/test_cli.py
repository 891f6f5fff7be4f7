import importlib
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from aifashion import top
from aifashion.top.cli import COMMANDS, main

HEAVY = ("keras", "tensorflow", "cv2", "numpy", "pandas", "matplotlib", "rich", "tyro")


def run(*words: str) -> object:
    with pytest.raises(SystemExit) as caught:
        main(words)
    return caught.value.code


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_help_lists_every_command(capsys, words):
    assert run(*words) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if re.match("  [a-z]", line)]
    for row, (name, (_, text)) in zip(rows, COMMANDS.items(), strict=True):
        assert row.startswith(f"  {name} ") and row.endswith(f" {text}")


def test_help_of_a_group_lists_its_commands(capsys):
    assert run("data", "--help") == 0
    text = capsys.readouterr().out
    listed = {name for name in COMMANDS if f"  {name} " in text}
    assert listed == {name for name in COMMANDS if name.startswith("data ")} and "data synth" in listed


@pytest.mark.parametrize(
    "words", [["fly"], ["data", "fly"], ["score"], ["data"], ["--version-of-nothing"], ["fly", "--help"]]
)
def test_unknown_commands(capsys, words):
    assert run(*words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"no command {' '.join(words[:2])!r}" in captured.err
    assert all(f"  {name} " in captured.err for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_leads_to_a_function(command, monkeypatch):
    module, _, function = COMMANDS[command][0].partition(":")
    found = importlib.import_module(f"aifashion.top.{module}")
    assert callable(getattr(found, function))
    calls = []
    monkeypatch.setattr(found, function, calls.append)
    main([*command.split(), "--size", "64", "data"])
    assert calls == [["--size", "64", "data"]]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help_of_its_own(command, capsys):
    assert run(*command.split(), "--help") == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(f"usage: aifashion {command} ") and captured.err == ""


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom aifashion.top.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print('loaded:', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded: []"


def test_the_module_runs_as_a_program():
    done = subprocess.run([sys.executable, "-m", "aifashion.top.cli", "fly"], capture_output=True, text=True)
    assert done.returncode == 2 and "no command 'fly'" in done.stderr and done.stdout == ""


def test_the_version_is_that_of_the_package(capsys):
    main(["--version"])
    assert capsys.readouterr().out == f"aifashion {version('aifashion')}\n"


@pytest.mark.parametrize("script", ["train", "test", "demo", "train_attributes", "test_attributes"])
def test_a_script_leaves_the_names_of_other_packages_alone(script, tmp_path):
    path = Path(top.__file__).parent / f"{script}.py"
    # What a library does in the end, done where the script itself would start.
    (tmp_path / "probe.py").write_text(
        "import runpy, sys\n"
        f"sys.path[0] = {str(path.parent)!r}\n"  # as Python sets it for this script
        f"sys.argv = [{str(path)!r}, '--help']\n"
        f"try:\n    runpy.run_path({str(path)!r}, run_name='__main__')\nexcept SystemExit:\n    pass\n"
        "import test\nprint(test.__file__)\n"
    )
    done = subprocess.run([sys.executable, tmp_path / "probe.py"], capture_output=True, text=True, check=True)
    assert f"usage: aifashion {script.replace('_', '-')} " in done.stdout
    assert Path(done.stdout.splitlines()[-1]).parent.name == "test"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_shows_types_and_true_defaults(command: str, capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*command.split(), "--help"])
    text = capsys.readouterr().out
    assert caught.value.code == 0 and text.startswith(f"usage: aifashion {command} ")
    for untrue in ("None", "(default: )", "''", "{FLOAT"):
        assert untrue not in text


@pytest.mark.parametrize(
    ("command", "option", "metavar", "default"),
    [
        ("predict", "--model", "PATH", ""),
        ("evaluate", "--json", "PATH", "(default: none)"),
        ("train", "--init-epoch", "INT", "by default 0"),
        ("train", "--gpu-id", "STR", "by default the first"),
        ("train", "--tag", "STR", "(default: none)"),
        ("test", "--decoder", "{argmax,quarter,two-peak,dark,soft-argmax}", "by default as in the training"),
        ("weights convert", "--mean", "FLOAT FLOAT FLOAT", "by default as the config.json"),
        ("weights convert", "--accept-missing", "[STR [STR ...]]", "(default: none)"),
        ("data fetch-styles", "--shards", "INT", "by default one for every 4000 rows"),
    ],
)
def test_an_option_that_is_empty_by_default(command: str, option: str, metavar: str, default: str, capsys) -> None:
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    part = text.partition(f" {option} {metavar} ")[2][:300]
    assert part and default in part


def test_none_as_a_word_is_a_name_like_others(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate", "shipped", "--gpu-id", "None"])
    assert "--gpu-id None: expected the number of a GPU" in capsys.readouterr().err
