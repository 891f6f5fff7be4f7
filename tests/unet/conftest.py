import keras
import pytest

from run_parts import tiny_net


@pytest.fixture(autouse=True)
def float32():
    """The precision is a setting of the whole process: no test leaves another one behind."""
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="module")
def net() -> keras.Model:
    """A network of one layer, whose models and states are written and read in no time."""
    return tiny_net()
