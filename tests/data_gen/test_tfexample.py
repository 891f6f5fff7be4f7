"""The bytes of a tf.train.Example and the checksum of TFRecord files.

That TensorFlow reads them, and they read TensorFlow's, is tested with whole shards in test_tfrecords.py.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aifashion.data_gen.tfexample import Record, crc32c, decode_example, encode_example


@pytest.mark.parametrize(
    ("data", "crc"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_the_checksums_of_rfc_3720(data: bytes, crc: int) -> None:
    assert crc32c(data) == crc


@pytest.mark.parametrize("length", [1, 511, 512, 513, 5_000, 1_100_000])
def test_long_checksums_agree_with_the_definition(length: int) -> None:
    data = np.random.default_rng(length).bytes(length)
    table = [0] * 256
    for value in range(256):
        table[value] = value
        for _ in range(8):
            table[value] = table[value] >> 1 ^ (0x82F63B78 if table[value] & 1 else 0)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[crc & 255 ^ byte]
    assert crc32c(data) == crc ^ 0xFFFFFFFF


LABELS = st.none() | st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20)


@settings(max_examples=50)
@given(st.text(), st.binary(max_size=400), LABELS)
def test_decoding_inverts_encoding(name: str, image: bytes, labels: list[int] | None) -> None:
    back = decode_example(encode_example(Record(name, image, None if labels is None else np.array(labels))))
    assert back.name == name and back.image == image
    assert (None if back.labels is None else back.labels.tolist()) == labels


@settings(max_examples=50)
@given(st.binary(max_size=60))
def test_damaged_examples_raise_only_the_documented_errors(data: bytes) -> None:
    with pytest.raises((ValueError, KeyError, IndexError)):
        decode_example(data)
