import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from aifashion.config import KeypointConfig
from aifashion.unet import framework
from aifashion.unet.framework import _choose_settings, _without_notices, check_settings, devices
from aifashion.unet.predictors import keypoint_net, trained_keypoint_net

NOTICES = (
    b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
    b"I0000 00:00:1.8 1 port.cc:153] oneDNN custom operations are on.\n"
    b"W0000 00:00:1.9 1 gpu_device.cc:1] skipping\n"
    b"E0000 00:00:2.0 1 cuda_platform.cc:52] failed call to cuInit: UNKNOWN ERROR (303)\n"
)


def test_notices_are_kept_back_and_all_else_appears(capfd):
    with _without_notices():
        os.write(2, NOTICES + b"E0000 00:00:3.0 1 driver.cc:1] out of memory\n")
        os.write(2, b"something else, without an end")
        assert capfd.readouterr().err == ""
    os.write(2, b", and after it\n")
    expected = "E0000 00:00:3.0 1 driver.cc:1] out of memory\nsomething else, without an end, and after it\n"
    assert capfd.readouterr().err == expected


def test_what_was_said_before_a_failure_appears(capfd):
    with pytest.raises(RuntimeError), _without_notices():
        os.write(2, NOTICES + b"cannot load libcuda\n")
        raise RuntimeError
    assert capfd.readouterr().err == "cannot load libcuda\n"


def test_devices():
    assert devices().startswith(("cpu:", "gpu:", "tpu:", "torch"))


@pytest.mark.slow
@pytest.mark.parametrize(("level", "quiet"), [(None, True), ("3", True), ("0", False)])
def test_the_framework_starts_in_silence_unless_asked_to_speak(level, quiet):
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    environment |= {"TF_CPP_MIN_LOG_LEVEL": level} if level else {}
    code = "import aifashion.unet; from aifashion.unet.framework import devices; print(devices())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip()
    assert (done.stderr == "") == quiet


# Settings of other projects

OTHERS = {"floatx": "float16", "epsilon": 1e-3, "backend": "jax", "image_data_format": "channels_first"}


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A folder for keras.json, and no variable that Keras reads; what is set is unset at the end."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    for name in ("KERAS_BACKEND", "KERAS_NNX_ENABLED"):
        monkeypatch.setenv(name, "")
    return tmp_path


def test_settings_of_a_keras_json_are_found(home):
    assert _choose_settings() == {}
    (home / "keras.json").write_text(json.dumps(OTHERS | {"nnx_enabled": True}))
    assert _choose_settings() == OTHERS | {"nnx_enabled": True}
    assert (os.environ["KERAS_BACKEND"], os.environ["KERAS_NNX_ENABLED"]) == ("tensorflow", "false")
    usual = {"floatx": "float32", "epsilon": 1e-07, "backend": "tensorflow", "image_data_format": "channels_last"}
    (home / "keras.json").write_text(json.dumps(usual))
    assert _choose_settings() == {}


def test_a_backend_that_cannot_train_or_is_not_there(home, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "numpy")
    with pytest.raises(ValueError, match="KERAS_BACKEND=numpy: expected tensorflow, jax, torch, or unset it"):
        _choose_settings()
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setattr(framework.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="compute with jax, which is not installed: pip install jax"):
        _choose_settings()


def test_a_keras_json_that_is_none(home):
    (home / "keras.json").write_text("[1]")
    with pytest.raises(ValueError, match=r"keras\.json is not a configuration of Keras: mend or delete it"):
        _choose_settings()


def test_settings_of_a_program_that_imported_keras_are_left_alone():
    check_settings()
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(ValueError, match=r"Keras with image_data_format channels_first .*set_image_data_format\("):
            keypoint_net(KeypointConfig(network="lite", size=64))
        assert keras.config.image_data_format() == "channels_first"
    finally:
        keras.config.set_image_data_format("channels_last")


def test_loading_a_trained_network_leaves_the_precision_of_the_program(tmp_path):
    config = KeypointConfig(network="lite", size=64)
    keypoint_net(config).save_weights(tmp_path / "a.weights.h5")
    keras.config.set_dtype_policy("mixed_float16")
    try:
        net = trained_keypoint_net(config, tmp_path / "a.weights.h5")
        assert keras.config.dtype_policy().name == "mixed_float16"
    finally:
        keras.config.set_dtype_policy("float32")
    assert {layer.dtype_policy.name for layer in net.layers if layer.weights} == {"float32"}


@pytest.mark.slow
@pytest.mark.parametrize("speaking", ["0", "2"])
def test_the_networks_are_built_whatever_the_keras_json(tmp_path, speaking):
    (tmp_path / "keras.json").write_text(json.dumps(OTHERS))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KERAS_")}
    environment |= {"KERAS_HOME": str(tmp_path), "TF_CPP_MIN_LOG_LEVEL": speaking}
    code = (
        "import aifashion.unet, keras; from aifashion.config import KeypointConfig; "
        "from aifashion.unet.predictors import keypoint_net; "
        "net = keypoint_net(KeypointConfig(network='lite', size=64)); "
        "print(net.output['refined'].shape, net.output['refined'].dtype, keras.backend.backend())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "(None, 16, 16, 24) float32 tensorflow"
    line = next(line for line in done.stderr.splitlines() if "keras.json" in line)
    assert "sets floatx float16, epsilon 0.001, backend jax, image_data_format channels_first" in line


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "error"),
    [('{"floatx": "float8"}', "Invalid `floatx` configuration"), ("[1]", "is not a configuration of Keras")],
)
def test_a_keras_json_that_keras_refuses_is_named(tmp_path, text, error):
    (tmp_path / "keras.json").write_text(text)
    environment = os.environ | {"KERAS_HOME": str(tmp_path), "KERAS_BACKEND": ""}
    done = subprocess.run(
        [sys.executable, "-c", "import aifashion.unet"], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 1 and f"{tmp_path}/keras.json" in done.stderr.splitlines()[-1]
    assert error in done.stderr


@pytest.mark.slow
def test_a_program_with_other_settings_is_told_so(tmp_path):
    code = "import keras; keras.config.set_floatx('float16'); import aifashion.unet"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "ValueError: this program imported Keras with floatx float16" in done.stderr
