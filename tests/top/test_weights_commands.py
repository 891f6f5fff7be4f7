import hashlib

import numpy as np
import pytest
import safetensors.numpy

from aifashion.top import weights_commands
from aifashion.unet.backbones.conversion import targets
from aifashion.unet.backbones.pretrained import build_started
from aifashion.unet.backbones.published import PUBLISHED, residual
from aifashion.unet.backbones.residual import RESIDUAL, Residual, build_residual
from aifashion.unet.backbones.residual_blocks import basic
from aifashion.unet.normalization import input_layers
from torch_writer import tensors, write_torch_file

NAME = "narrow"


@pytest.fixture
def checkpoint(monkeypatch, tmp_path):
    monkeypatch.setattr("aifashion.unet.backbones.residual.STAGE_WIDTHS", (8, 16, 24, 32))
    monkeypatch.setitem(RESIDUAL, NAME, Residual((1, 1, 1, 1), basic, "none"))
    monkeypatch.setitem(PUBLISHED, NAME, residual(NAME))
    shapes = {name: target.shape for name, target in targets(build_residual(NAME, (None, None, 3))).items()}
    path = tmp_path / "x.safetensors"
    safetensors.numpy.save_file({name: np.ones(shape, np.float32) for name, shape in shapes.items()}, path)
    return path


def test_convert(checkpoint, tmp_path, capsys):
    out = tmp_path / "x.weights.h5"
    weights_commands.convert([str(checkpoint), "--backbone", NAME, "--out", str(out)])
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    assert f"Wrote {out} (" in (said := capsys.readouterr().out) and f"sha256 {digest}): narrow from" in said


def test_what_was_accepted_is_said(checkpoint, tmp_path, capsys):
    state = safetensors.numpy.load_file(checkpoint)
    del state["layer4.0.conv2.weight"]
    safetensors.numpy.save_file(state | {"aux": np.ones(1, np.float32)}, checkpoint)
    words = [str(checkpoint), "--backbone", NAME, "--out", str(tmp_path / "x.weights.h5")]
    weights_commands.convert([*words, "--accept-missing", "layer4.*", "x.*", "--accept-unexpected", "aux"])
    said = capsys.readouterr().out
    assert "missing, and so at random: layer4.0.conv2.weight" in said and "not used: aux" in said


def test_errors_end_it_with_one_line(checkpoint, tmp_path, fails):
    out = tmp_path / "x.weights.h5"
    said = fails(weights_commands.convert, checkpoint, "--backbone", "resnet51", "--out", out)
    assert "no weights of PyTorch fit 'resnet51'; nearest are resnet50d, resnet18d, " in said
    said = fails(weights_commands.convert, tmp_path / "y.pth", "--backbone", NAME, "--out", out)
    assert said == f"no checkpoint at {tmp_path / 'y.pth'}"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    said = fails(weights_commands.convert, checkpoint, "--backbone", NAME, "--out", out)
    assert "is damaged, cut short or no safetensors file" in said and not out.exists()


def test_prefix_entry_and_statistics(checkpoint, tmp_path, capsys, fails):
    state, path, out = safetensors.numpy.load_file(checkpoint), tmp_path / "x.pth", tmp_path / "x.weights.h5"
    write_torch_file(path, {"teacher": {"a": 1}, "student": tensors({f"cnn.{n}": a for n, a in state.items()})})
    words = [str(path), "--backbone", NAME, "--out", str(out)]
    more = ["--entry", "student", "--prefix", "cnn.", "--mean", "0.5", "0.5", "0.5", "--std", "0.5", "0.5", "0.5"]
    weights_commands.convert([*words, *more])
    assert "does not say how its input was normalised" not in capsys.readouterr().out
    (layer,) = input_layers(build_started(NAME, (64, 64, 3), out))
    np.testing.assert_allclose([np.asarray(weight) for weight in layer.weights], [[127.5] * 3, [127.5**2] * 3])
    assert "--mean and --std go together" in fails(weights_commands.convert, *words, *more[:8])
    assert "expected three numbers each, of 0..1" in fails(
        weights_commands.convert, *words, *more[:4], "--mean", 120, 120, 120, "--std", 0.5, 0.5, 0.5
    )


def test_a_compiled_model_is_taken_and_said(checkpoint, tmp_path, capsys):
    state = {f"_orig_mod.{name}": array for name, array in safetensors.numpy.load_file(checkpoint).items()}
    safetensors.numpy.save_file(state, checkpoint)
    weights_commands.convert([str(checkpoint), "--backbone", NAME, "--out", str(tmp_path / "x.weights.h5")])
    said = capsys.readouterr().out
    assert "are taken without _orig_mod." in said and "does not say how its input was normalised" in said
