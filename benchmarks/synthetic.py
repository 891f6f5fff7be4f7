"""Measures how fast synthetic photos are drawn, on one core."""

import cv2
import numpy as np
from measure import SEED, report, seconds

from aifashion.data_gen.formats.challenges import CATEGORIES
from aifashion.data_gen.synthetic.scene import render

COUNT = 50
cv2.setNumThreads(1)


def draw() -> None:
    for number in range(COUNT):
        render(np.random.default_rng([SEED, number]), 256, CATEGORIES[number % len(CATEGORIES)])


report("synthetic", "draw at 256 px, one core", COUNT / seconds(draw, rounds=5), "images/s", ">= 30")
