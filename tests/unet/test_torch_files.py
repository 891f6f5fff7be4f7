import os
import pickle
import re
import zipfile
from argparse import Namespace
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aifashion.unet.backbones import WeightsError
from aifashion.unet.backbones.reading import Budget
from aifashion.unet.backbones.torch_files import read_torch_file
from torch_writer import Tensor, tensors, write_old_torch_file, write_torch_file

STATE = {
    "conv1.weight": np.random.default_rng(0).normal(size=(4, 3, 2, 2)).astype(np.float32),
    "bn1.running_var": np.linspace(0.5, 1.5, 4),
    "bn1.num_batches_tracked": np.array(7),
    "half": np.arange(6, dtype=np.float16).reshape(2, 3),
    "empty": np.zeros((0, 3), np.float32),
}


@pytest.mark.parametrize("write", [write_torch_file, write_old_torch_file])
def test_a_state_dict_is_read_as_it_was_written(tmp_path, write):
    content = {"epoch": 90, "best": 0.5, "names": ["a", ("b", None, True)], "state_dict": tensors(STATE)}
    found = read_torch_file(write(tmp_path / "x.pth", content))
    assert {key: found[key] for key in ("epoch", "best", "names")} == {
        "epoch": 90,
        "best": 0.5,
        "names": ["a", ("b", None, True)],
    }
    assert list(found["state_dict"]) == list(STATE)
    for name, array in STATE.items():
        np.testing.assert_array_equal(found["state_dict"][name], array)
        assert found["state_dict"][name].dtype == array.dtype


def test_newer_pickles_are_read_too(tmp_path):
    found = read_torch_file(write_torch_file(tmp_path / "x.pth", tensors(STATE), protocol=4))
    np.testing.assert_array_equal(found["conv1.weight"], STATE["conv1.weight"])


def test_views_and_bfloat16(tmp_path):
    numbers = np.arange(12, dtype=np.float32)
    bits = (np.array([1.0, -2.5, 3.140625], np.float32).view(np.uint32) >> 16).astype(np.uint16)
    content = {"turned": Tensor(numbers, strides=(1, 4), shape=(4, 3)), "bfloat16": Tensor(bits)}
    found = read_torch_file(write_torch_file(tmp_path / "x.pth", content))
    np.testing.assert_array_equal(found["turned"], numbers.reshape(3, 4).T)
    np.testing.assert_array_equal(found["bfloat16"], np.array([1.0, -2.5, 3.140625], np.float32))


class Evil:
    """Its pickle is a call."""

    def __reduce__(self):
        return os.mkdir, ("executed",)


@pytest.mark.parametrize("write", [write_torch_file, write_old_torch_file])
def test_nothing_is_executed(tmp_path, monkeypatch, write):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / "evil.pth", {"state_dict": tensors(STATE), "more": Evil()})
    with pytest.raises(WeightsError) as caught:
        read_torch_file(path)
    assert not (tmp_path / "executed").exists()
    told = str(caught.value)
    assert f"{path} names {os.mkdir.__module__}.mkdir, which is not executed here" in told
    assert "save_file" in told and "'evil.safetensors'" in told  # the command that makes safetensors of it


def test_what_training_scripts_leave_beside_the_tensors_is_refused_by_name(tmp_path):
    path = write_torch_file(tmp_path / "x.pth", {"args": Namespace(lr=0.1), "state_dict": tensors(STATE)})
    with pytest.raises(WeightsError, match=r"names argparse\.Namespace, which is not executed here"):
        read_torch_file(path)


@pytest.mark.parametrize("pickled", [b"\x80\x02c__builtin__\neval\n.", b"\x80\x02(S'1'\ni__main__\nx\n.", b"\x80\x02."])
def test_pickles_by_hand(tmp_path, pickled):
    path = tmp_path / "x.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", pickled)
    with pytest.raises(WeightsError, match=r"not executed here|is damaged"):
        read_torch_file(path)


def test_what_has_no_end_or_another_header(tmp_path):
    path = tmp_path / "x.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", b"\x80\x02]q\x00h\x00a.")  # a list that holds itself
    with pytest.raises(WeightsError, match=r"x\.pth is damaged: its parts lie in each other"):
        read_torch_file(path)
    pickles = [pickle.dumps(part, protocol=2) for part in (0x1950A86A20F9469CFC6C, 1001, [1])]
    path.write_bytes(b"".join(pickles))
    with pytest.raises(WeightsError, match=r"x\.pth is damaged or cut short"):
        read_torch_file(path)


@pytest.mark.parametrize("write", [write_torch_file, write_old_torch_file])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95, 0.99])
def test_files_cut_short(tmp_path, write, share):
    path = write(tmp_path / "x.pth", {"state_dict": tensors({"x": np.ones(3000, np.float32)})})
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(WeightsError, match=r"x\.pth is damaged or cut short"):
        read_torch_file(path)


def test_a_changed_bit_is_noticed(tmp_path):
    path = write_torch_file(tmp_path / "x.pth", tensors({"x": np.ones(3000, np.float32)}))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="is damaged or cut short: Bad CRC"):
        read_torch_file(path)


@pytest.mark.parametrize(
    ("tensor", "fault"),
    [
        (Tensor(np.ones(4, np.float32), (2, 1), (3, 2)), r"storage 0 has 4 numbers, too few for a shape of \(3, 2\)"),
        (Tensor(np.ones(4, np.float32), (-1,), (2,)), "too few"),
        (Tensor(np.ones(4, np.float32), (10**12,), (10**6,)), "too few"),
    ],
)
def test_tensors_reach_no_further_than_their_numbers(tmp_path, tensor, fault):
    with pytest.raises(WeightsError, match=fault):
        read_torch_file(write_torch_file(tmp_path / "x.pth", {"x": tensor}))


def test_other_files(tmp_path):
    def fault(path: Path) -> str:
        with pytest.raises(WeightsError) as caught:
            read_torch_file(path)
        return str(caught.value)

    text, plain, other = tmp_path / "text.pth", tmp_path / "plain.pth", tmp_path / "zip.pth"
    text.write_text("<html>not found</html>")
    plain.write_bytes(pickle.dumps(OrderedDict(x=1)))
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("readme.txt", "nothing")
    assert "it is not a file of torch.save" in fault(text)
    assert "it is not a file of torch.save" in fault(plain)
    assert "a ZIP archive without data.pkl" in fault(other)
    packed = write_torch_file(tmp_path / "packed.pth", tensors(STATE), compression=zipfile.ZIP_DEFLATED)
    assert "is compressed, which torch.save does not do" in fault(packed)
    assert "cannot be read" in fault(tmp_path)


# ------------------------------------------------------------------------------------------ what a file can ask for


def by_hand(path: Path, pickled: bytes, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("x/data.pkl", pickled)
    return path


def asks_for(path: Path, **budget: int) -> str:
    with pytest.raises(WeightsError) as caught:
        read_torch_file(path, Budget(**budget))
    return str(caught.value)


def doubled(times: int) -> bytes:
    """A tuple of two, each of which is the same tuple of two, and so on: few bytes for 2 ** times parts."""
    return b"\x80\x02Nq\x00" + b"".join(b"h%ch%c\x86q%c" % (n, n, n + 1) for n in range(times)) + b"."


def test_parts_that_double_are_counted(tmp_path):
    assert read_torch_file(by_hand(tmp_path / "x.pth", doubled(3)), Budget(parts=100)) == ((((None,) * 2,) * 2,) * 2)
    assert "asks for more than is given to a file of weights: more than 5,000 values" in asks_for(
        by_hand(tmp_path / "x.pth", doubled(20)), parts=5000
    )


def test_a_key_is_not_something_that_takes_for_ever_to_look_up(tmp_path):
    keyed = doubled(40)[:-1] + b"}h(Ns."
    assert "is damaged or cut short: a key is a tuple" in asks_for(by_hand(tmp_path / "x.pth", keyed))


def test_depth_length_and_marks_are_bounded(tmp_path):
    deep = b"\x80\x02" + b"]" * 50 + b"a" * 49 + b"."
    assert "its parts lie in each other more than 20 deep" in asks_for(by_hand(tmp_path / "x.pth", deep), depth=20)
    long = b"\x80\x02(" + b"N" * 3000 + b"l."
    assert "more than 1,000 values" in asks_for(by_hand(tmp_path / "x.pth", long), parts=1000)
    marks = b"\x80\x02" + b"N" * 40_000 + b"(t" * 40_000 + b"."  # quadratic where marks are searched for
    assert "more than 60,000 values" in asks_for(by_hand(tmp_path / "x.pth", marks), parts=60_000)
    listed = b"\x80\x02](" + b"N" * 40 + b"eq\x00ctorch\nSize\nq\x01"
    size = by_hand(tmp_path / "x.pth", listed + b"h\x01h\x00\x85R" * 9 + b".")
    assert "more than 200 values" in asks_for(size, parts=200)


def test_marks_keep_what_is_below_them(tmp_path):
    assert "is damaged" in asks_for(by_hand(tmp_path / "x.pth", b"\x80\x02N(\x85."))
    assert "is damaged" in asks_for(by_hand(tmp_path / "y.pth", b"\x80\x02Nt."))


def test_a_packed_description_is_not_unpacked(tmp_path):
    packed = by_hand(tmp_path / "x.pth", b"\x80\x02]" + b"N0" * 5000 + b".", zipfile.ZIP_DEFLATED)
    assert "x/data.pkl is compressed, which torch.save does not do" in asks_for(packed)


def test_files_larger_than_the_budget(tmp_path):
    path = write_torch_file(tmp_path / "x.pth", tensors({"x": np.ones(3000, np.float32)}))
    assert "of a file, of 1,000" in asks_for(path, memory=1000)
    assert "bytes of description" in asks_for(
        by_hand(tmp_path / "y.pth", b"\x80\x02X\x00\x10\x00\x00" + b"a" * 4096 + b"."), memory=8192
    )


@pytest.mark.parametrize("count", [10**10, 2**62])
def test_counts_beyond_the_file_are_not_asked_for(tmp_path, count):
    path = write_old_torch_file(tmp_path / "x.pth", tensors({"x": np.ones(30, np.float32)}))
    data = path.read_bytes()
    path.write_bytes(data[:-128] + count.to_bytes(8, "little") + data[-120:])
    assert re.search(r"damaged or cut short: [\d,]+ bytes are to come, but 120 are left", asks_for(path))
    text = b"\x80\x02\x8d" + count.to_bytes(8, "little") + b"a."  # a text of that length
    path.write_bytes(pickle.dumps(0x1950A86A20F9469CFC6C, 2) + text)
    assert "is damaged or cut short" in asks_for(path)


def test_entries_of_the_same_name(tmp_path):
    content = {"a": Tensor(np.ones(3000, np.float32)), "b": Tensor(np.ones(3000, np.float32))}
    path = write_torch_file(tmp_path / "x.pth", content)
    with zipfile.ZipFile(path) as archive:
        start = archive.start_dir
    data = bytearray(path.read_bytes())
    name = data.rfind(b"archive/data/1")
    assert name > start
    data[name + len(b"archive/data/")] = ord("0")
    path.write_bytes(data)
    assert "two of its entries have the same name" in asks_for(path)


def test_a_shared_storage_is_read_once_and_one_that_is_too_short_is_told(tmp_path):
    shared = np.arange(6, dtype=np.float32)
    found = read_torch_file(write_torch_file(tmp_path / "x.pth", {"a": Tensor(shared), "b": Tensor(shared)}))
    np.testing.assert_array_equal(found["a"], found["b"])
    endless = Tensor(np.ones(1, np.float32), (0, 0), (10**6, 10**6))
    assert "storage 0 has 1 numbers, too few for a shape of (1000000, 1000000)" in asks_for(
        write_torch_file(tmp_path / "y.pth", {"x": endless})
    )
    wrong = Tensor(np.arange(6, dtype=np.float32), (1, 1), (2, 3))
    assert "the strides (1, 1) of a tensor do not go with its shape (2, 3)" in asks_for(
        write_torch_file(tmp_path / "z.pth", {"x": wrong})
    )


def test_names_that_are_there_twice(tmp_path):
    twice = b"\x80\x02}(X\x01\x00\x00\x00aNX\x01\x00\x00\x00aNu."
    assert "a dict has the key a twice" in asks_for(by_hand(tmp_path / "x.pth", twice))


def test_escape_characters_of_a_file_do_not_reach_the_terminal(tmp_path):
    named = b"\x80\x02cos\nsys\x1b[31mtem\n."
    assert "names os.sys?[31mtem, which is not executed here" in asks_for(by_hand(tmp_path / "x.pth", named))


@settings(max_examples=60)
@given(st.binary(max_size=60), st.integers(0, 400))
@example(b"\x00\x00\\", 151)  # an odd escape, of which Python warns
def test_any_change_of_an_older_file_is_read_or_refused(tmp_path_factory, noise, place):
    path = tmp_path_factory.mktemp("x") / "x.pth"
    data = write_old_torch_file(path, {"a": Tensor(np.ones(4, np.float32))}).read_bytes()
    path.write_bytes(data[:place] + noise + data[place + len(noise) :])
    with suppress(WeightsError):
        read_torch_file(path, Budget(memory=1 << 20, parts=1000))
