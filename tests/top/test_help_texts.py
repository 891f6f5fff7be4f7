"""Help texts of options in whole lines."""

from dataclasses import dataclass, field

import pytest

from aifashion.top.arguments import read_arguments
from aifashion.top.help_texts import with_whole_lines


@dataclass(frozen=True, kw_only=True)
class Shared:
    number: int = 3
    """a text that goes on
    (here) and
    ends"""


@dataclass(frozen=True, kw_only=True)
class Options(Shared):
    """What they are for."""

    out: str
    """where to
    write"""
    names: tuple[str, ...] = field(default_factory=tuple)
    untold: bool = False


def help_of(capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit):
        read_arguments(Options, "d.py", ["--help"])
    return capsys.readouterr().out


def test_lines_of_the_code_are_not_lines_of_the_help(capsys):
    text = help_of(capsys)
    assert "a text that goes on (here) and ends (default: 3)" in text
    assert "where to write (required)" in text and "What they are for." in text and "--untold" in text


def test_what_is_read_is_an_object_of_the_class_itself():
    read = read_arguments(Options, "d.py", ["--out", "x", "--number", "4"])
    assert type(read) is Options and read == Options(out="x", number=4)


def test_functions_are_left_as_they_are():
    assert with_whole_lines(print) is print
