import re
from pathlib import Path

import formula_weights
import numpy as np
import pytest
import safetensors.numpy
from torch_writer import tensors, write_torch_file

from aifashion.unet.backbones import WeightsError
from aifashion.unet.backbones.conversion import convert_checkpoint, load_state, targets
from aifashion.unet.backbones.pretrained import build_started
from aifashion.unet.backbones.residual import RESIDUAL, Residual, build_residual
from aifashion.unet.backbones.residual_blocks import Traits, basic, bottleneck
from aifashion.unet.backbones.weights import told_backbone

NAME, OTHER = "narrow_basic", "narrow_bottleneck"
SPECS = {
    NAME: Residual((1, 1, 1, 1), basic, "none", Traits(average_down=True), 8),
    OTHER: Residual((1, 1, 1, 1), bottleneck, "none"),
}


def put_in_place(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("aifashion.unet.backbones.residual.STAGE_WIDTHS", (8, 16, 24, 32))
    for name, spec in SPECS.items():
        patch.setitem(RESIDUAL, name, spec)


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


def test_variances_are_not_negative(state, refused):
    assert "negative variances (1): bn1.running_var" in refused(state | {"bn1.running_var": -state["bn1.running_var"]})


def test_another_architecture(tmp_path, state):
    path = write(tmp_path / "x.safetensors", state)
    with pytest.raises(WeightsError) as caught:
        convert_checkpoint(path, OTHER, tmp_path / "x.weights.h5")
    assert "conv1.weight" in told(caught) and "conv1.0.weight" in told(caught)
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
    with pytest.raises(ValueError, match="no weights of PyTorch fit 'densenet121'; they do resnet18_torch, "):
        convert_checkpoint(path, "densenet121", tmp_path / "x.weights.h5")
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
