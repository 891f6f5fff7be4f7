"""`aifashion predict`: keypoints, crop and attributes of every photo of a folder or list, as a table."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from aifashion.eval.two_stage import describe
from aifashion.files import atomic_path, write_atomic
from aifashion.recognition.adapters import table
from aifashion.recognition.photos import SUFFIXES as SUFFIXES_OF_PHOTOS
from aifashion.recognition.photos import find_photos
from aifashion.recognition.two_stage_model import load_two_stage_model
from aifashion.records import Sample
from aifashion.top.arguments import choose_device, run_command, tell, warn
from aifashion.top.progress import progress_bar

SUFFIXES = (".csv", ".json", ".parquet")


@dataclass(frozen=True)
class Arguments:
    """Write category, keypoints, crop and attributes of photos to a table.

    If the command is interrupted, run it again: it continues with the photos that are left.
    """

    photos: tyro.conf.Positional[Path]
    """a folder of photos, one photo, or a CSV file with paths of photos in its first column"""
    out: Path
    """the table to write: .csv, .json or .parquet"""
    model: Path | None = None
    """the keypoint network: shipped (the one that comes with the package; the default), a run folder, a folder of runs
    (its latest finished run is used, never a --debug run), or an artifact"""
    attributes: Path | None = None
    """the classifier, given in the same way; by default shipped if the keypoint network is shipped, else none: then
    there are no attributes"""
    category: str = "auto"
    """the category of all photos; with auto, the network chooses it for each photo"""
    batch_size: int = 16
    """how many photos the network processes at once"""
    strict: bool = False
    """end with exit code 1 if a photo could not be read; the table is written all the same"""
    gpu_id: str | None = None
    """number of the GPU to use, such as 0; -1 for none; by default the first. Artifacts always run on the processor"""


def main(arguments: Sequence[str] | None = None) -> None:
    run_command("aifashion predict", Arguments, arguments, predict)


def predict(args: Arguments) -> None:
    if args.out.suffix.lower() not in SUFFIXES:
        raise ValueError(f"--out {args.out} must end in {', '.join(SUFFIXES)}")
    if args.batch_size < 1:
        raise ValueError(f"--batch-size {args.batch_size}: expected a number of photos from 1")
    photos = named_photos(args.photos)
    choose_device(args.gpu_id)
    model = load_two_stage_model(args.model, args.attributes)
    category = None if args.category == "auto" else args.category
    if category is not None:
        model.keypoints.vocabulary.category_index(category)
    partial = args.out.with_name(args.out.name + ".partial")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    settings = {"model": model.name, "networks": model.digests, "category": args.category}
    done = read_partial(partial, settings)
    left = [Sample(str(path), path, category) for path in photos if str(path) not in done]
    if done:
        tell(f"{len(photos) - len(left)} of {len(photos)} photos were done before, going on")
    with partial.open("a", encoding="utf-8") as file:
        if not done and partial.stat().st_size == 0:
            file.write(json.dumps(settings) + "\n")
        batch_size = max(1, min(args.batch_size, len(left)))
        # Without drawing anything, reduced photos do, which take a fraction of the time to decode.
        for recognition in progress_bar(model.recognise(left, batch_size, whole_photos=False), len(left)):
            facts = describe(recognition, model.keypoints.vocabulary, model.heads)
            done[facts["photo"]] = facts
            # A photo that could not be read is tried again.
            if not facts.get("error"):
                file.write(json.dumps(facts | {"stamp": _stamp(Path(facts["photo"]))}) + "\n")
                file.flush()
    rows = [done[str(path)] for path in photos]
    failed = [row for row in rows if row.get("error")]
    for row in failed:
        warn(f"no answer: {row['error']}")
    if len(failed) == len(rows):
        partial.unlink()
        raise ValueError(f"none of the {len(rows)} photos could be read; {args.out} is not written")
    write_table(args.out, rows)
    partial.unlink()
    tell(f"Wrote {len(rows)} rows to {args.out}, {len(failed)} of them of photos that cannot be read")
    if args.strict and failed:
        raise ValueError(f"{len(failed)} of {len(rows)} photos could not be read")


def named_photos(path: Path) -> list[Path]:
    """The photos of a folder or list, or the one photo. Raises FileNotFoundError or ValueError for anything else."""
    if not path.exists():
        raise FileNotFoundError(f"no folder, no photo and no list at {path}")
    if path.suffix.lower() == ".csv":
        return listed_photos(path)
    if path.is_file() and path.suffix.lower() not in SUFFIXES_OF_PHOTOS:
        raise ValueError(f"{path} is no folder, no photo and no list: a list of photos must be a .csv file")
    return find_photos([path])


def _stamp(photo: Path) -> list[int]:
    """What tells a photo from another one that later lies at its path: bytes, and the time of the last change."""
    try:
        state = photo.stat()
    except OSError:
        return []
    return [state.st_size, state.st_mtime_ns]


def listed_photos(path: Path) -> list[Path]:
    """The first column of a CSV, paths relative to its folder; a first row that names no file is a header.

    Raises ValueError for an empty list, and FileNotFoundError where there is none.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        names = [row[0].strip() for row in csv.reader(file) if row and row[0].strip()]
    if names and not (path.parent / names[0]).is_file() and "." not in names[0]:
        names = names[1:]
    if not names:
        raise ValueError(f"{path} lists no photos")
    return [path.parent / name for name in names]


def read_partial(path: Path, settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What an interrupted command had answered, by photo; a line cut short is left out.

    settings: the networks and options that the answers depend on; answers of other ones are discarded, and so are those
    of photos that have been replaced since.
    """
    if not path.is_file():
        return {}
    lines = list(_sound_lines(path))
    if not lines or lines[0] != settings:
        warn(f"{path} comes from other networks or another --category: starting anew")
        path.unlink()
        return {}
    # What follows a line that was cut short is written anew, behind a whole one.
    write_atomic(path, "".join(json.dumps(line) + "\n" for line in lines))
    found = {line["photo"]: line for line in lines[1:]}
    same = {name for name, line in found.items() if line.pop("stamp", None) == _stamp(Path(name))}
    return {name: line for name, line in found.items() if name in same and not line.get("error")}


def _sound_lines(path: Path) -> Iterator[dict[str, Any]]:
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(text)
        except json.JSONDecodeError:
            return


def write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    """Writes the rows as nested JSON, or flat as CSV or Parquet, whole or not at all."""
    if path.suffix.lower() == ".json":
        write_atomic(path, json.dumps(rows, indent=1) + "\n")
        return
    flat = table(rows)
    with atomic_path(path) as beside:
        if path.suffix.lower() == ".csv":
            flat.to_csv(beside, index=False, lineterminator="\n")
        else:
            flat.to_parquet(beside, index=False)
