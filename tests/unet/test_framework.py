import os
import subprocess
import sys

import pytest

from aifashion.unet.framework import _without_notices, devices

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
