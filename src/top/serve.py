"""`aifashion serve`: recognition over HTTP, and a page for people without a terminal."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aifashion.top.arguments import run_command

TOKEN = "AIFASHION_TOKEN"


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Serve recognition over HTTP, with a page for the browser.

    Ctrl-C stops it: requests that are running are finished first.
    """

    host: str = "127.0.0.1"
    """the address to listen at. The default can be reached from this machine alone; 0.0.0.0 means all its addresses"""
    port: int = 8000
    """the port to listen at; 0 chooses a free one"""
    model: Path | None = None
    """the keypoint network: shipped (the one that comes with the package; the default), a run folder, a folder of runs
    (its latest finished run is used, never a --debug run), or an artifact"""
    attributes: Path | None = None
    """the classifier, given in the same way as --model. The default is shipped if the keypoint network is shipped;
    otherwise there is no classifier, and no attributes"""
    detector: Path | None = None
    """the network that finds the garments of a photo: shipped (the default), a run folder, a folder of runs, or an
    artifact; none: every photo is one garment"""
    token: str | None = None
    """what clients must send as Authorization: Bearer TOKEN. Other users of the machine can see command lines; the
    environment variable AIFASHION_TOKEN does the same unseen"""
    max_mb: float = 64
    """the largest request, in MB of 1,048,576 bytes"""
    queue: int = 128
    """how many photos can wait; further requests are told to come again. One request can have as many photos"""
    allow_host: tuple[str, ...] = ()
    """names, beside that of --host, by which clients may call the service, such as photos.example.org"""


def main(arguments: Sequence[str] | None = None) -> None:
    run_command("aifashion serve", Arguments, arguments, serve)


def serve(args: Arguments) -> None:
    from aifashion.web.server import serve as run
    from aifashion.web.settings import Settings

    token = os.environ.get(TOKEN) or None if args.token is None else args.token
    max_bytes = int(args.max_mb * (1 << 20)) if 0 < args.max_mb < 1 << 20 else 0
    settings = Settings(args.host, args.port, token, args.allow_host, max_bytes, args.queue)

    def load() -> object:
        from aifashion.web.networks import load_networks

        networks = load_networks(args.model, args.attributes, args.detector)
        networks.prepare()
        return networks

    run(settings, load)
