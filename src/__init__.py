"""AiFashion: garment keypoints, crops and attributes from photographs.

The one-minute tour, with the networks that come with the package:

    >>> import aifashion
    >>> recognizer = aifashion.load("shipped")          # or a run folder, or an artifact
    >>> from aifashion.data_gen.synthetic.scene import render
    >>> import numpy as np
    >>> photo = render(np.random.default_rng(4), 320, "dress").image     # a drawn one; "photo.jpg" does as well
    >>> garment = recognizer(photo)
    >>> garment.category
    'dress'
    >>> sorted(garment.category_probabilities) == sorted(recognizer.vocabulary.categories)
    True
    >>> hem = garment.keypoints["hemline_left"]          # x, y in px; score, visible: 0..1
    >>> 0 <= hem.x < 320 and 0 <= hem.visible <= 1
    True
    >>> list(garment.attributes)[:2]
    ['collar_design', 'neck_design']
    >>> length = garment.attributes["skirt_length"]      # label, probability, probabilities
    >>> length.probability == length.probabilities[length.label]
    True
    >>> garment.crop.shape[2], garment.draw().dtype      # pictures, RGB
    (3, dtype('uint8'))

A photo goes through two stages; where it shows several garments, each of them goes through both, in its box
(`Recognizer.garments`):

1. A Cascaded Pyramid Network (`unet.keypoint_net`) turns it into one heatmap per garment keypoint. The category's
   mask silences the keypoints that such a garment does not have, and `heatmaps.HeatmapCodec` reads points off the rest.
2. `regions.garment_region` takes the largest connected region of the heatmaps and squares it into a crop, which a
   classifier (`unet.attribute_net`) sees.

Where things are:

    vocabulary, records, geometry, heatmaps, regions, config, files   the spine: names, coordinates and records of all
    data_gen/     from files to batches: formats, safe decoding, splits, augmentation, synthetic garments
    unet/         networks, losses, the training loop and the run folder; the only folder with Keras
    eval/         from predictions to numbers, pictures and submissions; knows a network only as `predict(images)`
    serve/        networks without TensorFlow: artifacts, their runtimes, and the shipped ones
    recognition/  from photos to garments: what commands, services and Python users share
    web/          the same as a service over HTTP, an extra
    tasks/        what a network can be trained for: data, scores, submissions
    top/          the commands
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .data_gen.images import ImageError
    from .recognition.adapters import to_pandas, to_supervision, to_supervision_boxes
    from .recognition.garment import Garment
    from .recognition.recognizer import EncodedPhoto, Recognizer, load
    from .vocabulary import Vocabulary, load_vocabulary

    __version__: str

__all__ = [
    "EncodedPhoto",
    "Garment",
    "ImageError",
    "Recognizer",
    "Vocabulary",
    "__version__",
    "load",
    "load_vocabulary",
    "to_pandas",
    "to_supervision",
    "to_supervision_boxes",
]

_MODULES = {
    "EncodedPhoto": "recognition.recognizer",
    "Garment": "recognition.garment",
    "ImageError": "data_gen.images",
    "Recognizer": "recognition.recognizer",
    "Vocabulary": "vocabulary",
    "load": "recognition.recognizer",
    "load_vocabulary": "vocabulary",
    "to_pandas": "recognition.adapters",
    "to_supervision": "recognition.adapters",
    "to_supervision_boxes": "recognition.adapters",
}
"""Where each name comes from. They load when they are first used, so that `import aifashion` takes no time."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value: Any = _version()
    elif name in _MODULES:
        from importlib import import_module

        value = getattr(import_module(f".{_MODULES[name]}", __name__), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    """Of the installed package, or where it is not installed, that of the checkout."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("aifashion")
    except PackageNotFoundError:
        import tomllib
        from pathlib import Path

        project = Path(__file__).resolve().parent.parent / "pyproject.toml"
        return tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"]
