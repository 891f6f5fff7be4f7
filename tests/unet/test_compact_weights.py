from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from aifashion.config import AttributeConfig
from aifashion.records import HeadSpec
from aifashion.unet.compact_weights import CONSTANTS, GRAPH, CompactError, is_compact, whole_weights, write_compact
from aifashion.unet.predictors import attribute_net, trained_attribute_net

CONFIG = AttributeConfig(network="lite", size=32)
HEADS = (HeadSpec("colour", "exclusive", ("red", "green", "blue")),)


def layer(offset: int, shape: str, kind: str = "f32") -> str:
    return f'<layer type="Const"><data element_type="{kind}" shape="{shape}" offset="{offset}" size="0" /></layer>'


@pytest.fixture
def artifact(tmp_path):
    """Constants by hand: 8 bytes of something else, a (O, I, h, w) kernel with its factors, and a (O, I) kernel."""
    rng = np.random.default_rng(0)
    kernel, dense = rng.normal(size=(3, 3, 4, 5)).astype("f4"), rng.normal(size=(5, 2)).astype("f4")
    folded = (kernel * np.array([0.5, -2, 1e-3, 7, 1], "f4")).transpose(3, 2, 0, 1)
    (tmp_path / CONSTANTS).write_bytes(b"12345678" + folded.tobytes() + dense.T.tobytes())
    layers = layer(0, "1", "i64") + layer(8, "5, 4, 3, 3") + layer(8 + folded.nbytes, "2, 5")
    (tmp_path / GRAPH).write_text(f"<net><layers>{layers}</layers></net>")
    return tmp_path, kernel, dense


def compact_of(artifact) -> Path:
    """A compact file that refers to the first kernel."""
    folder, kernel, _ = artifact
    with h5py.File(folder / "whole.weights.h5", "w") as file:
        file["a/vars/0"] = kernel
    write_compact(folder / "whole.weights.h5", folder, folder / "model.weights.h5")
    return folder / "model.weights.h5"


def test_kernels_of_the_artifact_are_kept_there_alone(artifact):
    folder, kernel, dense = artifact
    other = np.random.default_rng(1).normal(size=(1, 1, 5, 4)).astype("f4")
    bias = np.array([1 / 3, 1e-9], "f4")
    arrays = {"a/vars/0": kernel, "b/vars/0": dense, "b/vars/1": bias, "c/vars/0": other}
    with h5py.File(folder / "whole.weights.h5", "w") as file:
        for name, array in arrays.items():
            file[name] = array
        file["a/vars"].attrs["name"] = "stem"
    write_compact(folder / "whole.weights.h5", folder, folder / "model.weights.h5")
    assert is_compact(folder / "model.weights.h5") and not is_compact(folder / "whole.weights.h5")
    with h5py.File(folder / "model.weights.h5") as file:
        assert [file[name].size for name in arrays] == [5, 2, 2, 20]
        assert file["a/vars/0"].attrs["offset"] == 8 and file["c/vars/0"].dtype == np.float16
    with whole_weights(folder / "model.weights.h5") as path, h5py.File(path) as file:
        assert dict(file["a/vars"].attrs) == {"name": "stem"} and not file["a/vars/0"].attrs
        np.testing.assert_allclose(file["a/vars/0"], kernel, rtol=1e-6)
        np.testing.assert_allclose(file["b/vars/0"], dense, rtol=1e-6)
        np.testing.assert_array_equal(file["b/vars/1"], bias)
        np.testing.assert_allclose(file["c/vars/0"], other, rtol=2**-11)
    with whole_weights(folder / "whole.weights.h5") as path:
        assert path == folder / "whole.weights.h5"


def test_a_network_loads_what_an_artifact_in_lower_precision_left(tmp_path):
    keras.utils.set_random_seed(0)
    net = attribute_net(CONFIG, HEADS)
    net.save_weights(tmp_path / "whole.weights.h5")
    write_compact(tmp_path / "whole.weights.h5", tmp_path, tmp_path / "model.weights.h5")
    assert (tmp_path / "model.weights.h5").stat().st_size < 0.55 * (tmp_path / "whole.weights.h5").stat().st_size
    loaded = trained_attribute_net(CONFIG, HEADS, tmp_path / "model.weights.h5")
    for found, expected in zip(loaded.get_weights(), net.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=2**-10, atol=1e-6)


def test_another_artifact_beside_the_weights_is_refused(artifact):
    path = compact_of(artifact)
    constants = path.with_name(CONSTANTS)
    constants.write_bytes(constants.read_bytes() + b"1")
    message = r"model\.weights\.h5 refers to another model\.bin than the one beside it: copy the whole folder"
    with pytest.raises(CompactError, match=message), whole_weights(path):
        pass
    constants.unlink()
    with pytest.raises(CompactError, match=r"refers to .*model\.bin, which is missing: copy the whole folder"):
        trained_attribute_net(CONFIG, HEADS, path)


@pytest.mark.parametrize("name", ["../model.bin", "/etc/hostname", "other.bin"])
def test_a_compact_file_refers_only_to_the_file_beside_it(artifact, name):
    path = compact_of(artifact)
    with h5py.File(path, "a") as file:
        file.attrs["artifact"] = name
    with (
        pytest.raises(CompactError, match=r"refers to '.*'; expected model\.bin, which lies beside it"),
        whole_weights(path),
    ):
        pass


@pytest.mark.parametrize("shape", [(-1, 1), (3,), ()])
def test_a_constant_of_no_shape_is_refused(artifact, shape):
    path = compact_of(artifact)
    with h5py.File(path, "a") as file:
        assert "offset" in file["a/vars/0"].attrs
        file["a/vars/0"].attrs["shape"] = np.array(shape, np.int64)
    with pytest.raises(CompactError, match="expected 2, 4 or 5 sides"), whole_weights(path):
        pass


def test_kernels_in_int8_are_the_trained_ones_to_half_a_step(tmp_path):
    rng = np.random.default_rng(4)
    kernel, deep = rng.normal(size=(3, 3, 4, 5)).astype("f4"), rng.normal(size=(5, 5, 6, 1)).astype("f4")
    other = rng.normal(size=(3, 3, 4, 5)).astype("f4")
    steps = {"kernel": np.abs(kernel).max((0, 1, 2)) / 127, "deep": np.abs(deep).max((0, 1, 3)) / 127}
    signs = np.array([1, -1, 1, 1, -1])  # an export multiplies the normalisation into it, which can be negative
    held = np.rint(kernel / steps["kernel"] * signs).astype(np.int8).transpose(3, 2, 0, 1)
    held_deep = np.rint(deep / steps["deep"][:, None]).astype(np.int8).transpose(2, 3, 0, 1)[:, :, None]
    (tmp_path / CONSTANTS).write_bytes(held.tobytes() + held_deep.tobytes())
    layers = layer(0, "5, 4, 3, 3", "i8") + layer(held.nbytes, "6, 1, 1, 5, 5", "i8")
    (tmp_path / GRAPH).write_text(f"<net><layers>{layers}</layers></net>")
    with h5py.File(tmp_path / "whole.weights.h5", "w") as file:
        file["a"], file["b"], file["c"] = kernel, deep, other
    write_compact(tmp_path / "whole.weights.h5", tmp_path, tmp_path / "model.weights.h5")
    with h5py.File(tmp_path / "model.weights.h5") as file:
        assert [file[name].size for name in "abc"] == [5, 6, other.size], "another kernel of that shape is kept"
    with whole_weights(tmp_path / "model.weights.h5") as path, h5py.File(path) as file:
        assert (np.abs(file["a"][()] - kernel) <= 0.6 * steps["kernel"]).all()
        assert (np.abs(file["b"][()] - deep) <= 0.6 * steps["deep"][:, None]).all()
        np.testing.assert_allclose(file["c"], other, rtol=2**-10)


def test_a_constant_of_another_type_is_refused(artifact):
    path = compact_of(artifact)
    with h5py.File(path, "a") as file:
        assert file["a/vars/0"].attrs["type"] == "f32"
        file["a/vars/0"].attrs["type"] = "f64"
    with pytest.raises(CompactError, match="refers to a constant of 'f64'; expected f32 or i8"), whole_weights(path):
        pass


@pytest.mark.parametrize("depthwise", [False, True])
def test_channels_that_the_artifact_has_as_zeros_are_kept_apart(tmp_path, depthwise):
    """Their normalisation leaves nothing of them; finetuning starts from them all the same."""
    rng = np.random.default_rng(3)
    kernel = rng.normal(size=(3, 3, 8, 1) if depthwise else (3, 3, 4, 8)).astype("f4")
    by = np.array([2, 0, 1, -3, 1, 1, 1e-3, 1], "f4")
    factors = by[:, None] if depthwise else by
    steps = 127 / np.abs(kernel * factors).max(axis=(0, 1, 3) if depthwise else (0, 1, 2)).clip(1e-9)
    folded = np.round(kernel * factors * (steps[:, None] if depthwise else steps)).astype("i1")
    constant = folded.transpose(2, 3, 0, 1)[:, None] if depthwise else folded.transpose(3, 2, 0, 1)
    (tmp_path / CONSTANTS).write_bytes(constant.tobytes())
    shape = ", ".join(map(str, constant.shape))
    (tmp_path / GRAPH).write_text(f"<net><layers>{layer(0, shape, 'i8')}</layers></net>")
    with h5py.File(tmp_path / "whole.weights.h5", "w") as file:
        file["a/vars/0"] = kernel
    write_compact(tmp_path / "whole.weights.h5", tmp_path, tmp_path / "model.weights.h5")
    with h5py.File(tmp_path / "model.weights.h5") as file:
        assert file["a/vars/0"].shape == (8,) and file["a/vars/0"][1] == 0
    with whole_weights(tmp_path / "model.weights.h5") as path, h5py.File(path) as file:
        found = np.array(file["a/vars/0"])
        assert not file["a/vars/0"].attrs
    gone = (slice(None), slice(None), 1) if depthwise else (..., 1)
    np.testing.assert_allclose(found[gone], kernel[gone], rtol=2**-11)
    assert np.abs(found - kernel).max() < 0.6 * np.abs(kernel).max() / 127 * 2
    with h5py.File(tmp_path / "model.weights.h5", "a") as file:
        del file["a/vars/0"].attrs["apart"]
    with pytest.raises(CompactError, match="a/vars/0 lacks 1 channels"), whole_weights(tmp_path / "model.weights.h5"):
        pass
