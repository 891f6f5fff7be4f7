import json
from pathlib import Path

import keras
import numpy as np
import pytest
import safetensors.numpy

from aifashion.unet.backbones import WeightsError
from aifashion.unet.backbones.checkpoints import read_checkpoint
from aifashion.unet.backbones.reading import Budget
from aifashion.unet.backbones.weights import load_file
from torch_writer import tensors, write_torch_file

STATE = {"a.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "a.count": np.array(3)}


def fault(path: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        read_checkpoint(path)
    return str(caught.value)


def same(found: dict[str, np.ndarray]) -> bool:
    return set(found) == set(STATE) and all(np.array_equal(found[name], STATE[name]) for name in STATE)


def test_safetensors(tmp_path):
    safetensors.numpy.save_file(STATE, tmp_path / "x.safetensors")
    assert same(read_checkpoint(tmp_path / "x.safetensors"))


def test_safetensors_in_bfloat16(tmp_path):
    header = json.dumps({"x": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    bits = (np.array([1.5, -4.0], np.float32).view(np.uint32) >> 16).astype("<u2")
    (tmp_path / "x.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bits.tobytes())
    np.testing.assert_array_equal(read_checkpoint(tmp_path / "x.safetensors")["x"], np.array([1.5, -4.0], np.float32))


@pytest.mark.parametrize("wrapper", ["", "state_dict", "model", "state_dict_ema", "model_ema"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod.", "model.backbone.", "encoder."])
def test_state_dicts_are_unwrapped(tmp_path, wrapper, prefix):
    content = tensors({f"{prefix}{name}": array for name, array in STATE.items()})
    path = write_torch_file(tmp_path / "x.pth", {wrapper: content, "epoch": 3} if wrapper else content)
    assert same(read_checkpoint(path))


def test_files_that_are_not_what_their_ending_says(tmp_path):
    torch_file = write_torch_file(tmp_path / "x.pth", tensors(STATE))
    renamed = tmp_path / "x.safetensors"
    renamed.write_bytes(torch_file.read_bytes())
    assert "is not in the safetensors format but a ZIP archive, as torch.save writes" in fault(renamed)
    keras_file = tmp_path / "y.pth"
    keras_file.write_bytes(b"\x89HDF\r\n\x1a\n")
    assert "is not a file of torch.save but an HDF5 file, as Keras writes" in fault(keras_file)
    page = tmp_path / "z.pth"
    page.write_text("<!DOCTYPE html>")
    assert "is not a file of torch.save but a web page" in fault(page)
    pointer = tmp_path / "z.safetensors"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    assert "a pointer of Git LFS, not the file itself" in fault(pointer)
    safe = tmp_path / "safe.pth"
    safetensors.numpy.save_file(STATE, safe)
    assert "it is not a file of torch.save" in fault(safe)
    (tmp_path / "x.onnx").write_text("x")
    assert "is no checkpoint by its ending; expected one of .safetensors, .pth" in fault(tmp_path / "x.onnx")
    assert "no checkpoint at" in fault(tmp_path / "nothing.pth")


def test_a_length_that_looks_like_another_format_is_none(tmp_path):
    # The header of 640 bytes makes the file begin with 80 02, as pickles do.
    bits = np.array([1.5, -4.0], np.float32)
    header = json.dumps({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode().ljust(640)
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bits.tobytes())
    np.testing.assert_array_equal(read_checkpoint(path)["x"], bits)


def test_a_whole_keras_model_is_called_so(tmp_path):
    net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    net.save(tmp_path / "net.keras")
    with pytest.raises(WeightsError, match=r"a whole Keras model, of which the \.weights\.h5 alone is wanted"):
        load_file(net, tmp_path / "net.keras")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.97])
def test_safetensors_cut_short(tmp_path, share):
    path = tmp_path / "x.safetensors"
    safetensors.numpy.save_file({"x": np.ones(1000, np.float32)}, path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert f"{path} is damaged, cut short or no safetensors file" in fault(path)


def test_what_holds_no_state_dict(tmp_path):
    assert "these entries are no tensors: epoch, lr" in fault(
        write_torch_file(tmp_path / "a.pth", {"epoch": 3, "lr": 0.1})
    )
    assert "holds no state dict but a list" in fault(write_torch_file(tmp_path / "b.pth", [1, 2]))
    assert "holds no state dict but a dict" in fault(write_torch_file(tmp_path / "c.pth", {}))


def test_what_was_taken_off_is_said(tmp_path, caplog):
    caplog.set_level("INFO")
    state = {f"_orig_mod.module.{name}": array for name, array in STATE.items()}
    safetensors.numpy.save_file(state, tmp_path / "x.safetensors")
    assert same(read_checkpoint(tmp_path / "x.safetensors"))
    assert f"the names in {tmp_path / 'x.safetensors'} are taken without _orig_mod. and module." in caplog.text


def test_parts_of_a_model_that_were_compiled(tmp_path):
    state = {"a._orig_mod.weight": STATE["a.weight"], "a.count": STATE["a.count"]}
    safetensors.numpy.save_file(state, tmp_path / "x.safetensors")
    assert same(read_checkpoint(tmp_path / "x.safetensors"))
    safetensors.numpy.save_file(state | {"a.weight": STATE["a.weight"]}, tmp_path / "x.safetensors")
    assert "two tensors are called a.weight once a" in fault(tmp_path / "x.safetensors")


def test_of_several_state_dicts_one_is_taken_and_said(tmp_path, caplog):
    caplog.set_level("INFO")
    averaged = {name: array + 1 for name, array in STATE.items()}
    content = {"state_dict": {"model": tensors(STATE)}, "state_dict_ema": tensors(averaged)}
    path = write_torch_file(tmp_path / "x.pth", content)
    assert same(read_checkpoint(path))
    assert f"{path} holds state_dict, state_dict_ema: state_dict is taken" in caplog.text
    found = read_checkpoint(path, "state_dict_ema")
    np.testing.assert_array_equal(found["a.weight"], averaged["a.weight"])
    assert same(read_checkpoint(path, "state_dict.model"))
    with pytest.raises(WeightsError, match="has no dict nothing; it holds state_dict, state_dict_ema"):
        read_checkpoint(path, "nothing")


def test_only_averaged_weights_are_taken_and_said(tmp_path, caplog):
    caplog.set_level("INFO")
    assert same(read_checkpoint(write_torch_file(tmp_path / "x.pth", {"model_ema": tensors(STATE), "epoch": 3})))
    assert "the averaged weights are taken, model_ema" in caplog.text


def test_safetensors_larger_than_the_budget(tmp_path):
    path = tmp_path / "x.safetensors"
    safetensors.numpy.save_file(STATE, path)
    with pytest.raises(WeightsError, match=r"asks for more than is given to a file of weights: \d+ bytes$"):
        read_checkpoint(path, budget=Budget(memory=100))
    safetensors.numpy.save_file({f"{n:030}": np.ones(1, np.float32) for n in range(2000)}, path)
    with pytest.raises(WeightsError, match="bytes of names"):
        read_checkpoint(path, budget=Budget(parts=1000))
