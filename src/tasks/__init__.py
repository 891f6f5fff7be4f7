"""The kinds of tasks for which networks are trained: loading data, training, scoring and writing results.

Nothing here prints: notes and warnings go to the logger `aifashion`.
"""

import numpy as np


def spread(count: int, most: int) -> np.ndarray:
    """Indices (N,) of at most `most` of `count` items, evenly spaced, since lists are often grouped by task or kind."""
    return np.linspace(0, count - 1, min(count, most)).astype(int)
