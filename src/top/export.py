"""`aifashion export`: a run becomes an artifact that runs without TensorFlow."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import tyro

from aifashion.config import KeypointConfig
from aifashion.data_gen.formats.challenges import CATEGORIES
from aifashion.data_gen.images import read_image
from aifashion.data_gen.preprocess import letterboxed
from aifashion.data_gen.synthetic.scene import render
from aifashion.eval.attribute_inference import predict_attributes
from aifashion.eval.inference import KeypointPredict
from aifashion.eval.tta import with_flip
from aifashion.records import Sample
from aifashion.serve.artifact import PRECISIONS, Format, Manifest, Numbers
from aifashion.top.arguments import CHECKOUT, run_command, tell, warn

POINT_BOUND, PROBABILITY_BOUND = 1e-3, 1e-3
"""How far in float32 a point in px, and a probability, may lie from the run's."""
NE_BOUND, SCORE_BOUND = 0.001, 0.002
"""How much the NE, and the mAP or whatever score a classifier has, may be worse in bfloat16 or int8."""
SEEN_IN_F32 = 32


@dataclass(frozen=True)
class Arguments:
    """Export a run, of keypoints or of a classifier, as a folder that test.py, demo.py and predict take as well.

    The artifact is measured against the run; one that differs too much is not written.
    """

    run: tyro.conf.Positional[Path]
    """run folder, or a folder of runs to take the latest of"""
    format: Format = "openvino"
    """openvino (the fastest here), onnx, litert (small devices) or saved_model (TensorFlow)"""
    precision: Numbers = "f32"
    """f32; bf16 (OpenVINO, on processors that have it); int8, quantised on --photos of --data"""
    out: Path | None = None
    """folder to write; exports/FORMAT_PRECISION in the run by default"""
    size: int | None = None
    """side of the input in px; that of the training by default"""
    flip: bool = False
    """average over the mirror image within the network; takes twice as long"""
    data: Path = CHECKOUT / "data"
    """the data folder that the run was trained on: bf16 and int8 are measured on its validation photos, and int8 learns
    the ranges of the layers from its training photos; f32 does with drawn photos"""
    photos: int = 300
    """photos from which int8 learns the ranges; as many are measured on, at least 1,000 where there are so many"""
    epoch: int | None = None
    """take the model of this epoch instead of the best one"""


def main(arguments: Sequence[str] | None = None) -> None:
    run_command("aifashion export", Arguments, arguments, export)


def export(args: Arguments) -> None:
    if args.precision not in PRECISIONS[args.format]:
        raise ValueError(
            f"--format {args.format} is computed in {' or '.join(PRECISIONS[args.format])}, not in {args.precision}"
        )
    if args.photos < 1:
        raise ValueError(f"--photos must be at least 1, not {args.photos}")
    from aifashion.unet.runs import find_run, read_config  # Keras loads here

    run = find_run(args.run)
    kind = json.loads(read_config(run)).get("kind")
    body = {"keypoints": _keypoints, "attributes": _attributes}.get(kind)
    if body is None:
        raise ValueError(f"{run / 'config.json'} tells of a run of kind {kind!r}; expected keypoints or attributes")
    out = args.out or run / "exports" / f"{args.format}_{args.precision}"
    manifest = body(run, out, args)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / 1e6
    told = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in manifest.differences.items())
    tell(f"Wrote {out} ({size:.1f} MB): {told}")


def _keypoints(run: Path, out: Path, args: Arguments) -> Manifest:
    from aifashion.recognition.keypoint_model import read_visibility
    from aifashion.serve.export import write_artifact
    from aifashion.serve.runtime import Network, keypoint_predict
    from aifashion.serve.serving_net import keypoint_serving_net
    from aifashion.tasks.keypoint_scores import validate
    from aifashion.unet.predictors import keypoint_predictor, trained_keypoint_net
    from aifashion.unet.runs import best_model, read_keypoint_config

    config = read_keypoint_config(run)
    model = best_model(run, warn, args.epoch)
    # Of whatever precision it was trained in: the weights are float32, and the artifact decides anew.
    config = dataclasses.replace(config, precision="float32", size=args.size or config.size)
    net, vocabulary = trained_keypoint_net(config, model.path), config.vocabulary
    visibility = read_visibility(run, config)
    predict: KeypointPredict = keypoint_predictor(net)
    if args.flip:
        predict = with_flip(predict, vocabulary.twins)
    low = args.precision != "f32"
    learned, held_out = _keypoint_samples(args, config) if low else ([], [])
    side = (config.size, config.size)

    def points_apart(network: Network) -> dict[str, Any]:
        images = _few(_photos_or_drawn(args, config), side)
        heatmaps, probabilities = predict(images)
        xy, _ = config.codec.decode(heatmaps, config.decoder)
        mask = np.stack([vocabulary.mask(vocabulary.categories[int(row.argmax())]) for row in probabilities])
        told = network(images, mask=mask.astype(np.float32))
        apart = float(np.abs(told["keypoints"][..., :2] - xy)[mask].max())
        probabilities_apart = float(np.abs(told["category"] - probabilities).max())
        excess = max(apart - POINT_BOUND, probabilities_apart - PROBABILITY_BOUND)
        return {
            "points_px": apart,
            "category_probability": probabilities_apart,
            "photos": len(images),
            "excess": excess,
        }

    def unread(path: Path) -> None:
        warn(f"cannot be read: {path}")

    reference = validate(predict, held_out, config, unread)["ne"] if low else float("nan")

    def errors_apart(network: Network) -> dict[str, Any]:
        ne = validate(keypoint_predict(network), held_out, config, unread)["ne"]
        return {"ne": ne, "ne_of_run": reference, "photos": len(held_out), "excess": ne - reference - NE_BOUND}

    ones = np.ones((1, len(vocabulary.keypoints)), np.float32)
    calibration = [
        {"image": letterboxed(read_image(s.path), side)[0][None], "mask": ones}
        for s in learned[: args.photos * (args.precision == "int8")]
    ]
    return write_artifact(
        out,
        keypoint_serving_net(net, config.codec, config.decoder, vocabulary.twins, args.flip),
        Manifest(
            "keypoints",
            args.format,
            args.precision,
            json.loads(config.to_json()),
            config.vocabulary,
            flip=args.flip,
            visibility=visibility.to_json() if visibility else {},
            source={"run": run.name, "epoch": model.epoch, "score": model.score},
        ),
        errors_apart if low else points_apart,
        calibration,
    )


def _attributes(run: Path, out: Path, args: Arguments) -> Manifest:
    from aifashion.recognition.attribute_model import read_calibration, read_heads
    from aifashion.serve.export import write_artifact
    from aifashion.serve.runtime import Network, attribute_predict
    from aifashion.serve.serving_net import attribute_serving_net
    from aifashion.tasks.attribute_data import check_crop, load_tables
    from aifashion.tasks.attribute_scores import score_outcomes
    from aifashion.unet.predictors import attribute_predictor, head_kernels, trained_attribute_net
    from aifashion.unet.runs import best_model, read_attribute_config

    config = read_attribute_config(run)
    heads, calibration = read_heads(run), read_calibration(run)
    model = best_model(run, warn, args.epoch)
    config = dataclasses.replace(config, precision="float32", size=args.size or config.size)
    net = trained_attribute_net(config, heads, model.path)
    predict = _mirrored(attribute_predictor(net)) if args.flip else attribute_predictor(net)
    low, side = args.precision != "f32", (config.size, config.size)
    learned: list[np.ndarray] = []
    rows = None
    if low:
        check_crop(args.data, config.crop)
        train, table = load_tables(args.data, config, len(heads[0].classes))
        rows = table.select(_spread(len(table), max(1000, args.photos)))
        if args.precision == "int8":
            learned = [letterboxed(train.photos.read(int(i)), side)[0][None] for i in _spread(len(train), args.photos)]

    def probabilities_apart(network: Network) -> dict[str, Any]:
        images = _few(_drawn(), side)
        expected, told = predict(images), attribute_predict(network)(images)
        apart = max(float(np.abs(_sigmoid(told[h.name]) - _sigmoid(expected[h.name])).max()) for h in heads)
        return {"probability": apart, "photos": len(images), "excess": apart - PROBABILITY_BOUND}

    def score_of(function: Callable) -> float:
        if rows is None:
            return float("nan")
        temperatures = calibration.temperatures
        outcomes = predict_attributes(function, rows.photos, heads, config.size, None, temperatures)
        # Lower is better for all kinds of heads: 1 - mAP, 1 - F2, or the mean class error.
        return score_outcomes(rows, [o for o in outcomes if o.error is None])["score"]

    reference = score_of(predict)

    def scores_apart(network: Network) -> dict[str, Any]:
        score = score_of(attribute_predict(network))
        excess = score - reference - SCORE_BOUND
        return {"score": score, "score_of_run": reference, "photos": len(rows or ()), "excess": excess}

    looks = config.crop.kind == "cam"
    return write_artifact(
        out,
        attribute_serving_net(net, heads, config.size, calibration.temperatures, args.flip, looks),
        Manifest(
            "attributes",
            args.format,
            args.precision,
            json.loads(config.to_json()),
            config.vocabulary,
            flip=args.flip,
            heads=heads,
            temperatures={name: np.asarray(value).tolist() for name, value in calibration.temperatures.items()},
            thresholds=calibration.thresholds,
            source={"run": run.name, "epoch": model.epoch, "score": model.score},
        ),
        scores_apart if low else probabilities_apart,
        [{"image": image} for image in learned],
        head_kernels(net, heads) if looks else None,
    )


def _keypoint_samples(args: Arguments, config: KeypointConfig) -> tuple[list[Sample], list[Sample]]:
    from aifashion.data_gen.keypoint_sets import load_training_parts

    train, held_out = load_training_parts(args.data, config)
    measured = _spread(len(held_out), max(1000, args.photos))
    return [train[i] for i in _spread(len(train), args.photos)], [held_out[i] for i in measured]


def _spread(count: int, most: int) -> np.ndarray:
    """Places (N,) of at most so many of `count`, from first to last, since lists are often grouped by task or kind."""
    return np.linspace(0, count - 1, min(count, most)).astype(int)


def _photos_or_drawn(args: Arguments, config: KeypointConfig) -> list[np.ndarray]:
    try:
        _, held_out = _keypoint_samples(args, config)
        return [read_image(sample.path) for sample in held_out[:SEEN_IN_F32]]
    except (OSError, ValueError):
        tell(f"no annotated photos in {args.data}: measured on drawn ones")
        return _drawn()


def _drawn() -> list[np.ndarray]:
    """Whether two computations agree shows on any photo."""
    return [render(np.random.default_rng([7, n]), 256, CATEGORIES[n % len(CATEGORIES)]).image for n in range(16)]


def _few(photos: list[np.ndarray], side: tuple[int, int]) -> np.ndarray:
    return np.stack([letterboxed(photo, side)[0] for photo in photos])


def _mirrored(predict: Callable[[np.ndarray], dict[str, np.ndarray]]) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    def both(images: np.ndarray) -> dict[str, np.ndarray]:
        own, mirrored = predict(images), predict(np.ascontiguousarray(images[:, :, ::-1]))
        return {name: (own[name] + mirrored[name]) / 2 for name in own}

    return both


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return cast(np.ndarray, 1 / (1 + np.exp(-logits.astype(np.float64))))


if __name__ == "__main__":
    main()
