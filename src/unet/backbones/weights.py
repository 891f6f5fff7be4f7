"""Weights that a backbone starts from."""

from pathlib import Path

import keras

Weights = str | Path | None
"""`"imagenet"`, a Keras weights file, or None for a random start."""


class WeightsError(ValueError):
    """Weights that cannot be had or do not fit; the message says why and what to do."""


def load_file(model: keras.Model, path: str | Path) -> None:
    """Loads a Keras weights file (.h5 or .weights.h5). Raises WeightsError where it is missing or does not fit."""
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"no weights file at {path}")
    try:
        model.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise WeightsError(f"{path} does not fit {model.name}: {reason}") from None
