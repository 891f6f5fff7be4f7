"""Measures decoding of a batch of heatmaps on one core: 24 keypoints (FashionAI) and 294 (DeepFashion2)."""

from functools import partial
from typing import get_args

import cv2
import numpy as np
from measure import SEED, interleaved, report

from aifashion.heatmaps import Decoder, HeatmapCodec

BATCH, SIZE = 8, 256
KEYPOINTS = (24, 294)
cv2.setNumThreads(1)

codec = HeatmapCodec((SIZE, SIZE))  # 64 x 64 cells
rng = np.random.default_rng(SEED)
batches = []
for count in KEYPOINTS:
    xy = rng.uniform(0, SIZE - 1, (BATCH, count, 2))
    batches.append(np.stack([codec.encode(points, np.ones(count, bool)) for points in xy]))

for method in get_args(Decoder):
    times = interleaved([partial(codec.decode, heatmaps, method) for heatmaps in batches], 21)
    for count, time in zip(KEYPOINTS, times, strict=True):
        report("decoding", f"{method}, {count} keypoints, 64 x 64 cells, batch {BATCH}", 1000 * time, "ms")
    # The time per keypoint must not grow with their number: 294 / 24 is 12.25.
    ratio, bound = times[1] / times[0], f"<= {KEYPOINTS[1] / KEYPOINTS[0]:g}"
    report("decoding", f"{method}, {KEYPOINTS[1]} against {KEYPOINTS[0]} keypoints", ratio, "times", bound)
