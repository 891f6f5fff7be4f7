import keras
import pytest


@pytest.fixture(autouse=True)
def float32():
    """The precision is a setting of the whole process: no test leaves another one behind."""
    yield
    keras.config.set_dtype_policy("float32")
