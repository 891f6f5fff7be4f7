"""Matrices in MATLAB files, as SciPy writes them."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from aifashion.data_gen.formats.mat_files import read_matrix

INTEGERS = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")


def saved(path: Path, compressed: bool = False, **variables: Any) -> Path:
    scipy.io.savemat(path, variables, do_compression=compressed)
    return path


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", [*INTEGERS, "f4", "f8"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (7, 5), (300, 200)])
def test_a_matrix_is_read_as_it_was_written(tmp_path: Path, compressed: bool, dtype: str, shape: tuple[int, int]):
    matrix = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    found = read_matrix(saved(tmp_path / "a.mat", compressed, groundtruth=matrix))
    np.testing.assert_array_equal(found, matrix)
    assert found.dtype == dtype


def test_big_endian_files_with_numbers_in_a_smaller_type(tmp_path: Path):
    """As MATLAB packs doubles that are whole numbers."""

    def element(kind: int, content: bytes) -> bytes:
        return struct.pack(">II", kind, len(content)) + content + b"\0" * (-len(content) % 8)

    flags, shape = element(6, struct.pack(">II", 6, 0)), element(5, struct.pack(">ii", 2, 3))
    name = struct.pack(">HH", 1, 1) + b"m\0\0\0"  # a short element: its byte lies in the tag
    numbers = element(4, np.array([1, 4, 2, 5, 3, 600], ">u2").tobytes())
    variable = zlib.compress(element(14, flags + shape + name + numbers))
    path = tmp_path / "a.mat"
    path.write_bytes(b" " * 116 + b"\0" * 8 + b"\1\0MI" + struct.pack(">II", 15, len(variable)) + variable)
    np.testing.assert_array_equal(read_matrix(path), np.array([[1.0, 2, 3], [4, 5, 600]]))
    np.testing.assert_array_equal(scipy.io.loadmat(path)["m"], read_matrix(path))


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"a": np.zeros((2, 2)), "b": np.zeros((2, 2))}, "it has 2 variables"),
        ({}, "it has 0 variables"),
        ({"a": "text"}, "no matrix of numbers"),
        ({"a": {"b": 1}}, "no matrix of numbers"),
        ({"a": np.ones((2, 2)) * 1j}, "no matrix of numbers"),
        ({"a": np.zeros((2, 3, 4))}, r"the shape \(2, 3, 4\)"),
        ({"a": np.zeros((0, 0))}, "no matrix of numbers|the shape"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, variables: dict[str, Any], reason: str):
    with pytest.raises(ValueError, match=reason):
        read_matrix(saved(tmp_path / "a.mat", **variables))


def test_damaged_files_are_refused(tmp_path: Path):
    path = saved(tmp_path / "a.mat", groundtruth=np.ones((20, 30), np.uint8))
    data = path.read_bytes()
    tag = struct.pack("<II", 2, 600)
    assert data.count(tag) == 1
    damaged = {
        "numbers of type 16, which is not known": data.replace(tag, struct.pack("<II", 16, 600)),  # a text
        "bytes of numbers for the shape": data.replace(struct.pack("<ii", 20, 30), struct.pack("<ii", 20, 31)),
        "it is cut short": data[:-40],
        "not of version 5": data[:124] + b"\0\2IM" + data[128:],
    }
    for reason, content in damaged.items():
        path.write_bytes(content)
        with pytest.raises(ValueError, match=reason):
            read_matrix(path)


def test_a_small_file_cannot_become_a_large_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("aifashion.data_gen.formats.mat_files._MOST_BYTES", 1000)
    with pytest.raises(ValueError, match="more than 1,000 bytes"):
        read_matrix(saved(tmp_path / "a.mat", True, groundtruth=np.ones((200, 30), np.uint8)))
