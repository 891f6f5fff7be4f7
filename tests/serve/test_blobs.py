import logging
import os
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aifashion.serve.blobs import _report, cache_folder, read_blob, write_blob

pytestmark = pytest.mark.skipif(os.name == "nt", reason="modes of folders")


@pytest.fixture(autouse=True)
def reported_anew(caplog):
    _report.cache_clear()
    caplog.set_level(logging.INFO, logger="aifashion")


def test_what_is_kept_is_read_back(tmp_path):
    write_blob(tmp_path / "a.blob", b"network")
    assert read_blob(tmp_path / "a.blob") == b"network"
    assert read_blob(tmp_path / "b.blob") is None


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=80), st.data())
def test_what_is_damaged_is_not_used(tmp_path: Path, blob: bytes, data):
    path = tmp_path / "a.blob"
    write_blob(path, blob)
    whole = path.read_bytes()
    position = data.draw(st.integers(0, 8 * len(whole) - 1))
    flipped = bytearray(whole)
    flipped[position // 8] ^= 1 << position % 8
    for damaged in (bytes(flipped), whole[: position // 8], whole + b"x"):
        path.write_bytes(damaged)
        assert read_blob(path) is None


def test_the_blob_of_another_network_is_not_used(tmp_path):
    write_blob(tmp_path / "a.blob", b"network")
    (tmp_path / "a.blob").rename(tmp_path / "b.blob")
    assert read_blob(tmp_path / "b.blob") is None


def test_the_folder_is_for_its_user_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("AIFASHION_CACHE", str(tmp_path / "named"))
    assert cache_folder() == tmp_path / "named"
    monkeypatch.delenv("AIFASHION_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "aifashion").mkdir(mode=0o755)
    assert cache_folder() == tmp_path / "aifashion"
    for name in ("named", "aifashion"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o720])
def test_a_folder_that_others_can_write_is_not_used_and_left_as_it_is(tmp_path, monkeypatch, caplog, mode):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(mode)
    monkeypatch.setenv("AIFASHION_CACHE", str(shared))
    assert cache_folder() is None and cache_folder() is None
    (record,) = caplog.records  # once
    assert "others can write into it" in record.message and "AIFASHION_CACHE" in record.message
    assert stat.S_IMODE(shared.stat().st_mode) == mode


def test_a_folder_of_another_user_is_not_used(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("AIFASHION_CACHE", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    assert cache_folder() is None
    assert "it belongs to another user" in caplog.text


@pytest.mark.parametrize("named", ["/proc/nowhere", "/dev/null/cache", "/dev/null"])
def test_a_folder_that_cannot_be_made_is_done_without(named, monkeypatch, caplog):
    monkeypatch.setenv("AIFASHION_CACHE", named)
    assert cache_folder() is None
    assert named in caplog.text and caplog.records[0].levelno == logging.WARNING


def test_what_cannot_be_kept_is_said_once(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("AIFASHION_CACHE", str(tmp_path))
    for name in ("a.blob", "b.blob"):
        write_blob(tmp_path / "gone" / name, b"network")
    assert 1 <= len(caplog.records) <= 2 and "are not kept" in caplog.text
