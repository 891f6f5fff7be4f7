import json

import pytest

from aifashion.data_gen.formats import json_entries
from aifashion.data_gen.formats.json_entries import read_entries
from aifashion.data_gen.formats.problems import FormatError

ENTRIES = [{"a": [1, 2.5, None, 'x\\"]}é, ']}, 12345, "Ü\n" * 40, [], {"b": {"c": "\u2028"}}, -0.5, True, {"a" * 90: 1}]


def entries(path, content: str | bytes) -> list:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_entries(path, "a list of tasks"))


@pytest.mark.parametrize("chunk", [1, 7, 64, 1 << 20])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_entries_are_those_of_json_however_the_file_is_cut(tmp_path, monkeypatch, chunk, ascii_only):
    text = json.dumps(ENTRIES, indent=2, ensure_ascii=ascii_only)
    data = b"\xef\xbb\xbf" + text.encode() + b"\n"
    pieces = [data[i : i + chunk] for i in range(0, len(data), chunk)]
    monkeypatch.setattr(json_entries, "read_chunks", lambda path, most: iter(pieces))
    monkeypatch.setattr(json_entries, "_CHUNK", chunk)
    assert list(read_entries(tmp_path / "x.json", "a list")) == ENTRIES


def test_an_empty_list_has_no_entries(tmp_path):
    assert entries(tmp_path / "x.json", " [ ] \n") == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"tasks": []}', ":1: no list; expected a list of tasks"),
        ("", ":1: no list"),
        ('[1,\n2,\n{"a": x}]', ":3: not JSON: Expecting value"),
        ("[1\n2]", ":2: not JSON: a comma is missing"),
        ("[1,\n2", ":2: not JSON: a comma is missing"),
        ('[1,\n"abc', ":2: not JSON: Unterminated string"),
        ("[1,]", ":1: not JSON: Expecting value"),
        ("[1] 2", ":1: not JSON: there is more after the end"),
        ("[" * 100_000, "nested too deeply"),
        ("[" + "1" * 10_000 + "]", "not JSON: "),
        ("[1]".encode("utf-16"), "not UTF-8 text"),
        (b"\x1f\x8b\x08", r"compressed \(gzip\)"),
    ],
)
def test_what_is_no_list_is_refused_with_the_line(tmp_path, content, reason):
    with pytest.raises(FormatError, match=reason):
        entries(tmp_path / "x.json", content)


def test_a_fault_ends_reading_without_the_rest_of_the_file(tmp_path, monkeypatch):
    read = []

    def pieces(path, most):
        for piece in (b"[1, {bad" + b" " * 100, *[b"2, "] * 5):
            read.append(piece)
            yield piece

    monkeypatch.setattr(json_entries, "read_chunks", pieces)
    monkeypatch.setattr(json_entries, "_CHUNK", 10)
    with pytest.raises(FormatError, match="not JSON"):
        list(read_entries(tmp_path / "x.json", "a list"))
    assert len(read) == 1
