"""A run of random weights as this project's runtime and as ONNX Runtime take it.

`python benchmarks/peers/export.py --run RUN --photos FOLDER --out FOLDER openvino-f32 openvino-int8 onnx-f32` makes
folders of these names, each a format and a precision; int8 learns its ranges from the photos.

`aifashion export` would refuse such weights in bfloat16 and int8: it holds an artifact to the run's score. Here an
artifact is written as it is, with no layer put back into a higher precision.
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
"""Photos from which int8 learns the ranges of the layers."""


PRECISIONS = {"f32": "float32", "bf16": "bfloat16"}
"""Short names that the folders bear."""


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
        except ArtifactError as error:  # the peers that need it are left out, with a word
            print(f"{name}: {error}")


if __name__ == "__main__":
    main()
