"""Changes of bytes and cells in a valid list."""

import random


def flip_bit(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def cut_end(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def cut_out(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.randrange(1, 20) :]


def double_line(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    at = rng.randrange(len(lines))
    return b"".join([*lines[: at + 1], lines[at], *lines[at + 1 :]])


def swap_cells(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    at = rng.randrange(len(lines))
    cells = lines[at].rstrip(b"\r\n").split(b",")
    rng.shuffle(cells)
    return b"".join([*lines[:at], b",".join(cells) + b"\n", *lines[at + 1 :]])


def remove_cell(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    at = rng.randrange(len(lines))
    cells = lines[at].split(b",")
    del cells[rng.randrange(len(cells))]
    return b"".join([*lines[:at], b",".join(cells), *lines[at + 1 :]])


def insert(data: bytes, rng: random.Random) -> bytes:
    what = [b'"', b"\0", b"\xe9", b"\xff\xfe", b"\xef\xbb\xbf", b";", b"\t", b",", b"\r", b"\n", b"nan", b"-", b"1e9"]
    what += [b"null", b"[]", b"{}", b"\\", b"../", b"\x1b[31m", "裙".encode(), b"'", b" ", b"true", b'"x"', b"1" * 30]
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(what) + data[at:]


def another_type(data: bytes, rng: random.Random) -> bytes:
    """Gives a number or text of JSON, or a cell, another type."""
    parts = [part for part in (b"1", b"2", b"0", b'"skirt"', b"400", b"y", b"dress") if part in data]
    if not parts:
        return flip_bit(data, rng)
    part = rng.choice(parts)
    value = rng.choice([b"null", b'"1"', b"1.5", b"[1]", b"{}", b"true", b"-1", b"", b"NaN", b"1e400"])
    at = rng.choice([i for i in range(len(data)) if data.startswith(part, i)])
    return data[:at] + value + data[at + len(part) :]


CHANGES = (flip_bit, cut_end, cut_out, double_line, swap_cells, remove_cell, insert, another_type)
