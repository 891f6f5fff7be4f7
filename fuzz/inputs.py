"""Inputs for the readers: random bytes, and valid files, tables and JSON with changes."""

import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from aifashion.files import SEAL, sealed

TOKENS = [b'"', b"'", b",", b";", b"\t", b"\n", b"\r", b"\0", b" ", b"{", b"}", b"[", b"]", b":", b"=", b"#", b"\\"]
TOKENS += [
    b"\xff",
    b"\xe9",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    "裙\u2028".encode(),
    b"\x1b[31m",
    b"..",
    b"/",
]
TOKENS += [b"nan", b"-1", b"1e400", b"1_0", b"9" * 5000, b"true", b"null", b"Infinity", b"[" * 100_000, b"\x1f\x8b"]
NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from([0, -1, 1, 2**63, -(2**63), 10**400, 1e308]))
TEXTS = st.one_of(st.text(max_size=8), st.sampled_from(["", "all", "a" * 300, "../x", "\0", "\ud800", "record_sha256"]))
CELLS = st.one_of(
    st.sampled_from(TOKENS),
    TEXTS.map(lambda text: encoded(text)),
    NUMBERS.map(lambda number: str(number)[:50].encode()),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=8,
)


@st.composite
def changed_bytes(draw: DrawFn, sound: bytes) -> bytes:
    data = sound
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 20))
        put = draw(st.one_of(st.just(b""), st.sampled_from(TOKENS), st.binary(max_size=6)))
        if draw(st.booleans()):  # the rest is lost, or comes twice
            data = data[:at] if draw(st.booleans()) else data + data[at:]
        data = data[:at] + put + data[at + length :]
    return data


@st.composite
def changed_table(draw: DrawFn, sound: bytes) -> bytes:
    """Changes cells; removes, doubles or exchanges rows; may change the encoding."""
    rows = [row.split(b",") for row in sound.split(b"\n")]
    for _ in range(draw(st.integers(1, 4))):
        index = draw(st.integers(0, len(rows) - 1))
        row = list(rows[index]) or [b""]
        cell = draw(st.integers(0, len(row) - 1))
        change = draw(st.sampled_from(("cell", "less", "more", "double", "remove", "exchange")))
        if change == "cell":
            row[cell] = draw(CELLS)
        elif change == "less":
            del row[cell]
        elif change == "more":
            row.insert(cell, b"")
        elif change == "double":
            rows.append(list(row))
        elif change == "exchange":
            rows[index], rows[0] = rows[0], rows[index]
            continue
        rows[index : index + 1] = [] if change == "remove" and len(rows) > 1 else [row]
    data = b"\n".join(b",".join(row) for row in rows)
    encoding = draw(st.sampled_from(("utf-8", "utf-8-sig", "utf-16", "latin-1")))
    return data if encoding == "utf-8" else data.decode("latin-1").encode(encoding, "replace")


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@st.composite
def changed_json(draw: DrawFn, sound: bytes) -> bytes:
    """Exchanges, removes or renames values at any depth; a record with a digest gets a new one, or none."""
    content = json.loads(sound)
    for _ in range(draw(st.integers(1, 3))):
        content = changed_value(draw, content)
    if draw(st.booleans()):
        content = resealed(content)
    elif isinstance(content, dict) and draw(st.booleans()):
        content.pop(SEAL, None)
    return json.dumps(content).encode()


def changed_value(draw: DrawFn, value: Any) -> Any:
    if not isinstance(value, dict | list) or not value or draw(st.integers(0, 5)) == 0:
        return draw(VALUES)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = draw(st.sampled_from(keys))
    change = draw(st.sampled_from(("into", "into", "into", "remove", "rename", "double")))
    if isinstance(value, list):
        if change == "remove":
            return value[:key] + value[key + 1 :]
        if change == "double":
            return value[: key + 1] + value[key:]
        return [*value[:key], changed_value(draw, value[key]), *value[key + 1 :]]
    if change == "remove":
        return {name: part for name, part in value.items() if name != key}
    if change == "rename":
        return {draw(TEXTS) if name == key else name: part for name, part in value.items()}
    return {**value, key: changed_value(draw, value[key])}


def resealed(value: Any) -> Any:
    if isinstance(value, list):
        return [resealed(part) for part in value]
    if not isinstance(value, dict) or SEAL not in value:
        return value
    return sealed({name: part for name, part in value.items() if name != SEAL})


def inputs(sound: bytes, kind: str) -> SearchStrategy[bytes]:
    """kind: for `table` and `json` there are inputs of that form as well."""
    ways = [st.binary(max_size=200), st.text(max_size=100).map(encoded), changed_bytes(sound)]
    if kind == "table":
        ways += [changed_table(sound)] * 2
    if kind == "json":
        ways += [changed_json(sound)] * 3 + [VALUES.map(lambda value: json.dumps(value).encode())]
    return st.one_of(ways)
