import errno
from pathlib import Path

import pytest

from aifashion.files import atomic_path, write_atomic


def test_replaces_whole_files_and_keeps_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    write_atomic(path, "old\n")
    write_atomic(path, "é\r\n")
    assert path.read_bytes() == "é\r\n".encode()
    write_atomic(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert [p.name for p in tmp_path.iterdir()] == ["x.csv"]


def test_the_temporary_name_keeps_the_suffix(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "model.weights.h5") as beside:
        assert beside.parent == tmp_path and beside.name.endswith("model.weights.h5")
        beside.write_bytes(b"1")
    assert (tmp_path / "model.weights.h5").read_bytes() == b"1"


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_atomic(path, "old")
    with pytest.raises(KeyboardInterrupt), atomic_path(path) as beside:
        beside.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_told_with_the_path_and_the_space_left(tmp_path: Path) -> None:
    path = tmp_path / "x"
    message = r"cannot write .*x: No space left on device \(.* GB free\)"
    with pytest.raises(OSError, match=message) as caught, atomic_path(path) as beside:
        beside.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"the folder .*nowhere does not exist"):
        write_atomic(tmp_path / "nowhere" / "x", "text")


def test_a_writer_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="cannot write"), atomic_path(tmp_path / "x"):
        pass
