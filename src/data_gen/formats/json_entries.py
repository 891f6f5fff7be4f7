"""The entries of a JSON list, one at a time, so that a file of a gigabyte needs the memory of one entry."""

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from .problems import LARGEST_JSON, FormatError, Problem, read_chunks

_SPACE = re.compile(r"[ \t\n\r]*")
_CHUNK = 1 << 20
_LONGEST_WORD = 64
"""Characters at the end of what is read so far that can be the begin of a word or of an escape."""


def read_entries(path: Path, expected: str) -> Iterator[Any]:
    """The entries of the list that a JSON file is.

    expected: what the list should be, for the error. Raises FormatError as `read_json`, and for another content than a
    list; entries before a fault have been given by then.
    """
    text = _Text(path)
    if text.next() != "[":
        text.fail(f"no list; expected {expected}")
    text.at += 1
    first = True
    while text.next() != "]":
        if not first:
            if text.next() != ",":
                text.fail("not JSON: a comma is missing between two entries of the list")
            text.at += 1
            text.next()
        yield text.entry()
        first = False
    text.at += 1
    if text.next():
        text.fail("not JSON: there is more after the end of the list")


class _Text:
    """The text of a file that is read as far as needed. at: where reading goes on. line: of the start of the text."""

    def __init__(self, path: Path) -> None:
        self.path, self.text, self.at, self.line = path, "", 0, 1
        self.chunks = _texts(path)
        self.decode = json.JSONDecoder().raw_decode

    def next(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""

    def entry(self) -> Any:
        while True:
            try:
                value, end = self.decode(self.text, self.at)
                # A number at the end of what was read can go on.
                if end < len(self.text) or not self.more():
                    self.at = end
                    return value
            except json.JSONDecodeError as error:
                open_end = error.msg.startswith("Unterminated") or error.pos > len(self.text) - _LONGEST_WORD
                if not open_end or not self.more():
                    self.at = error.pos
                    self.fail(f"not JSON: {error.msg}")
            except RecursionError:
                self.fail("nested too deeply for a data file")
            except ValueError as error:  # numbers of thousands of digits
                self.fail(f"not JSON: {error}")

    def more(self) -> bool:
        """Reads on, twice as much each time that an entry is not complete; whether there was more. `at` is moved."""
        parts = []
        wanted = max(_CHUNK, len(self.text) - self.at)
        while wanted > 0 and (part := next(self.chunks, "")):
            parts.append(part)
            wanted -= len(part)
        if not parts:
            return False
        self.line += self.text.count("\n", 0, self.at)
        self.text, self.at = "".join([self.text[self.at :], *parts]), 0
        return True

    def fail(self, reason: str) -> NoReturn:
        line = self.line + self.text.count("\n", 0, self.at)
        raise FormatError([Problem(self.path, line, reason)]) from None


def _texts(path: Path) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    try:
        for chunk in read_chunks(path, LARGEST_JSON):
            if text := decoder.decode(chunk):
                yield text
        if text := decoder.decode(b"", final=True):
            yield text
    except UnicodeDecodeError as error:
        reason = f"not UTF-8 text: {error.reason}; save it as UTF-8"
        raise FormatError([Problem(path, None, reason)]) from None
