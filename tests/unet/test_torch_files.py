import os
import pickle
import zipfile
from argparse import Namespace
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from torch_writer import Tensor, tensors, write_old_torch_file, write_torch_file

from aifashion.unet.backbones import WeightsError
from aifashion.unet.backbones.torch_files import read_torch_file

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
