import json
import re
from pathlib import Path

import formula_weights
import h5py
import numpy as np
import pytest
import safetensors.numpy

from aifashion.unet.backbones import WeightsError
from aifashion.unet.backbones.conversion import Known, convert_checkpoint, load_state, targets
from aifashion.unet.backbones.input_statistics import read_statistics
from aifashion.unet.backbones.pretrained import build_started
from aifashion.unet.backbones.published import PUBLISHED, residual
from aifashion.unet.backbones.residual import RESIDUAL, Residual, build_residual
from aifashion.unet.backbones.residual_blocks import Traits, basic, bottleneck
from aifashion.unet.backbones.weights import load_file, told_backbone
from aifashion.unet.normalization import InputStatistics, input_layers
from torch_writer import tensors, write_torch_file

NAME, OTHER = "narrow_basic", "narrow_bottleneck"
SPECS = {
    NAME: Residual((1, 1, 1, 1), basic, "none", Traits(average_down=True), 8),
    OTHER: Residual((1, 1, 1, 1), bottleneck, "none"),
}


def put_in_place(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("aifashion.unet.backbones.residual.STAGE_WIDTHS", (8, 16, 24, 32))
    for name, spec in SPECS.items():
        patch.setitem(RESIDUAL, name, spec)
        patch.setitem(PUBLISHED, name, residual(name))


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    put_in_place(monkeypatch)


@pytest.fixture(scope="module")
def state() -> dict[str, np.ndarray]:
    with pytest.MonkeyPatch.context() as patch:
        put_in_place(patch)
        shapes = {name: target.shape for name, target in targets(build_residual(NAME, (None, None, 3))).items()}
    # As PyTorch writes them: with the classifier, and a counter in every normalisation.
    own = formula_weights.state(shapes | {"fc.weight": (10, 32), "fc.bias": (10,)})
    counters = {
        name.replace("running_var", "num_batches_tracked"): np.array(3) for name in own if "running_var" in name
    }
    return own | counters


def write(path: Path, state: dict[str, np.ndarray]) -> Path:
    safetensors.numpy.save_file({name: np.ascontiguousarray(array) for name, array in state.items()}, path)
    return path


def told(error: pytest.ExceptionInfo) -> str:
    return str(error.value)


# ------------------------------------------------------------------------------------------------------ what is loaded


def test_tensors_go_where_their_names_say(state):
    net = build_residual(NAME, (None, None, 3))
    assert load_state(net, NAME, state, "x") == ([], [])
    kernel = np.asarray(net.get_layer("layer2-0-conv1").kernel)
    np.testing.assert_array_equal(kernel[1, 2, 3, 4], state["layer2.0.conv1.weight"][4, 3, 1, 2])
    bn = net.get_layer("layer2-0-downsample-2")
    for weight, part in (
        (bn.gamma, "weight"),
        (bn.beta, "bias"),
        (bn.moving_mean, "running_mean"),
        (bn.moving_variance, "running_var"),
    ):
        np.testing.assert_array_equal(np.asarray(weight), state[f"layer2.0.downsample.2.{part}"])


@pytest.mark.parametrize("kind", ["safetensors", "wrapped .pth", "hub .bin", "half"])
def test_a_checkpoint_becomes_a_weights_file_that_a_training_takes(tmp_path, state, kind):
    if kind == "wrapped .pth":
        wrapped = {"epoch": 3, "state_dict": tensors({f"module.{name}": array for name, array in state.items()})}
        path = write_torch_file(tmp_path / "x.pth", wrapped)
    elif kind == "hub .bin":
        path = write_torch_file(tmp_path / "x.bin", tensors(state))
    else:
        wide = kind == "safetensors"
        path = write(tmp_path / "x.safetensors", {n: a if wide else a.astype(np.float16) for n, a in state.items()})
    out = tmp_path / "x.weights.h5"
    convert_checkpoint(path, NAME, out)
    assert told_backbone(out) == NAME and set(tmp_path.iterdir()) == {path, out}
    expected = build_residual(NAME, (64, 64, 3))
    load_state(expected, NAME, state, "x")
    for weights in (out, str(path)):  # the file that was written, and the checkpoint itself
        found = build_started(NAME, (64, 64, 3), weights)
        for own, wanted in zip(found.get_weights(), expected.get_weights(), strict=True):
            np.testing.assert_allclose(own, wanted, rtol=1e-3 if kind == "half" else 0, atol=1e-7)


# ------------------------------------------------------------------------------------------------- what does not fit


@pytest.fixture
def refused(tmp_path, state):
    """Converts a spoilt state, which must fail and leave nothing, and gives the message."""

    def call(spoilt: dict[str, np.ndarray], **more) -> str:
        path, out = write(tmp_path / "x.safetensors", spoilt), tmp_path / "out" / "x.weights.h5"
        out.parent.mkdir(exist_ok=True)
        with pytest.raises(WeightsError) as caught:
            convert_checkpoint(path, NAME, out, **more)
        assert not list(out.parent.iterdir())
        # What reads it into a network leaves that as it was.
        net = build_residual(NAME, (None, None, 3))
        before = [np.array(weight) for weight in net.get_weights()]
        with pytest.raises(WeightsError):
            load_state(net, NAME, spoilt, path, **more)
        assert all(np.array_equal(a, b) for a, b in zip(before, net.get_weights(), strict=True))
        return told(caught).removeprefix(f"{path} does not fit {NAME}: ")

    return call


def test_every_missing_and_every_unexpected_tensor_is_named(state, refused):
    spoilt = {name: array for name, array in state.items() if not name.startswith("layer3.0.bn1.")}
    said = refused(spoilt | {"layer5.weight": np.zeros(2, np.float32), "aux": np.zeros(2, np.float32)})
    gone = ", ".join(f"layer3.0.bn1.{part}" for part in ("weight", "bias", "running_mean", "running_var"))
    assert said.startswith(f"it lacks (4): {gone}; it has too many (2): ")
    assert set(re.findall(r"[\w.]+", said.rpartition(":")[2])) == {"layer5.weight", "aux"}


def test_what_is_accepted_by_pattern_may_be_missing_or_too_many(tmp_path, state, refused):
    spoilt = {name: array for name, array in state.items() if not name.startswith("layer4.0.conv2.")}
    spoilt |= {"aux.weight": np.zeros(2, np.float32)}
    assert "aux.weight" in refused(spoilt, accept_missing=["layer4.*"])
    assert "layer4.0.conv2.weight" in refused(spoilt, accept_unexpected=["aux.*"])
    path, out = write(tmp_path / "x.safetensors", spoilt), tmp_path / "x.weights.h5"
    accepted = convert_checkpoint(path, NAME, out, ["layer4.*"], ["aux.*"])
    assert accepted == (["layer4.0.conv2.weight"], ["aux.weight"]) and out.exists()


def test_wrong_shapes(state, refused):
    said = refused(state | {"conv1.0.weight": np.zeros((8, 1, 3, 3), np.float32), "bn1.bias": np.zeros(3, np.float32)})
    assert said == "it has other shapes (2): conv1.0.weight 8x1x3x3 instead of 8x3x3x3, bn1.bias 3 instead of 16"


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_numbers_that_are_none(state, refused, number):
    spoilt = state["layer1.0.conv2.weight"].copy()
    spoilt[0, 0, 0, 0] = number
    said = refused(state | {"layer1.0.conv2.weight": spoilt})
    assert said == "it holds numbers that are not finite (1): layer1.0.conv2.weight"


def test_whole_numbers_are_no_weights(state, refused):
    assert "whole numbers for weights (1): bn1.bias" in refused(state | {"bn1.bias": np.ones(16, np.int64)})


def test_variances_are_not_negative(state, refused):
    assert "negative variances (1): bn1.running_var" in refused(state | {"bn1.running_var": -state["bn1.running_var"]})


def test_another_architecture(tmp_path, state):
    path = write(tmp_path / "x.safetensors", state)
    with pytest.raises(WeightsError) as caught:
        convert_checkpoint(path, OTHER, tmp_path / "x.weights.h5")
    assert "it lacks (37): conv1.weight, " in told(caught) and "has too many (" in told(caught)
    assert "layer1.0.conv1.weight 8x16x3x3 instead of 8x64x1x1" in told(caught)


def test_a_weights_file_of_another_backbone(tmp_path, state):
    out = tmp_path / "x.weights.h5"
    convert_checkpoint(write(tmp_path / "x.safetensors", state), NAME, out)
    with pytest.raises(
        WeightsError, match=r"x\.weights\.h5 holds the weights of narrow_basic, not of narrow_bottleneck"
    ):
        build_started(OTHER, (64, 64, 3), out)


def test_a_weights_file_that_is_not_finite(tmp_path, state):
    net = build_residual(NAME, (64, 64, 3))
    net.get_layer("layer1-0-conv1").kernel.assign(np.full((3, 3, 16, 8), np.nan, np.float32))
    net.save_weights(tmp_path / "x.weights.h5")
    with pytest.raises(WeightsError, match=r"x\.weights\.h5 holds numbers that are not finite: layer1-0-conv1/kernel"):
        build_started(NAME, (64, 64, 3), tmp_path / "x.weights.h5")


def test_names_that_are_none(tmp_path, state):
    path = write(tmp_path / "x.safetensors", state)
    with pytest.raises(ValueError, match="no weights of PyTorch fit 'vgg'; expected one of resnet18_torch, "):
        convert_checkpoint(path, "vgg", tmp_path / "x.weights.h5")
    with pytest.raises(ValueError, match=r"x\.h5 must end in \.weights\.h5"):
        convert_checkpoint(path, NAME, tmp_path / "x.h5")
    with pytest.raises(WeightsError, match=r"keras\.applications has no weights of narrow_basic"):
        build_started(NAME, (64, 64, 3), "imagenet")


def test_a_full_disk_leaves_nothing(tmp_path, state, monkeypatch):
    path = write(tmp_path / "x.safetensors", state)

    def full(*words):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("aifashion.unet.backbones.conversion.save_file", full)
    with pytest.raises(OSError, match=r"cannot write .*x\.weights\.h5: No space left"):
        convert_checkpoint(path, NAME, tmp_path / "x.weights.h5")
    assert list(tmp_path.iterdir()) == [path]


# ----------------------------------------------------------------------------------------------------------- prefixes


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module.backbone."])
@pytest.mark.parametrize("more", [{}, {"n_averaged": np.array(3)}])
def test_known_prefixes_are_taken_off_and_said(tmp_path, state, caplog, prefix, more):
    caplog.set_level("INFO")
    longer = {f"{prefix}{name}": array for name, array in state.items()} | more
    convert_checkpoint(write(tmp_path / "x.safetensors", longer), NAME, tmp_path / "x.weights.h5")
    assert prefix in caplog.text
    found, expected = build_started(NAME, (64, 64, 3), tmp_path / "x.weights.h5"), build_residual(NAME, (64, 64, 3))
    load_state(expected, NAME, state, "x")
    assert all(np.array_equal(a, b) for a, b in zip(found.get_weights(), expected.get_weights(), strict=True))


def test_other_prefixes_are_told_and_taken_off_where_they_are_named(tmp_path, state, refused):
    longer = {f"student.cnn.{name}": array for name, array in state.items()}
    said = refused(longer)
    count = len([name for name in state if not name.startswith("fc.") and "num_batches" not in name])
    assert f"{count} of {count} tensors are there with the prefix student.cnn., which --prefix student.cnn. " in said
    assert len(said) < 700
    path, out = write(tmp_path / "x.safetensors", longer), tmp_path / "x.weights.h5"
    assert convert_checkpoint(path, NAME, out, known=Known(prefix="student.cnn")) == ([], [])
    with pytest.raises(WeightsError, match=r"has no tensor with the prefix teacher\.; it has student\.cnn\."):
        convert_checkpoint(path, NAME, out, known=Known(prefix="teacher."))


def test_a_long_mismatch_is_a_short_message(state, refused):
    said = refused({f"x{number}": np.zeros(2, np.float32) for number in range(500)})
    assert "it has too many (500): x0, x1, x10, x100, x101, ..." in said and len(said) < 500


def test_what_is_larger_than_the_network_is_not_looked_at(state):
    """It could be a tensor without end: one number that is repeated."""
    endless = np.lib.stride_tricks.as_strided(np.ones(1, np.float32), (10**7, 10**7), (0, 0))
    with pytest.raises(WeightsError, match=r"conv1\.0\.weight 10000000x10000000 instead of"):
        load_state(build_residual(NAME, (None, None, 3)), NAME, state | {"conv1.0.weight": endless}, "x")


# ----------------------------------------------------------------------------------------------- the input's statistics

HALF = InputStatistics((0.5,) * 3, (0.5,) * 3)


def normalised(net) -> np.ndarray:
    """Black, grey and white as the network sees them."""
    pixels = np.array([0.0, 127.5, 255.0], np.float32).reshape(1, 3, 1, 1).repeat(3, -1)
    return np.asarray(net.get_layer("normalise")(pixels))[0, :, 0]


def timm(mean: float, deviation: float, architecture: str = NAME) -> dict:
    return {"architecture": architecture, "pretrained_cfg": {"tag": "x", "mean": [mean] * 3, "std": [deviation] * 3}}


def test_the_hub_s_configuration_says_how_the_input_is_normalised(tmp_path, state, caplog):
    path, out = write(tmp_path / "x.safetensors", state), tmp_path / "x.weights.h5"
    (tmp_path / "config.json").write_text(json.dumps(timm(0.5, 0.5)))
    convert_checkpoint(path, NAME, out)
    assert not caplog.text
    for weights in (path, out):  # the weights file keeps it, wherever it is moved to
        (tmp_path / "config.json").rename(tmp_path / "other.json") if weights == out else None
        found = normalised(build_started(NAME, (64, 64, 3), weights))
        np.testing.assert_allclose(found, np.array([-1, 0, 1])[:, None].repeat(3, 1), atol=1e-6)


def test_a_bare_file_has_those_of_imagenet_with_a_warning(tmp_path, state, caplog):
    path = write(tmp_path / "x.safetensors", state)
    grey = normalised(build_started(NAME, (64, 64, 3), path))[1]
    assert f"{path} does not say how its input was normalised: the mean and deviation of ImageNet" in caplog.text
    np.testing.assert_allclose(grey, (0.5 - np.array([0.485, 0.456, 0.406])) / [0.229, 0.224, 0.225], rtol=1e-5)


def test_statistics_that_are_named_count_first(tmp_path, state, caplog):
    path, out = write(tmp_path / "x.safetensors", state), tmp_path / "x.weights.h5"
    (tmp_path / "config.json").write_text(json.dumps(timm(0.4, 0.2)))
    convert_checkpoint(path, NAME, out, known=Known(statistics=HALF))
    assert normalised(build_started(NAME, (64, 64, 3), out))[2] == pytest.approx([1, 1, 1])
    assert not caplog.text


def test_the_metadata_of_safetensors_say_it_too(tmp_path, state):
    path = tmp_path / "x.safetensors"
    metadata = {"format": "pt", "pretrained_cfg": json.dumps(timm(0.5, 0.25)["pretrained_cfg"])}
    safetensors.numpy.save_file({name: np.ascontiguousarray(array) for name, array in state.items()}, path, metadata)
    assert read_statistics(path, NAME) == InputStatistics((0.5,) * 3, (0.25,) * 3)


def test_a_configuration_of_another_architecture_is_told(tmp_path, caplog):
    (tmp_path / "config.json").write_text(json.dumps(timm(0.5, 0.5, "resnet50")))
    assert read_statistics(tmp_path / "x.pth", "resnet50_torch") == HALF and not caplog.text
    assert read_statistics(tmp_path / "x.pth", "resnet50d") == HALF
    assert "is that of resnet50, not of resnet50d" in caplog.text


@pytest.mark.parametrize("content", ["{", "[1]", "{}", '{"network": "lite"}', "[" * 100_000])
def test_other_files_of_that_name_say_nothing(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    assert read_statistics(tmp_path / "x.pth", NAME) is None


@pytest.mark.parametrize(("mean", "deviation"), [(127.5, 0.5), (0.5, 0), (0.5, -1), (float("nan"), 0.5), ("a", 0.5)])
def test_statistics_that_are_none(tmp_path, mean, deviation):
    (tmp_path / "config.json").write_text(json.dumps(timm(mean, deviation)))
    with pytest.raises(WeightsError, match=r"config\.json says mean .* expected three numbers of 0\.\.1 each"):
        read_statistics(tmp_path / "x.pth", NAME)


def test_weights_files_of_before_have_those_of_imagenet(tmp_path, state):
    net, path = build_residual(NAME, (64, 64, 3)), tmp_path / "old.weights.h5"
    net.save_weights(path)
    with h5py.File(path, "a") as file:
        del file["layers/input_normalization"]
    other = build_residual(NAME, (64, 64, 3))
    next(input_layers(other)).assign(HALF)
    load_file(other, path)
    np.testing.assert_allclose(normalised(other), normalised(net))
    with h5py.File(path, "a") as file:
        file["layers/input_normalization/vars/0"], file["layers/input_normalization/vars/1"] = np.ones(3), np.zeros(3)
    with pytest.raises(WeightsError, match="its input is normalised by the mean"):
        load_file(other, path)
