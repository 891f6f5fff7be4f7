"""The one matrix of numbers in a MATLAB file of version 5, as MATLAB (-v6, -v7), Octave and SciPy write it.

Layout: MathWorks, "MAT-File Level 5 File Format". SciPy's own reader (1.17) is not used: some damaged files end the
whole process.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..images import MAX_PIXELS
from .problems import read_bytes

_HEADER = 128  # bytes; version and byte order are the last four
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""Type of an element -> that of its numbers."""
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
"""Class of a matrix -> the type of its values; its file can have them in a smaller one."""
_MATRIX, _COMPRESSED = 14, 15
_COMPLEX = 0x08
_MOST_BYTES = 8 * MAX_PIXELS + (1 << 16)


def read_matrix(path: Path) -> np.ndarray:
    """The matrix (H, W), in its own type. Raises ValueError, with the reason, for another file or content; OSError."""
    data = read_bytes(path)
    order = {b"IM": "<", b"MI": ">"}.get(data[126:_HEADER])
    if order is None or data[124:126] != (b"\0\1" if order == "<" else b"\1\0"):
        raise ValueError("not of version 5; save it with -v7")
    variables = []
    for kind, content in _elements(data[_HEADER:], order):
        if kind == _COMPRESSED:
            kind, content = next(_elements(_unpacked(content), order), (0, b""))
        if kind != _MATRIX:
            raise ValueError(f"an element of type {kind}; expected a variable")
        variables.append(content)
    if len(variables) != 1:
        raise ValueError(f"it has {len(variables)} variables; expected one matrix")
    return _matrix(variables[0], order)


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """(type, content) of each."""
    at = 0
    while at < len(data):
        if at + 8 > len(data):
            raise ValueError("it is cut short")
        kind, count = struct.unpack_from(f"{order}II", data, at)
        start = at + 8
        if kind >> 16:  # up to four bytes lie in the tag itself
            kind, count, start = kind & 0xFFFF, kind >> 16, at + 4
        end = start + count
        if end > len(data) or (start == at + 4 and count > 4):
            raise ValueError("it is cut short")
        yield kind, data[start:end]
        at = at + 8 if start == at + 4 else end if kind == _COMPRESSED else start + -(-count // 8) * 8


def _unpacked(content: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        data = unpacker.decompress(content, _MOST_BYTES)
    except zlib.error as error:
        raise ValueError(f"a variable cannot be unpacked: {error}") from None
    if unpacker.unconsumed_tail:
        raise ValueError(f"a variable of more than {_MOST_BYTES:,} bytes")
    return data


def _matrix(content: bytes, order: str) -> np.ndarray:
    parts = list(_elements(content, order))
    if len(parts) < 4 or len(parts[0][1]) < 8 or parts[1][0] != 5 or len(parts[1][1]) % 4:
        raise ValueError("a variable that is no matrix of numbers")
    (flags,) = struct.unpack_from(f"{order}I", parts[0][1])
    dtype = _CLASSES.get(flags & 0xFF)
    if dtype is None or flags >> 8 & _COMPLEX:
        raise ValueError("a variable that is no matrix of numbers")
    shape: tuple[Any, ...] = tuple(np.frombuffer(parts[1][1], f"{order}i4").tolist())
    kind, numbers = parts[3]
    if kind not in _NUMBERS:
        raise ValueError(f"numbers of type {kind}, which is not known")
    stored = np.dtype(order + _NUMBERS[kind])
    if len(shape) != 2 or min(shape) < 1 or shape[0] * shape[1] * stored.itemsize != len(numbers):
        raise ValueError(f"{len(numbers)} bytes of numbers for the shape {shape}")
    return np.frombuffer(numbers, stored).reshape(shape, order="F").astype(dtype)
