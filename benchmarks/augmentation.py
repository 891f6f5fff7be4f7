"""Measures augmentation and target encoding of photos in memory, on one core, with the settings of training."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
from measure import SEED, report, seconds

from aifashion.config import keypoint_preset
from aifashion.data_gen.formats.challenges import CATEGORIES
from aifashion.data_gen.keypoint_batches import training_example
from aifashion.data_gen.synthetic.scene import render
from aifashion.records import Sample

COUNT = 64
cv2.setNumThreads(1)

for size, bound in ((256, ">= 250"), (512, ">= 60")):
    config = dataclasses.replace(keypoint_preset("lite"), size=size)
    scenes = [render(np.random.default_rng([SEED, i]), size, CATEGORIES[i % len(CATEGORIES)]) for i in range(16)]

    def examples(config=config, scenes=scenes) -> None:
        for number in range(COUNT):
            scene = scenes[number % len(scenes)]
            sample = Sample(str(number), Path(), CATEGORIES[number % len(scenes) % len(CATEGORIES)], scene.keypoints)
            training_example(np.random.default_rng([SEED, number]), scene.image, sample, config)

    report(
        "augmentation", f"augment and encode at {size} px, one core", COUNT / seconds(examples, 7), "samples/s", bound
    )
