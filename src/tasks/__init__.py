"""The kinds of tasks that a network is trained for: what each loads, learns, scores and writes.

Nothing here prints: notes and warnings go to the logger `aifashion`.
"""

import numpy as np


def spread(count: int, most: int) -> np.ndarray:
    """Indices (N,) of at most so many of `count`, from first to last, since lists are often grouped by task or kind."""
    return np.linspace(0, count - 1, min(count, most)).astype(int)
