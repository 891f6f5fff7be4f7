"""Starts the framework without its notices, and with the settings that the networks here need.

Keras reads `~/.keras/keras.json` (or that in KERAS_HOME) and the KERAS_* variables when it is imported: settings of
other projects. Of these only KERAS_BACKEND counts here.
"""

import importlib.util
import json
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from ..extras import explained
from ..files import read_regular_text

log = logging.getLogger(__name__)

BACKENDS = ("tensorflow", "jax", "torch")
"""Of Keras: those that can train."""
_NEEDED = {"image_data_format": "channels_last", "floatx": "float32", "epsilon": 1e-7}
_QUIET, _SPEAKING = "2", ("0", "1")
_NOTICES = re.compile(rb"WARNING: All log messages before absl|[IW]0000 |E0000 .*cuInit")
"""Lines of TensorFlow's C++ code: how it was built, and that a machine without a GPU has none."""


def import_keras() -> None:
    """Imports Keras and looks for devices, with TensorFlow's notices kept off the terminal; other lines still appear.

    The notices go straight to the process's standard error, before any log level counts. Whoever sets
    TF_CPP_MIN_LOG_LEVEL to 0 or 1 sees them all.

    Settings of a keras.json that these networks cannot work with are replaced, with a warning. Those of a program that
    imported Keras before are left alone: raises ValueError where they do not fit, as where the backend is not
    installed or Keras cannot read its file.
    """
    quiet = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", _QUIET) not in _SPEAKING
    imported_before = "keras" in sys.modules
    replaced = {} if imported_before else _choose_settings()
    with _without_notices() if quiet else nullcontext():
        try:
            import keras
        except (ValueError, AttributeError, TypeError) as error:
            sources = f"{_keras_json()} or a KERAS_* variable"
            raise ValueError(f"Keras cannot start: {error}. Look for the value in {sources}") from error
        if imported_before:
            check_settings()
        else:
            for name, value in _NEEDED.items():
                getattr(keras.config, f"set_{name}")(value)
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            gpus = tf.config.list_physical_devices("GPU")
            asked = os.environ.get("CUDA_VISIBLE_DEVICES", "")
            if not gpus and asked not in ("", "-1") and not imported_before:
                log.warning(f"GPU {asked} is asked for (CUDA_VISIBLE_DEVICES), but TensorFlow can use none: on the CPU")
    if replaced:
        settings = ", ".join(f"{name} {value}" for name, value in replaced.items())
        needed = ", ".join(f"{name} {value}" for name, value in {**_NEEDED, "backend": _backend()}.items())
        log.warning(f"{_keras_json()} sets {settings}, which is not used here: the networks need {needed}")


def check_settings() -> None:
    """Raises ValueError where Keras was given settings that the networks here cannot work with."""
    import keras

    found = {name: getattr(keras.config, name)() for name in _NEEDED}
    wrong = {name: value for name, value in found.items() if value != _NEEDED[name]}
    if wrong:
        settings = ", ".join(f"{name} {value}" for name, value in wrong.items())
        calls = ", ".join(f"keras.config.set_{name}({_NEEDED[name]!r})" for name in wrong)
        raise ValueError(
            f"this program imported Keras with {settings} (by {_keras_json()} or keras.config); runs need {calls}: "
            "call this before a run is loaded, or use an artifact, which needs no Keras"
        )


def _choose_settings() -> dict[str, object]:
    """Chooses the backend, before Keras is imported; returns what the keras.json says otherwise than is needed.

    Raises ValueError for a backend that cannot train or is not installed.
    """
    backend = _backend()
    if backend not in BACKENDS:
        raise ValueError(f"KERAS_BACKEND={backend}: expected {', '.join(BACKENDS)}, or unset it for tensorflow")
    if importlib.util.find_spec(backend) is None:
        if backend == "tensorflow":
            raise explained(ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow"), "a run or training")
        raise ValueError(
            f"the backend {backend} of Keras is not installed: pip install {backend}, or set KERAS_BACKEND"
        )
    # Also read by Keras: NNX needs another package, and changes how layers keep their variables.
    os.environ |= {"KERAS_BACKEND": backend, "KERAS_NNX_ENABLED": "false"}
    try:
        settings = json.loads(read_regular_text(_keras_json()))
    except (OSError, ValueError):
        return {}
    if not isinstance(settings, dict):
        raise ValueError(f"{_keras_json()} is not a configuration of Keras: mend or delete it")
    needed = {**_NEEDED, "backend": backend, "nnx_enabled": False}
    return {name: value for name, value in settings.items() if name in needed and value != needed[name]}


def _backend() -> str:
    return os.environ.get("KERAS_BACKEND") or "tensorflow"


def _keras_json() -> Path:
    # As Keras looks for it.
    home = Path.home() if os.access(Path.home(), os.W_OK) else Path("/tmp")
    return Path(os.environ.get("KERAS_HOME", home / ".keras")).expanduser() / "keras.json"


def devices() -> str:
    """Where the networks run, such as `gpu:0`: with the notices goes the one that TensorFlow found no usable GPU."""
    import keras

    if keras.backend.backend() == "torch":  # which Keras cannot ask
        return "torch"
    return ", ".join(keras.distribution.list_devices())


@contextmanager
def _without_notices() -> Iterator[None]:
    """Holds back what is written to file descriptor 2, then writes it there without the notices."""
    try:
        terminal = os.dup(2)
    except OSError:  # a process without standard error, as under pythonw
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(terminal, 2)
            held.seek(0)
            for line in held:
                if not _NOTICES.match(line):
                    os.write(terminal, line)
            os.close(terminal)
