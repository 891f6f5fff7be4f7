"""HDF5 files of weights that read other files, or claim more than they hold, are refused before they are read."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aifashion.unet.backbones import WeightsError, build_backbone
from aifashion.unet.backbones.caffe_files import is_caffe_file, load_caffe_file
from aifashion.unet.backbones.hdf5_files import check_hdf5
from aifashion.unet.backbones.reading import Budget
from aifashion.unet.backbones.weights import DIGEST, load_file, save_file


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (3,))
    file.create_virtual_dataset("x", layout)


def chain(file: h5py.File) -> None:
    group = file
    for _ in range(9):
        group = group.create_group("g")


def reference(file: h5py.File) -> None:
    file.attrs["r"] = file["a"].ref


FAULTS: dict[str, tuple[Callable[[h5py.File], object], str]] = {
    "external link": (lambda f: f.update({"x": h5py.ExternalLink("/etc/hostname", "/y")}), "/x is a link into another"),
    "external group": (
        lambda f: f.update({"model_weights": h5py.ExternalLink("o.h5", "/")}),
        "/model_weights is a link",
    ),
    "external storage": (
        lambda f: f.create_dataset("x", (3,), "f4", external=[("/etc/hostname", 0, 12)]),
        "/x keeps its numbers in another file, /etc/hostname",
    ),
    "soft link": (lambda f: f.update({"x": h5py.SoftLink("/a/b")}), "/x is a link to /a/b"),
    "virtual": (virtual, "/x is put together from other files"),
    "hard link": (lambda f: f.update({"x": f["a/b"]}), "is there a second time"),
    "circle": (lambda f: f["a"].update({"x": f["a"]}), "/a/x is there a second time"),
    "never written": (
        lambda f: f.create_dataset("x", (10**10,), "f4"),
        "/x claims numbers that the file does not hold",
    ),
    "no chunk": (lambda f: f.create_dataset("x", (10**10,), "f4", chunks=(1000,)), "/x claims numbers"),
    "packed": (
        lambda f: f.create_dataset("x", data=np.zeros(10**6, "f4"), compression="gzip"),
        "its numbers take more than 0.001 GB",
    ),
    "texts": (lambda f: f.create_dataset("x", data="text"), "/x holds no numbers but object"),
    "deep": (chain, "more than 8 deep"),
    "reference": (reference, "the attribute r is neither text nor numbers"),
    "long attribute": (lambda f: f.attrs.update({"n": ["a"] * 5000}), "the attribute n is larger than"),
    "kind": (lambda f: f.update({"x": np.dtype("f4")}), "/x is neither a group nor a dataset"),
}
BUDGET = Budget(memory=1_000_000, parts=1000, depth=8)


def write(path: Path, change: Callable[[h5py.File], object] = lambda file: None) -> Path:
    with h5py.File(path, "w", libver="latest") as file:
        file["a/b"] = np.ones(3, "f4")
        file.attrs["layer_names"] = [b"conv1", b"bn_conv1"]
        change(file)
    return path


@pytest.mark.parametrize("kind", FAULTS)
def test_what_weights_have_no_need_of_is_refused(tmp_path, kind):
    change, fault = FAULTS[kind]
    with pytest.raises(WeightsError) as caught:
        check_hdf5(write(tmp_path / "x.h5", change), BUDGET)
    assert fault in str(caught.value) and str(tmp_path / "x.h5") in str(caught.value)


def test_what_keras_writes_is_not(tmp_path):
    net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.BatchNormalization()])
    net.save_weights(tmp_path / "x.weights.h5")
    check_hdf5(tmp_path / "x.weights.h5", BUDGET)
    check_hdf5(write(tmp_path / "plain.h5"), BUDGET)

    def unusual(file: h5py.File) -> None:
        file["empty"], file["one"] = np.zeros((0, 3), "f4"), np.float32(3)
        file.attrs["names"], file.attrs["none"] = ["a", "b"], []
        file.create_dataset("packed", data=np.arange(1000.0), compression="gzip", shuffle=True)

    check_hdf5(write(tmp_path / "unusual.h5", unusual), BUDGET)


def test_the_number_of_parts_is_bounded(tmp_path):
    path = write(tmp_path / "x.h5", lambda file: [file.create_group(f"g{n}") for n in range(30)])
    with pytest.raises(WeightsError, match="more than 20 parts"):
        check_hdf5(path, Budget(parts=20))


def test_nothing_outside_is_opened_by_what_reads_weights(tmp_path):
    """The other file has what is missing: to read it would be noticed by no error."""
    net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    outside, path = tmp_path / "outside.weights.h5", tmp_path / "x.weights.h5"
    net.save_weights(outside)
    with h5py.File(path, "w") as file:
        file["layers"] = h5py.ExternalLink(str(outside), "/layers")
    with pytest.raises(WeightsError, match="/layers is a link into another file"):
        load_file(net, path)
    with h5py.File(tmp_path / "caffe.h5", "w") as file:
        file["model_weights"] = h5py.ExternalLink(str(write(tmp_path / "o.h5")), "/")
    with pytest.raises(WeightsError, match="/model_weights is a link into another file"):
        is_caffe_file(tmp_path / "caffe.h5")
    with pytest.raises(WeightsError, match="/model_weights is a link into another file"):
        build_backbone("resnet50", (64, 64, 3), tmp_path / "caffe.h5")


def test_damaged_caffe_files_are_told(tmp_path):
    body = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(WeightsError, match=r"x\.h5 does not fit"):  # the layers that it names are not there
        load_caffe_file(body, write(tmp_path / "x.h5"))
    data = (tmp_path / "x.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(data[: len(data) // 2])
    with pytest.raises(WeightsError, match="damaged, cut short or no HDF5 file"):
        is_caffe_file(tmp_path / "cut.h5")


def test_numbers_that_changed_since_they_were_written_are_told(tmp_path):
    net, path = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]), tmp_path / "x.weights.h5"
    save_file(net, path, "narrow")
    load_file(net, path)
    data, kernel = bytearray(path.read_bytes()), np.asarray(net.layers[0].kernel).tobytes()
    data[data.find(kernel) + 3] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="its numbers are not those that it was written with"):
        load_file(net, path)
    with h5py.File(path, "a") as file:
        del file.attrs[DIGEST]  # a file of before
    load_file(net, path)


def test_datasets_at_one_place_and_unusual_numbers(tmp_path):
    def unusual(file: h5py.File) -> None:
        kind = h5py.h5t.IEEE_F32LE.copy()
        kind.set_ebias(120)
        space = h5py.h5s.create_simple((3,))
        dataset = h5py.h5d.create(file.id, b"x", kind, space)
        dataset.write(space, space, np.ones(3, "f4"))

    with pytest.raises(WeightsError, match="/x holds numbers of an unusual kind"):
        check_hdf5(write(tmp_path / "x.h5", unusual), BUDGET)
    path = tmp_path / "y.h5"
    with h5py.File(path, "w", libver="earliest") as file:
        file["a"], file["b"] = np.ones(50, "f4"), np.zeros(50, "f4")
        first, second = file["a"].id.get_offset(), file["b"].id.get_offset()
    data = path.read_bytes()
    assert data.count(second.to_bytes(8, "little")) == 1
    path.write_bytes(data.replace(second.to_bytes(8, "little"), (first + 4).to_bytes(8, "little")))
    with pytest.raises(WeightsError, match="two of its datasets are at the same place"):
        check_hdf5(path, BUDGET)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2047), st.binary(min_size=1, max_size=4))
def test_any_change_is_read_or_told(tmp_path, place, noise):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["a/b"] = np.ones(3, "f4")
        file.attrs["layer_names"] = [b"conv1"]
    data = path.read_bytes()
    place %= len(data)
    path.write_bytes(data[:place] + noise + data[place + len(noise) :])
    with suppress(WeightsError):
        check_hdf5(path, BUDGET)
