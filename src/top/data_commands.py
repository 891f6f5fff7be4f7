"""`aifashion data`: commands that make and check data sets."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import tyro

from aifashion.files import CHECKOUT
from aifashion.top.arguments import console, run_command, tell, warn
from aifashion.vocabulary import Vocabulary, load_vocabulary

SHOWN = 5  # photos that are named where many are left out
SMALLEST = 32  # px; smaller garments cannot be drawn


@dataclass(frozen=True)
class DrawArguments:
    """Options of all synthetic sets."""

    out: Path
    """folder to write; it must be new, empty, or written earlier by this command"""
    count: int = 2000
    """number of photos to train on"""
    seed: int = 0
    """seed of the random numbers; the same seed draws the same photos"""
    size: int = 256
    """longer side of a photo in px"""
    test_count: int | None = None
    """number of test photos; their true labels are in separate files; by default a tenth of --count"""
    workers: int = 1
    """number of processes that draw"""


@dataclass(frozen=True)
class SynthArguments(DrawArguments):
    """Draw synthetic garments and write them as FashionAI data sets of keypoints and attributes."""

    labels: Literal["one", "all"] = "one"
    """attribute labels of each photo: one (one task, as in the challenge), or all (every task that fits its garment)"""


@dataclass(frozen=True)
class SynthScenesArguments(DrawArguments):
    """Draw photos of any number of garments, and write the boxes and keypoints of all garments in view to COCO files.

    Some show no garment. OUT/train.json, val.json and test.json name the photos beside them.
    """

    size: int = 512
    """longer side of the largest photos in px"""
    val_count: int | None = None
    """number of photos to validate on; by default a tenth of --count, at least 5"""
    test_count: int | None = None
    """number of test photos; by default a tenth of --count, at least 5"""


@dataclass(frozen=True)
class SynthStylesArguments(DrawArguments):
    """Draw synthetic garments with 13 style labels, and lists of them as in the JingDong challenge.

    Serve the folder, for example with `python -m http.server --directory OUT`, and fetch the lists from there.
    """

    url: str = "http://127.0.0.1:8000"
    """the URL at which you will serve the folder"""


@dataclass(frozen=True)
class SynthProductsArguments(DrawArguments):
    """Draw a synthetic catalogue of many products, and lists of its photos as in AliProducts."""

    count: int = 4000
    """number of photos to train and validate on"""
    classes: int = 200
    """number of products"""


@dataclass(frozen=True)
class CheckArguments:
    """Report problems of a data set with file and line, duplicate photos, and photos in both training and test set."""

    data: tyro.conf.Positional[Path]
    """folder in the FashionAI layout, a COCO set (a file, or a folder with train.json), or a file or folder in another
    format of docs/formats.md"""
    vocabulary: Vocabulary = field(default_factory=load_vocabulary)
    """names of the categories and keypoints, for all but the FashionAI layout: fashionai, deepfashion2, or the path of
    a TOML file"""
    workers: int = 2
    """number of threads that read photos"""


@dataclass(frozen=True)
class FromMasksArguments:
    """Make a data set of boxes from masks, whose pixels say which garment is there."""

    photos: tyro.conf.Positional[Path]
    """folder of photos (JPEG or PNG)"""
    masks: tyro.conf.Positional[Path]
    """folder of masks with the names of the photos: PNG of grey values or a palette, or MATLAB files with one matrix"""
    labels: Path
    """CSV with the columns label, name and category, a row for each number in the masks. Leave the category empty for
    what is no garment; write ? for what may be a garment: training ignores its box"""
    out: Path
    """folder to write: train.json (COCO) and photos/, which are links to the photos where the file system allows"""
    corrections: Path | None = None
    """CSV with the columns photo, label and category: what single labels are in the masks of single photos"""
    vocabulary: Vocabulary = field(default_factory=load_vocabulary)
    """whose categories are written: fashionai, deepfashion2, or the path of a TOML file"""


@dataclass(frozen=True)
class PhotographsArguments:
    """Make a data set of photographs: join the project's annotations with your copy of the public photos."""

    source: Path
    """folder of the photos: a clone of github.com/alexeygrigorev/clothing-dataset-small"""
    out: Path
    """folder to write, in the FashionAI layout with its split; it must be new, empty, or written earlier by this
    command"""
    annotations: Path = CHECKOUT / "data" / "photographs"
    """folder of the annotations"""
    category_only: bool = False
    """to learn from as well: the photos of which only the category is known, and those without a garment"""


def synth(arguments: Sequence[str] | None = None) -> None:
    def write(args: SynthArguments) -> None:
        from aifashion.data_gen.synthetic.writer import write_dataset

        _check_size(args)
        write_dataset(args.out, args.count, args.seed, args.size, args.test_count, args.workers, args.labels)
        tell(f"Wrote {args.count} photos to train on and their test set to {args.out}")

    run_command("aifashion data synth", SynthArguments, arguments, write)


def synth_scenes(arguments: Sequence[str] | None = None) -> None:
    def write(args: SynthScenesArguments) -> None:
        from aifashion.data_gen.synthetic.scene_set import SceneCounts, write_scenes

        counts = SceneCounts.of(args.count, args.val_count, args.test_count)
        kinds = write_scenes(args.out, counts, args.seed, args.size, args.workers)
        shown = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        tell(f"Wrote {counts.train} photos to train on, {counts.val} to validate, {counts.test} to test to {args.out}")
        tell(f"Kinds of photos: {shown}")

    run_command("aifashion data synth-scenes", SynthScenesArguments, arguments, write)


def synth_styles(arguments: Sequence[str] | None = None) -> None:
    def write(args: SynthStylesArguments) -> None:
        from aifashion.data_gen.synthetic.catalogue import write_style_set

        _check_size(args)
        write_style_set(args.out, args.count, args.seed, args.size, args.test_count, args.url, args.workers)
        tell(f"Wrote {args.count} photos to train on and the lists of {args.url} to {args.out}")

    run_command("aifashion data synth-styles", SynthStylesArguments, arguments, write)


def synth_products(arguments: Sequence[str] | None = None) -> None:
    def write(args: SynthProductsArguments) -> None:
        from aifashion.data_gen.synthetic.catalogue import write_product_set

        _check_size(args)
        write_product_set(args.out, args.count, args.classes, args.seed, args.size, args.test_count, args.workers)
        tell(f"Wrote {args.count} photos of {args.classes} products to {args.out}")

    run_command("aifashion data synth-products", SynthProductsArguments, arguments, write)


def _check_size(args: DrawArguments) -> None:
    """Raises ValueError before the folder is made."""
    if args.size < SMALLEST:
        raise ValueError(f"--size {args.size}: expected at least {SMALLEST} px")


def photographs(arguments: Sequence[str] | None = None) -> None:
    """Exit code 0 although photos are left out: they are named and counted."""

    def write(args: PhotographsArguments) -> None:
        from aifashion.data_gen.photographs import join_photographs

        joined = join_photographs(args.annotations, args.source, args.out, args.category_only)
        for names, reason in ((joined.missing, "not there"), (joined.changed, "another file than was annotated")):
            for name in names[:SHOWN]:
                warn(f"left out: {args.source / name} is {reason}")
            if len(names) > SHOWN:
                warn(f"left out as well: {len(names) - SHOWN} more photos that are {reason}")
        left_out = len(joined.missing) + len(joined.changed)
        counts = ", ".join(f"{joined.written.get(part, 0)} to {part}" for part in ("learn", "choose", "report"))
        tell(f"Wrote {sum(joined.written.values())} photos to {args.out} ({counts}); {left_out} left out")

    run_command("aifashion data photographs", PhotographsArguments, arguments, write)


def from_masks(arguments: Sequence[str] | None = None) -> None:
    def convert(args: FromMasksArguments) -> None:
        from aifashion.data_gen.detection_sets import scenes_of_masks, write_detection_set
        from aifashion.data_gen.formats.label_masks import read_label_categories, read_mask_corrections

        for name in ("photos", "masks"):
            if not getattr(args, name).is_dir():
                raise FileNotFoundError(f"no folder of {name} at {getattr(args, name)}")
        if args.out.exists() and (not args.out.is_dir() or any(args.out.iterdir())):
            raise FileExistsError(f"--out {args.out} is not empty: choose a new folder")
        labels = read_label_categories(args.labels, args.vocabulary)
        corrections = None if args.corrections is None else read_mask_corrections(args.corrections, args.vocabulary)
        scenes = scenes_of_masks(args.photos, args.masks, labels, corrections)
        garments = sum(len(scene.garments) for scene in scenes)
        if not garments:
            raise ValueError(f"{args.masks} shows no garment that {args.labels} names: nothing to write")
        write_detection_set(args.out, {"train": scenes}, args.vocabulary)
        tell(f"Wrote {len(scenes)} photos with {garments} garments to {args.out}")

    run_command("aifashion data from-masks", FromMasksArguments, arguments, convert)


def check(arguments: Sequence[str] | None = None) -> None:
    """Exit code 1 where photos or rows cannot be used."""

    def report(args: CheckArguments) -> None:
        from aifashion.data_gen.check import check_dataset
        from aifashion.data_gen.check_labels import check_labels, label_files
        from aifashion.top.check_report import print_report
        from aifashion.top.progress import progress_bar

        if args.workers < 1:
            raise ValueError(f"--workers {args.workers}: expected at least 1")
        if label_files(args.data):
            result = check_labels(args.data, args.vocabulary, args.workers, progress_bar)
        elif args.vocabulary != load_vocabulary():
            raise ValueError(f"--vocabulary {args.vocabulary.name}: a FashionAI folder has the vocabulary fashionai")
        else:
            result = check_dataset(args.data, args.workers, progress_bar)
        print_report(result, console)
        if not result.ok:
            raise SystemExit(1)

    run_command("aifashion data check", CheckArguments, arguments, report)
