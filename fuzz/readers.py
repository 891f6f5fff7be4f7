"""Tests every reader of files on inputs made by Hypothesis: `python fuzz/readers.py [--minutes M] [NAME ...]`.

For M minutes of CPU time, each reader gets random bytes and texts; valid files with bytes flipped, removed, doubled or
inserted; valid tables with other cells; and valid JSON with values exchanged, removed or renamed, and a new digest. It
must return, or raise an error of the documented types that names the file. Anything else is a fault: the smallest input
that Hypothesis finds for it is shown, and the exit code is 1.
"""

import argparse
import io
import logging
import tempfile
import time
import warnings
from contextlib import redirect_stdout
from pathlib import Path

from hypothesis import HealthCheck, given, seed, settings
from inputs import inputs
from label_readers import LABEL_READERS
from reader_table import READERS as OTHER_READERS
from reader_table import Reader

READERS = OTHER_READERS | LABEL_READERS
OPTIONS = settings(
    max_examples=200,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)
"""max_examples: between two checks of the time. Only one fault is shown: several would not be a Fault."""


class Fault(Exception):
    """A reader did what it must not do."""


def judge(reader: Reader, folder: Path, data: bytes) -> bool:
    """Whether the file was read. Raises Fault."""
    path = folder / reader.file
    path.write_bytes(data)
    begun = time.process_time()  # CPU time: a busy machine is no fault
    try:
        with redirect_stdout(io.StringIO()):
            reader.read(folder)
    except (ValueError, OSError) as error:
        raw = type(error).__name__ in ("UnicodeDecodeError", "UnicodeEncodeError", "JSONDecodeError", "TOMLDecodeError")
        if raw or not (path.name in str(error) or str(folder) in str(error)):
            raise Fault(f"{type(error).__name__} that does not name the file: {error!s:.400}") from error
        return False
    except Exception as error:
        raise Fault(f"{type(error).__name__}: {error!s:.400}") from error
    finally:
        if time.process_time() - begun > 10:
            raise Fault(f"took {time.process_time() - begun:.0f} s")
    return True


def campaign(name: str, reader: Reader, minutes: float, start: int) -> tuple[int, int, Fault | None]:
    """The number of inputs, how many of them were read, and the fault, if there is one."""
    tried = read = 0
    until = time.process_time() + 60 * minutes
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "folder"
        (folder / reader.file).parent.mkdir(parents=True)
        reader.around(folder)
        if not judge(reader, folder, reader.sound):
            return 1, 0, Fault("the sound file is refused")

        def look(data: bytes) -> None:
            nonlocal tried, read
            tried += 1
            read += judge(reader, folder, data)

        rounds = 0
        while rounds == 0 or time.process_time() < until:
            try:
                seed(start * 1_000_003 + rounds)(OPTIONS(given(inputs(reader.sound, reader.kind))(look)))()
            except Fault as fault:
                return tried, read, fault
            rounds += 1
    return tried, read, None


def main() -> None:
    parser = argparse.ArgumentParser(description="Every reader of files, on damaged ones.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(READERS)}; all by default")
    parser.add_argument("--minutes", type=float, default=0.1, help="of the processor, for each reader")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    unknown = sorted(set(args.names) - set(READERS))
    if unknown:
        parser.error(f"no reader {', '.join(unknown)}; expected some of {', '.join(READERS)}")
    logging.getLogger("aifashion").addHandler(logging.NullHandler())
    logging.getLogger("aifashion").propagate = False
    warnings.simplefilter("ignore")
    print(f"seed {args.seed}")
    faults = 0
    for name in args.names or READERS:
        tried, read, fault = campaign(name, READERS[name], args.minutes, args.seed)
        print(f"{name}: {tried:,} inputs, {read:,} read{'' if fault is None else ', a fault:'}", flush=True)
        if fault is not None:
            faults += 1
            print("\n".join(f"    {line[:500]}" for line in [str(fault), *getattr(fault, "__notes__", [])]), flush=True)
    print(f"{faults} faults")
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()
