"""Tests damaged photos in the recognizer: bits flipped, blocks zeroed, ends cut, markers and chunks removed.

    python fuzz/images.py [--count 1000] [--seed 1]

All photos go through one stream of a `Recognizer` in one process. It counts tracebacks (an exception), lost rows
(fewer or other garments than photos), and silent changes: the pixels differ from those of the valid photo and a strict
decoder outside the package warns of the file, but no error or warning names it. If the format has no checksum, a
flipped bit can change pixels without notice; these are only counted. The exit code is 1 unless all three are 0; then
the recipe of the first failing photo is in fuzz_images_failure.txt.
"""

import argparse
import io
import logging
import sys
import tempfile
import traceback
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image

import aifashion
from aifashion.data_gen.images import ImageError, decode_image
from aifashion.data_gen.synthetic.scene import render

KINDS: dict[str, dict] = {
    "JPEG": {"quality": 90},
    "JPEG progressive": {"quality": 85, "progressive": True},
    "JPEG restarts": {"quality": 90, "restart_marker_rows": 2},
    "PNG": {},
    "WEBP": {"quality": 80},
    "GIF": {},
    "TIFF": {"compression": "tiff_lzw"},
    "JPEG2000": {},
    "BMP": {},
}


class Said(logging.Handler):
    """Collects the library's log messages."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def mutated(data: bytes, rng: np.random.Generator) -> tuple[bytes, str]:
    """The file changed in one way, and a description of the change."""
    changed, at = bytearray(data), int(rng.integers(len(data)))
    length = int(rng.integers(1, max(2, len(data) // 8)))
    way = rng.choice(
        ["flip", "flips in the header", "zero", "cut", "cut and end", "remove", "repeat", "add before end"]
    )
    if way == "flip":
        changed[at] ^= 1 << int(rng.integers(8))
    elif way == "flips in the header":
        for position in rng.integers(0, min(400, len(data)), 3):
            changed[position] ^= 1 << int(rng.integers(8))
    elif way == "zero":
        changed[at : at + length] = bytes(len(changed[at : at + length]))
    elif way == "cut":
        del changed[at:]
    elif way == "cut and end":
        changed[at:] = data[-12:] if data.startswith(b"\x89PNG") else b"\xff\xd9"
    elif way == "remove":
        del changed[at : at + length]
    elif way == "repeat":
        changed[at:at] = data[at : at + length]
    else:
        changed[-2:-2] = bytes(int(rng.integers(1, 20)))
    return bytes(changed), f"{way} at {at}, length {length}"


def decoder_warns(data: bytes) -> bool:
    """Whether a strict decoder, or a checksum, shows that the file violates its format."""
    if data.startswith(b"\xff\xd8"):
        try:
            simplejpeg.decode_jpeg(data)
        except ValueError as error:
            # Header only: the pixels are the same, or in a layout that this decoder does not know.
            return not any(words in str(error) for words in ("unknown JFIF", "ICC", "subsampling level"))
        return False
    at, wrong = 8, False
    while data.startswith(b"\x89PNG") and at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4])
        critical = not data[at + 4] & 0x20
        wrong |= critical and end <= len(data) and zlib.crc32(data[at + 4 : end - 4]).to_bytes(4) != data[end - 4 : end]
        if data[at + 4 : at + 8] == b"IEND":
            break
        at = end
    return wrong


def pixels(data: bytes, decode: Callable = decode_image) -> np.ndarray | None:
    try:
        return decode(data, "x")
    except ImageError:
        return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"seed {options.seed}")
    rng = np.random.default_rng(options.seed)
    garments = [Image.fromarray(render(rng, 200, name).image) for name in ("dress", "trousers", "skirt")]
    sound = [(kind, garment) for kind in KINDS for garment in garments]
    said = Said()
    tracebacks = lost = silent = refused = warned = unnoticed = 0
    failure = ""
    with tempfile.TemporaryDirectory() as folder:
        paths, recipes, originals = [], [], {}
        for number in range(options.count):
            index = int(rng.integers(len(sound)))
            kind, garment = sound[index]
            if index not in originals:
                stream = io.BytesIO()
                garment.save(stream, kind.split()[0], **KINDS[kind])
                originals[index] = stream.getvalue()
            data, recipe = mutated(originals[index], rng)
            paths.append(Path(folder) / f"{number:06d}.jpg")
            paths[-1].write_bytes(data)
            recipes.append((index, f"seed {options.seed}, photo {number}: {kind}, garment {index % 3}, {recipe}"))
        logging.getLogger("aifashion").addHandler(said)
        answers: list = []
        try:
            for answer in aifashion.load("shipped", "shipped").stream(paths):
                answers.append((answer.name, answer.error))
        except Exception:
            tracebacks += 1
            failure = f"after {len(answers)} answers\n{traceback.format_exc()}"
        lost = (
            len(paths) - len(answers) + sum(name != str(path) for (name, _), path in zip(answers, paths, strict=False))
        )
        names = {line.split(": ")[0] for line in said.lines}
        logging.getLogger("aifashion").removeHandler(said)
        whole = {index: pixels(data) for index, data in originals.items()}
        for path, (index, recipe), (_, error) in zip(paths, recipes, answers, strict=False):
            refused += error is not None
            warned += str(path) in names
            if error is None and str(path) not in names and not np.array_equal(pixels(path.read_bytes()), whole[index]):
                unnoticed += 1
                if decoder_warns(path.read_bytes()):
                    silent += 1
                    failure = failure or recipe
    print(f"{refused} refused, {warned} read with a warning, {unnoticed} changed without a sign in the file")
    print(f"{options.count:,} images: {tracebacks} tracebacks, {lost} lost rows, {silent} silent changes")
    if failure:
        Path("fuzz_images_failure.txt").write_text(failure + "\n", encoding="utf-8")
    return int(bool(tracebacks or lost or silent))


if __name__ == "__main__":
    sys.exit(main())
