"""Encodes and decodes one photo as a tf.train.Example, and computes the checksum of TFRecord files.

Implements the part of protocol buffers that this message needs (https://protobuf.dev/programming-guides/encoding) and
the CRC-32C of RFC 3720, masked as in https://www.tensorflow.org/tutorials/load_data/tfrecord. TensorFlow is not
needed.
"""

import struct
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np

_BLOCK = 512  # bytes per table look-up of the checksum; the fastest of 256 to 4096
_BYTES = 2  # the wire type of protocol buffers for fields with a length


class Record(NamedTuple):
    """One photo. image: the bytes of a photo file. labels: (C,) int64, None without labels."""

    name: str
    image: bytes
    labels: np.ndarray | None


def encode_example(record: Record) -> bytes:
    """The bytes of the tf.train.Example of a record."""
    labels = [] if record.labels is None else np.asarray(record.labels).tolist()
    numbers = b"".join(_varint(value & (2**64 - 1)) for value in labels)
    features = {
        b"id": _field(1, _field(1, record.name.encode())),
        b"image": _field(1, _field(1, record.image)),
        b"labels": _field(3, _field(1, numbers)),
    }
    entries = [_field(1, _field(1, key) + _field(2, value)) for key, value in features.items()]
    return _field(1, b"".join(entries))


def decode_example(payload: bytes) -> Record:
    """The inverse of `encode_example`; other features are ignored. Raises ValueError, KeyError or IndexError."""
    features: dict[bytes, memoryview] = {}
    for _, entry in _fields(dict(_fields(memoryview(payload)))[1]):
        pair = dict(_fields(entry))
        features[bytes(pair[1])] = pair[2]
    name, image = (dict(_fields(dict(_fields(features[key]))[1]))[1] for key in (b"id", b"image"))
    numbers = _varints(dict(_fields(dict(_fields(features[b"labels"]))[3])).get(1, memoryview(b"")))
    labels = np.array([value - (value >> 63 << 64) for value in numbers], np.int64) if numbers else None
    return Record(bytes(name).decode(), bytes(image), labels)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(number: int, payload: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(payload)) + payload


def _read_varint(data: memoryview, at: int) -> tuple[int, int]:
    """The number that begins at byte `at`, and the index of the byte after it."""
    value = shift = 0
    while data[at] > 127 and shift < 63:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
    return value | data[at] << shift, at + 1


def _varints(data: memoryview) -> list[int]:
    values, at = [], 0
    while at < len(data):
        value, at = _read_varint(data, at)
        values.append(value)
    return values


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Number and content of every field of a message. In an Example all fields have a length."""
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        size, at = _read_varint(data, at)
        if key & 7 != _BYTES or at + size > len(data):
            raise ValueError("not a tf.train.Example")
        yield key >> 3, data[at : at + size]
        at += size


def masked(data: bytes) -> bytes:
    """The checksum in the form of TFRecord files: rotated, and with a constant added. 4 bytes, little-endian."""
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli, RFC 3720 appendix B.4) of `data`, 32 bits; about 170 MB/s.

    The checksum is linear: that of a block is the exclusive or of one term per byte, which depends on the byte's value
    and its position.
    """
    table, (first, second, third, fourth, last) = _crc_tables()
    crc = 0xFFFFFFFF
    head = len(data) % _BLOCK
    for byte in data[:head]:
        crc = crc >> 8 ^ last[crc & 255 ^ byte]
    blocks = np.frombuffer(data, np.uint8, offset=head).reshape(-1, _BLOCK)
    for start in range(0, len(blocks), 2048):  # the look-up needs 12 times the memory of the data
        entries = blocks[start : start + 2048] + np.arange(_BLOCK) * 256
        for block in np.bitwise_xor.reduce(table[entries], axis=1).tolist():
            crc = first[crc & 255] ^ second[crc >> 8 & 255] ^ third[crc >> 16 & 255] ^ fourth[crc >> 24] ^ block
    return crc ^ 0xFFFFFFFF


@cache
def _crc_tables() -> tuple[np.ndarray, list[list[int]]]:
    """(_BLOCK * 256,) uint32: the term of each byte value at each position of a block; and, as lists of 256 int, the
    terms at the first four positions and at the last one."""
    byte = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        byte = byte >> 1 ^ np.where(byte & 1, np.uint32(0x82F63B78), np.uint32(0))
    table = np.empty((_BLOCK, 256), np.uint32)
    table[-1] = byte
    for position in range(_BLOCK - 2, -1, -1):
        table[position] = table[position + 1] >> 8 ^ byte[table[position + 1] & 255]
    return table.ravel(), [table[position].tolist() for position in (0, 1, 2, 3, -1)]
