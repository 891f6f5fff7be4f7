import numpy as np
import pytest


@pytest.fixture
def photo() -> np.ndarray:
    """(40, 60, 3): smooth, so that JPEG keeps it, and without symmetry."""
    y, x = np.mgrid[:40, :60]
    return np.stack([x * 4, y * 6, 255 - x - y * 3], axis=-1).astype(np.uint8)
