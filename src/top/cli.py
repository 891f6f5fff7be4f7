"""The `aifashion` command. Every subcommand's module is imported only when it is called, so that --help is instant."""

import importlib
import sys
from collections.abc import Sequence

import aifashion

COMMANDS: dict[str, tuple[str, str]] = {
    "train": ("train:main", "train a keypoint network"),
    "test": ("test:main", "predict the keypoints of a test set, write the submission"),
    "train-attributes": ("train_attributes:main", "train a classifier of attributes, styles or products"),
    "test-attributes": ("test_attributes:main", "predict a test set with classifiers, write the submission"),
    "train-detection": ("train_detection:main", "train a detector, which finds all garments in a photo"),
    "evaluate": ("evaluate:main", "score a run on its validation photos"),
    "calibrate": ("calibrate:main", "fit the standard errors of lengths to annotated photos"),
    "export": ("export:main", "export a run as an artifact, a network that works without TensorFlow"),
    "export-combined": ("export_combined:main", "export a detector and a keypoint network as one ONNX file"),
    "predict": ("predict:main", "write category, keypoints, crop and attributes of photos to a table"),
    "demo": ("demo:main", "draw keypoints, heatmap and region on photos"),
    "serve": ("serve:main", "recognise photos over HTTP, with a page for the browser"),
    "score keypoints": ("score:keypoints", "score predicted keypoints against the truth (NE, PCK)"),
    "score attributes": ("score:attributes", "score predicted attributes against the truth (mAP)"),
    "score styles": ("score:styles", "score predicted styles against the truth (F2)"),
    "score products": ("score:products", "score predicted products against the truth (mean class error)"),
    "score detection": ("score:detection", "score detected garments against the true boxes (AP)"),
    "data synth": ("data_commands:synth", "draw a synthetic data set in the FashionAI layout"),
    "data synth-scenes": ("data_commands:synth_scenes", "draw photos of several garments, with boxes, as COCO files"),
    "data synth-styles": ("data_commands:synth_styles", "draw a synthetic data set with 13 style labels"),
    "data synth-products": ("data_commands:synth_products", "draw a synthetic catalogue of many products"),
    "data photographs": ("data_commands:photographs", "join annotations with a copy of public photographs"),
    "data check": ("data_commands:check", "report problems, duplicates and leaks between training and test photos"),
    "data convert": ("convert_commands:convert", "convert annotations from one format to another"),
    "data preannotate": ("preannotate:main", "label photos with the network, for people to correct"),
    "data to-coco": ("convert_commands:to_coco", "convert a FashionAI keypoint list to COCO keypoints JSON"),
    "data from-coco": ("convert_commands:from_coco", "convert COCO keypoints JSON to a FashionAI keypoint list"),
    "data from-masks": ("data_commands:from_masks", "make a data set of boxes from masks of garments"),
    "data crop": ("crop_commands:crop", "crop every photo of an attribute data set to its garment"),
    "data preview": ("preview:main", "draw a training batch as it enters the network"),
    "data fetch-styles": ("fetch_styles:main", "download the photos of a JingDong style list into TFRecords"),
    "weights convert": ("weights_commands:convert", "convert a PyTorch checkpoint to a Keras weights file"),
    "runs list": ("runs_commands:list_runs", "list the runs, with their scores and tags"),
    "runs clear": ("runs_commands:clear", "delete all runs that have a tag"),
}
"""Name -> module and function in this folder, and what it does. The function takes the arguments after the name."""


def main(arguments: Sequence[str] | None = None) -> None:
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    if tokens == ["--version"]:
        print(f"aifashion {aifashion.__version__}")
        return
    for count in (2, 1):
        command = " ".join(tokens[:count])
        if len(tokens) >= count and command in COMMANDS:
            module, _, function = COMMANDS[command][0].partition(":")
            try:
                getattr(importlib.import_module(f"aifashion.top.{module}"), function)(tokens[count:])
            except ImportError as error:
                _refuse(error, command)
            return
    asked_for_help = not tokens or tokens[-1] in ("-h", "--help")
    group = tokens[0] if tokens and tokens[0] not in ("-h", "--help") else ""
    shown = {name: text for name, (_, text) in COMMANDS.items() if name.startswith(group)}
    asked_for_help = asked_for_help and bool(shown)
    if not asked_for_help:
        print(f"aifashion: no command {' '.join(tokens[:2])!r}; expected one of these:", file=sys.stderr)
        shown = {name: text for name, (_, text) in COMMANDS.items()}
    print(_table(shown), file=sys.stdout if asked_for_help else sys.stderr)
    raise SystemExit(0 if asked_for_help else 2)


def _refuse(error: ImportError, command: str) -> None:
    """Ends the command where a package of an extra is not installed; raises the error where it is another one."""
    from aifashion.extras import explained

    reason = explained(error, f"aifashion {command}")
    if reason is error:
        raise error
    print(f"error: {reason}", file=sys.stderr)
    raise SystemExit(1)


def _table(commands: dict[str, str]) -> str:
    width = max(map(len, commands))
    rows = "\n".join(f"  {name:<{width}}  {text}" for name, text in commands.items())
    return (
        "usage: aifashion COMMAND [OPTIONS]\n       aifashion --version\n\n"
        f"{rows}\n\n'aifashion COMMAND --help' lists the options of a command."
    )


if __name__ == "__main__":
    main()
