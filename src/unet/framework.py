"""Starts the framework without its notices."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_QUIET, _SPEAKING = "2", ("0", "1")
_NOTICES = re.compile(rb"WARNING: All log messages before absl|[IW]0000 |E0000 .*cuInit")
"""Lines of TensorFlow's C++ code: how it was built, and that a machine without a GPU has none."""


def import_keras() -> None:
    """Imports Keras and looks for devices, with TensorFlow's notices kept off the terminal; other lines still appear.

    The notices go straight to the process's standard error, before any log level counts. Whoever sets
    TF_CPP_MIN_LOG_LEVEL to 0 or 1 sees them all.
    """
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", _QUIET) in _SPEAKING:
        return
    with _without_notices():
        import keras

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            tf.config.list_physical_devices()


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
