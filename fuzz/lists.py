"""Tests damaged lists: photos for `aifashion predict`, and labels for training and scoring.

    python fuzz/lists.py [--count 300] [--seed 1]

Half of the lists name photos, half have labels: FashionAI keypoints and attributes, COCO, JingDong styles, AliProducts.
A valid list is written and changed in one or two ways: bits flipped, bytes cut or doubled, cells swapped, lines
removed, separators, quotes, encodings and types exchanged. Then the reader of its format reads it.

    traceback      the reader raises anything but FormatError, ValueError or OSError
    lost row       rows are missing though only the form changed (separator, line ends, encoding)
    silent change  the list has other paths or labels than the valid one, which its content does not justify

The intent of a changed byte cannot be judged: a 3 that became a 7 is another label. So a change of content counts as
silent only if an independent, plain reader of the bytes (list_forms.py) gets another result.
"""

import argparse
import csv
import logging
import random
import tempfile
from pathlib import Path
from typing import Any

from list_changes import CHANGES
from list_forms import LABELS, PHOTOS, Answer, Form, photo_rows, reformed


class Told(logging.Handler):
    """Counts the readers' log messages."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


def judged(form: Form, data: bytes, folder: Path, whole: Answer | None, told: Told) -> str | None:
    """What is wrong with the reading of these bytes. whole: the expected rows; None if not known."""
    path = folder / form.file
    path.write_bytes(data)
    told.count = 0
    try:
        found: Answer | None = form.read(path)
    except (ValueError, OSError) as error:  # FormatError is a ValueError
        if type(error).__name__ in ("UnicodeDecodeError", "JSONDecodeError", "UnicodeEncodeError"):
            return f"traceback: {error!r} instead of an error with the file"
        if whole is not None:
            return f"lost row: a sound list was refused: {error}"
        return None if form.file in str(error) else f"traceback: the error does not name the file: {error!r}"
    except Exception as error:
        return f"traceback: {error!r}"
    if whole is not None:
        return None if found == whole else f"lost row: {whole} was read as {found}"
    try:
        plain = form.plain(data, folder)
    except (ValueError, KeyError, IndexError, TypeError, csv.Error):
        plain = None
    if plain is None or told.count or found == plain:
        return None
    return f"silent change: {plain} was read as {found}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    told = Told()
    library = logging.getLogger("aifashion")
    library.addHandler(told)
    library.propagate = False
    wrong: dict[str, int] = {"traceback": 0, "lost row": 0, "silent change": 0}
    print(f"seed {args.seed}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "ph").mkdir()
        for photo in ("a.png", "b, c.jpg", "d;e.jpg", "f.jpg", "g h.webp", "裙子.png"):
            (folder / "ph" / photo).write_bytes(b"")
        for number in range(args.count):
            rng = random.Random(f"{args.seed} {number}")
            form, data, whole, recipe = one(rng, number, folder)
            reason = judged(form, data, folder, whole, told)
            if reason is None:
                continue
            kind = reason.partition(":")[0]
            if not any(wrong.values()):
                save(args.seed, number, form, recipe, data, reason)
            wrong[kind] += 1
            print(f"list {number} ({form.name}, {recipe}): {reason[:600]}")
    print(f"{args.count:,} lists: " + ", ".join(f"{count} {kind}s" for kind, count in wrong.items()))
    raise SystemExit(any(wrong.values()))


def one(rng: random.Random, number: int, folder: Path) -> tuple[Form, bytes, Answer | None, str]:
    form: Any = rng.choice(PHOTOS if number % 2 == 0 else LABELS)
    if number % 8 == 0:
        recipe, data = reformed(rng, folder)
        return form, data, [(row[1],) for row in photo_rows(folder)[1:]], recipe
    data = form.make(rng, folder)
    names = []
    for _ in range(rng.randrange(1, 3)):
        change = rng.choice(CHANGES)
        if data:
            data = change(data, rng)
            names.append(change.__name__)
    return form, data, None, " + ".join(names)


def save(seed: int, number: int, form: Form, recipe: str, data: bytes, reason: str) -> None:
    path = Path(tempfile.gettempdir()) / "fuzz_lists_failure.txt"
    path.write_text(f"seed {seed}, list {number}, {form.name} {form.file}, {recipe}\n{reason}\n\n{data!r}\n")
    print(f"the first failing list is in {path}")


if __name__ == "__main__":
    main()
