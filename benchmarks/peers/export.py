"""Exports a run with random weights for this project's runtime and for ONNX Runtime.

`python benchmarks/peers/export.py --run RUN --photos FOLDER --out FOLDER openvino-f32 openvino-int8 onnx-f32` makes
folders of these names (format and precision); int8 is calibrated on the photos.

`aifashion export` would refuse such weights in bfloat16 and int8, since it compares the scores of artifact and run.
Here the artifact is written without that check, and no layer is kept in a higher precision.
"""

import argparse
import json
from pathlib import Path
from typing import cast

import numpy as np

from aifashion.data_gen.images import read_image
from aifashion.data_gen.preprocess import letterboxed
from aifashion.serve.artifact import ArtifactError, Format, Manifest, Numbers
from aifashion.serve.export import write_artifact
from aifashion.serve.serving_net import keypoint_serving_net
from aifashion.unet.predictors import trained_keypoint_net
from aifashion.unet.runs import best_model, read_keypoint_config

LEARNED = 8
"""Photos on which int8 is calibrated."""


PRECISIONS = {"f32": "float32", "bf16": "bfloat16"}
"""Short names used for the folders."""


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--run", "--photos", "--out"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("names", nargs="+")
    args = parser.parse_args()
    config = read_keypoint_config(args.run)
    options, side = config.vocabulary, (config.size, config.size)
    net = trained_keypoint_net(config, best_model(args.run, print).path)
    serving = keypoint_serving_net(net, config.codec, config.decoder, options.twins)
    mask = np.ones((1, len(options.keypoints)), np.float32)
    learned = [
        {"image": letterboxed(read_image(path), side)[0][None], "mask": mask}
        for path in sorted(args.photos.rglob("*.jpg"))[:LEARNED]
    ]
    for name in args.names:
        form, short = name.split("-")
        form, precision = cast(tuple[Format, Numbers], (form, PRECISIONS.get(short, short)))
        manifest = Manifest("keypoints", form, precision, json.loads(config.to_json()), config.vocabulary)
        calibration = learned if precision == "int8" else ()
        try:
            write_artifact(args.out / name, serving, manifest, lambda network: {"excess": 0.0}, calibration)
        except ArtifactError as error:  # peers that need it are left out, with a message
            print(f"{name}: {error}")


if __name__ == "__main__":
    main()
