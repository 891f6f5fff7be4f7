"""Runs all campaigns with damaged input in turn: `make fuzz`, or `python fuzz/run.py [--seed S] [NAME ...]`.

Each campaign is a script beside this one and can be run alone. The exit code is 1 if one of them finds a traceback, a
lost row, or a changed result without a message.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
CAMPAIGNS = ("images", "lists", "artifacts", "checkpoints", "readers")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(CAMPAIGNS)}; all by default")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    unknown = sorted(set(args.names) - set(CAMPAIGNS))
    if unknown:
        parser.error(f"no campaign {', '.join(unknown)}; expected some of {', '.join(CAMPAIGNS)}")
    failed = []
    for name in args.names or CAMPAIGNS:
        start = time.monotonic()
        code = subprocess.run([sys.executable, HERE / f"{name}.py", "--seed", str(args.seed)], check=False).returncode
        print(f"{name}: exit code {code} after {time.monotonic() - start:.0f} s", flush=True)
        if code:
            failed.append(name)
    raise SystemExit(f"faults in: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
