"""AiFashion: garment keypoints, crops and attributes from photographs.

The one-minute tour. A photo goes through two stages:

1. A Cascaded Pyramid Network (`unet.keypoint_net`) turns it into one heatmap per garment keypoint. The category's
   mask silences the keypoints that such a garment does not have, and `heatmaps.HeatmapCodec` reads points off the rest.
2. `regions.garment_region` takes the largest connected region of the heatmaps and squares it into a crop.

Where things are:

    garments, records, geometry, heatmaps, regions, config, files   the spine: words, coordinates and records of all
    data_gen/   from files to batches: formats, safe decoding, splits, augmentation, synthetic garments
    unet/       networks, losses, the training loop and the run folder; the only place with Keras
    eval/       from predictions to numbers, pictures and submissions; knows a network only as `predict(images)`
    top/        the commands

In code:

    from pathlib import Path
    from aifashion.records import Sample
    from aifashion.recognition.keypoint_model import load_keypoint_model

    model = load_keypoint_model(Path("trained_models/all"))
    photo = Sample("coat", Path("coat.jpg"), category=None)      # None: the network tells the category
    result = next(model.predict([photo], batch_size=1))
    result.prediction.category, result.prediction.xy             # xy: (24, 2) pixels of the photo
"""

from typing import Any


def __getattr__(name: str) -> Any:
    if name != "__version__":
        raise AttributeError(f"module 'aifashion' has no attribute {name!r}")
    from importlib.metadata import version

    return version("aifashion")
