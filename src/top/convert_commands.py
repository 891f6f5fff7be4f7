"""`aifashion data`: commands that convert annotations from one format to another."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from aifashion.top.arguments import check_no_input, run_command, tell, warn
from aifashion.vocabulary import Vocabulary, load_vocabulary


@dataclass(frozen=True)
class ConvertArguments:
    """Convert annotations of garments from one format to another; docs/formats.md lists the formats."""

    source: tyro.conf.Positional[Path]
    """file or folder with annotations; its content tells the format"""
    to: str
    """the format to write: fashionai, coco, label-studio, cvat, labelme, yolo-pose, deepfashion2 or table"""
    out: Path
    """file or folder to write"""
    format: Annotated[str | None, tyro.conf.arg(name="from")] = None
    """the format of the source, if its content fits several formats: one of those of --to, or deepfashion"""
    vocabulary: Vocabulary = field(default_factory=load_vocabulary)
    """names of categories and keypoints in the output: fashionai, deepfashion2, or the path of a TOML file"""
    names: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """what names mean that are not in the vocabulary: a TOML file, or a map of the package, such as
    deepfashion-to-fashionai. It can be given several times"""
    ignore: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """a category or keypoint of the source to leave out; * stands for any letters. It can be given several times"""
    photos: Path | None = None
    """folder of the photos, if the source does not name the right one"""


@dataclass(frozen=True)
class ToCocoArguments:
    """Convert a FashionAI keypoint list (CSV) to a COCO keypoints file (JSON)."""

    csv: tyro.conf.Positional[Path]
    """keypoint list in the FashionAI format, with its photos in their places"""
    out: Path
    """JSON file to write"""
    vocabulary: Vocabulary = field(default_factory=load_vocabulary)
    """whose categories and keypoints are written: fashionai, or a TOML file with some of its categories"""


@dataclass(frozen=True)
class FromCocoArguments:
    """Convert a COCO keypoints file (JSON) to a FashionAI keypoint list (CSV)."""

    json: tyro.conf.Positional[Path]
    """COCO keypoints file with FashionAI's keypoints or DeepFashion's landmarks"""
    out: Path
    """CSV file to write"""
    decimals: int = 2
    """decimals of the coordinates; the challenge's files have 0"""
    category: str | None = None
    """the category of all garments; needed if the file does not name FashionAI categories"""


def convert(arguments: Sequence[str] | None = None) -> None:
    """Exit code 1 where nothing was converted; what was written earlier stays then."""

    def write(args: ConvertArguments) -> None:
        from dataclasses import replace

        from aifashion.data_gen.formats.label_samples import convertible, tell_left_out
        from aifashion.data_gen.formats.name_maps import Names, read_names
        from aifashion.data_gen.formats.problems import leave_out
        from aifashion.data_gen.formats.table import FORMATS, format_of

        target = FORMATS.get(args.to)
        if target is None or target.write is None:
            known = ", ".join(entry.name for entry in FORMATS.values() if entry.write is not None)
            raise ValueError(f"--to {args.to}: expected one of {known}")
        check_no_input("--out", args.out, args.source)
        if args.photos is not None and not args.photos.is_dir():
            raise FileNotFoundError(f"--photos {args.photos}: no such folder")
        names = Names(asked=args.ignore)
        for source in args.names:
            names = names.joined(read_names(source, args.vocabulary))
        entry = format_of(args.source, args.format)
        read = entry.read(args.source)
        tell(f"Read {_counts(len(read.photos), read.garment_count)} from {args.source}, format {entry.name}")
        read = read if args.photos is None else replace(read, root=args.photos)
        found = convertible(read, target, args.vocabulary, names)
        garments = found.garment_count
        leave_out(args.source, found.problems, garments, "entries")
        tell_left_out(found)
        if not garments:
            raise ValueError(f"{args.source} has no garment to convert: {args.out} stays as it is")
        target.write(found, args.out, args.vocabulary)
        tell(f"Wrote {_counts(len(found.photos), garments)} to {args.out}, format {target.name}")

    run_command("aifashion data convert", ConvertArguments, arguments, write)


def to_coco(arguments: Sequence[str] | None = None) -> None:
    def convert(args: ToCocoArguments) -> None:
        from aifashion.data_gen.formats.coco_writing import write_coco
        from aifashion.data_gen.formats.fashionai_labels import read_fashionai
        from aifashion.data_gen.formats.label_samples import convertible, tell_left_out
        from aifashion.data_gen.formats.problems import leave_out
        from aifashion.data_gen.formats.table import FORMATS

        check_no_input("--out", args.out, args.csv)
        read = read_fashionai(args.csv)
        chosen = read.only(lambda garment: garment.category in args.vocabulary.categories)
        found = convertible(chosen, FORMATS["coco"], args.vocabulary)
        leave_out(args.csv, found.problems, found.garment_count, "garments")
        tell_left_out(found)
        if not found.garment_count:
            raise ValueError(
                f"{args.csv} has no garments of {', '.join(args.vocabulary.categories)}: nothing to write, {args.out} "
                "stays as it is"
            )
        write_coco(found, args.out, args.vocabulary)
        left_out = read.garment_count - chosen.garment_count
        others = f"; {left_out} of other categories left out" if left_out else ""
        tell(f"Wrote {found.garment_count} garments to {args.out}{others}")

    run_command("aifashion data to-coco", ToCocoArguments, arguments, convert)


def from_coco(arguments: Sequence[str] | None = None) -> None:
    def convert(args: FromCocoArguments) -> None:
        from dataclasses import replace

        from aifashion.data_gen.formats.challenges import CATEGORIES, FASHIONAI
        from aifashion.data_gen.formats.coco import read_coco_labels
        from aifashion.data_gen.formats.fashionai import write_keypoint_csv
        from aifashion.data_gen.formats.fashionai_labels import samples_of_fashionai
        from aifashion.data_gen.formats.label_names import unlike_categories
        from aifashion.data_gen.formats.label_samples import UNLABELLED, convertible, tell_left_out
        from aifashion.data_gen.formats.name_maps import Names, read_names
        from aifashion.data_gen.formats.problems import leave_out
        from aifashion.data_gen.formats.table import FORMATS

        check_no_input("--out", args.out, args.json)
        if args.category is not None and args.category not in CATEGORIES:
            raise ValueError(f"--category {args.category}: expected one of {', '.join(CATEGORIES)}")
        read = read_coco_labels(args.json)
        read = replace(read, photos=tuple(photo for photo in read.photos if photo.garments))
        names = read_names("deepfashion-to-fashionai", FASHIONAI)
        others = unlike_categories(read, FASHIONAI)
        if others and args.category is not None:
            names = names.joined(Names(categories=dict.fromkeys(others, args.category)))
        elif others:
            count = read.garment_count
            read = read.only(lambda garment: garment.category not in others)
            known = ", ".join(CATEGORIES)
            if not read.garment_count:
                raise ValueError(
                    f"{args.json} has garments of none of the categories {known}: name one with --category"
                )
            bare = count - read.garment_count
            warn(f"left out {bare} garments of none of the categories {known}; --category names one for them")
        found = convertible(read, FORMATS["fashionai"], FASHIONAI, names)
        garments = found.garment_count
        leave_out(args.json, found.problems, garments, "entries")
        tell_left_out(found)
        if not garments and found.left_out[UNLABELLED]:
            raise ValueError(
                f"{args.json}: none of its {found.left_out[UNLABELLED]} garments has a labelled keypoint that the CSV "
                f"has: nothing to write, {args.out} stays as it is"
            )
        if not garments:
            raise ValueError(f"{args.json} has no garments with keypoints: nothing to write, {args.out} stays as it is")
        write_keypoint_csv(args.out, samples_of_fashionai(found, FASHIONAI), args.decimals)
        tell(f"Wrote {garments} garments to {args.out}")

    run_command("aifashion data from-coco", FromCocoArguments, arguments, convert)


def _counts(photos: int, garments: int) -> str:
    return f"{photos:,} photos with {garments:,} garments"
