import errno
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from aifashion.files import (
    atomic_path,
    claim_folder,
    is_stream,
    link_or_copy,
    locked,
    open_regular,
    read_regular,
    read_regular_text,
    regular,
    sweep,
    write_atomic,
)


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


def test_the_error_of_a_full_disk_names_the_path_and_the_free_space(tmp_path: Path) -> None:
    path = tmp_path / "x"
    message = r"cannot write .*x: No space left on device \(.* GB free\)"
    with pytest.raises(OSError, match=message) as caught, atomic_path(path) as beside:
        beside.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_a_disk_that_fills_up_at_any_step_keeps_the_old_file(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    write_atomic(path, "old")
    reached = []

    def full(*arguments: object) -> None:
        reached.append(arguments)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def half(beside: Path, data: bytes) -> None:
        with beside.open("wb") as stream:
            stream.write(data[:2])
        full(beside)

    target, name, failing = {
        "write": (Path, "write_bytes", half),
        "fsync": (os, "fsync", full),
        "replace": (Path, "replace", full),
    }[step]
    monkeypatch.setattr(target, name, failing)
    with pytest.raises(OSError, match=r"cannot write .*x: No space left on device \(.* GB free\)") as caught:
        write_atomic(path, "new text")
    assert caught.value.errno == errno.ENOSPC
    assert len(reached) == 1
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_content_is_flushed_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A rename that reaches the disk before the data leaves an empty file after a power cut.
    events = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: (events.append("fsync"), fsync(descriptor))[1])
    monkeypatch.setattr(Path, "replace", lambda self, target: (events.append("replace"), replace(self, target))[1])
    write_atomic(tmp_path / "x", "text")
    assert events[:2] == ["fsync", "replace"]
    assert (tmp_path / "x").read_text() == "text"


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"the folder .*nowhere does not exist"):
        write_atomic(tmp_path / "nowhere" / "x", "text")


def test_a_writer_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="cannot write"), atomic_path(tmp_path / "x"):
        pass


def test_a_claimed_folder_is_accepted_again_with_the_same_facts_only(tmp_path):
    out = tmp_path / "new" / "set"
    claim_folder(out, "facts.json", {"seed": 3, "size": 64})
    assert json.loads((out / "facts.json").read_text()) == {"seed": 3, "size": 64}
    (out / "photo.jpg").touch()
    (out / ".half-written").touch()
    before = (out / "facts.json").read_bytes()
    claim_folder(out, "facts.json", {"size": 64, "seed": 3})
    # What an older manifest lacks is added.
    claim_folder(
        out, "facts.json", {"size": 64, "seed": 3, "labels": "one"}, upgrade=lambda found: {"labels": "one"} | found
    )
    for facts, message in (
        ({"seed": 4, "size": 64}, "was begun with seed 3, not 4;"),
        ({"seed": 3}, "was begun with size 64, not None;"),
        ({"seed": 3, "size": 64, "labels": "all"}, "was begun with labels one, not all;"),
    ):
        with pytest.raises(FileExistsError, match=message):
            claim_folder(
                out, "facts.json", facts, (lambda found: {"labels": "one"} | found) if "labels" in facts else None
            )
    assert (out / "facts.json").read_bytes() == before


def test_a_folder_with_other_files_is_not_claimed(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match=r"holds other things \(thesis\.txt\)"):
        claim_folder(tmp_path, "facts.json", {})
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_name_as_long_as_the_file_system_takes_is_written(tmp_path: Path):
    path = tmp_path / ("裙" * 83 + ".jpg")  # 253 bytes
    with atomic_path(path) as beside:
        assert beside.suffix == ".jpg"
        beside.write_bytes(b"x")
    assert path.read_bytes() == b"x" and len(list(tmp_path.iterdir())) == 1


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "table.csv", tmp_path / "table.csv"
    target.write_text("old")
    link.symlink_to(target)
    write_atomic(link, "new")
    assert link.is_symlink() and target.read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["table.csv"]


def test_a_pipe_and_a_device_are_written_into_and_not_replaced(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    with locked(pipe):
        write_atomic(pipe, "all of it")
    reader.join(timeout=10)
    assert read == [b"all of it"] and is_stream(pipe)
    write_atomic(Path(os.devnull), "nothing")
    assert is_stream(Path(os.devnull))
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_what_the_shell_has_opened_is_written_into(tmp_path: Path) -> None:
    code = "from pathlib import Path; from aifashion.files import write_atomic; write_atomic(Path('/dev/stdout'), 'x')"
    with (tmp_path / "out").open("wb") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert (tmp_path / "out").read_text() == "x"


HOLD = """
import sys, time
from pathlib import Path
from aifashion.files import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("name", ["folder", "table.csv", "n" * 250])
def test_two_processes_cannot_lock_one_output_and_a_killed_one_leaves_it_free(name: str, tmp_path: Path) -> None:
    output = tmp_path / name
    if name == "folder":
        output.mkdir()
    with subprocess.Popen([sys.executable, "-c", HOLD, str(output)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"locked\n"
        with (
            pytest.raises(BlockingIOError, match=r"another command is writing to .*; wait until it ends"),
            locked(output),
        ):
            pass
        other.kill()
        other.wait()
    with locked(output):
        pass
    visible = [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")]
    assert visible == (["folder"] if name == "folder" else [])


def test_leftovers_of_killed_writers_are_swept_and_nothing_else(tmp_path: Path) -> None:
    kept = [".hidden", "table.csv", ".0123abcd-other.csv", ".12345678_table.csv"]
    for name in (*kept, ".0123abcd-table.csv"):
        (tmp_path / name).write_text("x")
    (tmp_path / ".0123abcd-table.csv.old").mkdir()
    sweep(tmp_path, "table.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(set(kept) - {".0123abcd-other.csv"})


@pytest.mark.parametrize("links", [True, False])
def test_a_file_is_linked_or_copied_and_replaces_what_is_there(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    source, target = tmp_path / "source", tmp_path / "new" / "target"
    source.write_text("content")
    for _ in range(2):
        link_or_copy(source, target)
        assert target.read_text() == "content" and target.samefile(source) == links


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "5", "[" * 100_000])
def test_a_damaged_claim_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "claim.json").write_text(text)
    with pytest.raises(FileExistsError, match=r"claim\.json is damaged .*; give an empty or a new folder"):
        claim_folder(tmp_path, "claim.json", {"seed": 1})


# ------------------------------------------------------------------------------------------- what is no file is no file


def occupy(path: Path, kind: str) -> Path:
    """Puts something at the path that is no file; reading a pipe that nobody writes into waits for ever."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(os.path.relpath(path))  # its names are short
    return path


NO_FILES = {"pipe": "a named pipe", "device": "a device", "folder": "a folder", "socket": "a socket"}


@pytest.mark.skipif(os.name == "nt", reason="there are no named pipes")
@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_file_is_neither_read_nor_written(tmp_path: Path, monkeypatch, kind: str) -> None:
    monkeypatch.chdir(tmp_path)
    path = occupy(tmp_path / "config.json", kind)
    for use in (open_regular, read_regular, read_regular_text, regular):
        with pytest.raises(OSError, match=f"{NO_FILES[kind]}; expected a file: move it away") as caught:
            use(path)
        assert caught.value.filename == str(path)


def test_files_and_links_to_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a"
    assert regular(path) == path  # where nothing is, a file can be made
    with pytest.raises(FileNotFoundError):
        read_regular(path)
    path.write_bytes("é\r\nb".encode())
    (tmp_path / "link").symlink_to(path)
    for name in ("a", "link"):
        assert read_regular(regular(tmp_path / name)) == "é\r\nb".encode()
        assert read_regular_text(tmp_path / name) == "é\nb"
    path.write_bytes(b"\xff")
    with pytest.raises(UnicodeDecodeError):
        read_regular_text(path)


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="the system does not show open files")  # noqa: PTH112
def test_a_pipe_that_the_shell_has_opened_is_read() -> None:
    code = "from pathlib import Path; from aifashion.files import read_regular as r; print(r(Path('/dev/stdin')))"
    done = subprocess.run([sys.executable, "-c", code], input=b"piped", capture_output=True, check=True)
    assert done.stdout.strip() == b"b'piped'"


@pytest.mark.skipif(os.name == "nt", reason="there are no named pipes")
def test_no_manifest_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "made.json")
    with pytest.raises(OSError, match="a named pipe; expected a file"):
        claim_folder(tmp_path, "made.json", {"seed": 1})
