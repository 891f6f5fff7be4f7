"""Weights that a backbone starts from."""

import warnings
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
        with warnings.catch_warnings():
            # Keras only warns that a part is missing in the file, and leaves the start weights there.
            warnings.filterwarnings("error", "Skipping nested container", UserWarning)
            model.load_weights(path)
    except UserWarning:
        raise WeightsError(f"{path} does not fit {model.name}: it lacks a part of the network") from None
    except (ValueError, OSError, KeyError) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise WeightsError(f"{path} does not fit {model.name}: {reason}") from None
