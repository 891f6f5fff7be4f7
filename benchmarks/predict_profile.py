"""Profiles `aifashion predict`: the processor time of a photo, from its file to its row, by part.

    python benchmarks/predict_profile.py [--side PX] [--count N]

Each part runs alone, on one core, for all photos; the value is the median over the rounds. The networks are the shipped
ones; OpenVINO reports the time of their layers by kind. Photos are drawn, JPEG of `--side` px.
"""

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from measure import SEED, report

from aifashion.data_gen.images import decode_reduced
from aifashion.data_gen.preprocess import letterboxed
from aifashion.data_gen.synthetic.writer import write_dataset
from aifashion.eval.crops import classifier_input, frame_garment
from aifashion.eval.inference import KeypointNet, PhotoResult, View, answered
from aifashion.eval.two_stage import describe
from aifashion.recognition.columns import columns
from aifashion.recognition.measuring import new_measuring
from aifashion.recognition.tables import table_writer
from aifashion.recognition.two_stage_model import load_two_stage_model
from aifashion.records import CropRule, Sample
from aifashion.serve.artifact import Manifest
from aifashion.serve.shipped import shipped

BATCH, ROUNDS = 16, 5
OUTPUTS = {"keypoints": {"heatmaps", "category"}}
"""Outputs that `predict` uses, of a network that has more."""


class Parts:
    """The median processor time of each part, in ms for each photo."""

    def __init__(self, count: int) -> None:
        self.count, self.found = count, {}

    def measured(self, name: str, task: Callable[[], Any]) -> Any:
        """Runs the task a few times; returns the result of the last one."""
        taken, result = [], task()
        for _ in range(ROUNDS):
            start = time.process_time()
            result = task()
            taken.append(1000 * (time.process_time() - start) / self.count)
        self.found[name] = float(np.median(taken))
        return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=512, help="of the photos, in px")
    parser.add_argument("--count", type=int, default=128, help="photos")
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["AIFASHION_CACHE"] = str(folder / "cache")
        write_dataset(folder / "data", args.count, SEED, args.side, test_count=0)
        paths = sorted((folder / "data").rglob("*.jpg"))[: args.count]
        parts = profile(paths, folder)
    for part, value in parts.found.items():
        report("predict_profile", f"{part}, photos of {args.side} px", value, "ms")
    report("predict_profile", f"sum of all parts, photos of {args.side} px", sum(parts.found.values()), "ms")


def profile(paths: Sequence[Path], folder: Path) -> Parts:
    model = load_two_stage_model(shipped("keypoints"), shipped("attributes"))
    first, second = model.keypoints, model.attributes
    assert second is not None
    parts, vocabulary, codec = Parts(len(paths)), first.vocabulary, first.config.codec

    files = parts.measured("read the file", lambda: [path.read_bytes() for path in paths])
    side = max(first.config.size, 2 * second.config.size)
    photos = parts.measured("decode the JPEG", lambda: [decode_reduced(data, "photo", side) for data in files])

    def inputs() -> list[View]:
        views = []
        for path, photo in zip(paths, photos, strict=True):
            image, frame = letterboxed(photo.pixels, codec.size, photo.size, photo.frame)
            views.append(View(Sample(path.name, path, None), image, frame, photo.size, photo.pixels, photo.frame))
        return views

    views = parts.measured("resize for the keypoint network", inputs)
    batches = [views[start : start + BATCH] for start in range(0, len(views), BATCH)]
    layers(parts, "keypoint network", shipped("keypoints"), [np.stack([v.image for v in batch]) for batch in batches])
    maps = [first.maps(np.stack([view.image for view in batch])) for batch in batches]

    def decoded() -> list[PhotoResult]:
        ready = iter(maps)
        net = KeypointNet(lambda images: next(ready), vocabulary, codec, first.decoder, first.visibility)
        return list(answered(net, batches, BATCH))

    results = parts.measured("decode the heatmaps", decoded)
    rule = CropRule("heatmap")
    framed = parts.measured(
        "region of the heatmaps", lambda: [frame_garment(r, vocabulary, codec, rule) for r in results]
    )
    size = second.config.size

    def crops() -> list[np.ndarray]:
        pairs = zip(results, framed, strict=True)
        return [classifier_input(r.photo, where.box, size, r.reduced) for r, where in pairs if r.photo is not None]

    images = parts.measured("crop for the classifier", crops)
    layers(
        parts,
        "classifier",
        shipped("attributes"),
        [np.stack(images[start : start + BATCH]) for start in range(0, len(images), BATCH)],
    )

    garments = list(model.recognise([view.sample for view in views], BATCH, whole_photos=False))
    known = new_measuring(vocabulary, None, None)

    def described() -> list[dict[str, Any]]:
        lengths = known.described(known.measured([g.result.prediction for g in garments], None))
        facts = [describe(garment, vocabulary, model.heads) for garment in garments]
        return [one | measured for one, measured in zip(facts, lengths, strict=True)]

    rows = parts.measured("describe and measure the garment", described)
    out = folder / "out.csv"
    write, of = table_writer(out), columns(vocabulary, model.heads, known.known)
    parts.measured("write the row", lambda: write(out, iter(rows), of))
    return parts


def layers(parts: Parts, network: str, folder: Path, batches: Sequence[np.ndarray]) -> None:
    """Divides the time of a network among the kinds of its layers, as OpenVINO counts them."""
    manifest = Manifest.read(folder)
    core = openvino.Core()
    model = core.read_model(next(folder.glob("*.xml")))
    for result in list(model.get_results()):
        names = result.input_value(0).get_names()
        if not names & OUTPUTS.get(manifest.stage, names):
            model.remove_result(result)
    model.reshape({name: [BATCH, *shape[1:]] for name, shape in _shapes(model).items()})
    options = {"PERF_COUNT": "YES", "INFERENCE_NUM_THREADS": "1", "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(model, "CPU", options).create_infer_request()
    kinds: dict[str, float] = defaultdict(float)

    def run() -> None:
        kinds.clear()
        for batch in batches:
            full = np.concatenate([batch, np.repeat(batch[-1:], BATCH - len(batch), axis=0)])
            request.infer([full])
            for node in request.get_profiling_info():
                kinds[node.node_type] += node.real_time.total_seconds()

    parts.measured(network, run)
    whole = parts.found.pop(network)
    total = sum(kinds.values())
    named = [(kind, value / total) for kind, value in sorted(kinds.items(), key=lambda item: -item[1])]
    named = [(kind, share) for kind, share in named if share >= 0.03]
    for kind, share in named:
        parts.found[f"{network}, {kind}"] = whole * share
    parts.found[f"{network}, other layers"] = whole * (1 - sum(share for _, share in named))


def _shapes(model: Any) -> dict[str, list[Any]]:
    return {next(iter(given.get_names())): list(given.get_partial_shape()) for given in model.inputs}


if __name__ == "__main__":
    main()
