"""A real `aifashion serve`, Chromium, and drawn photos."""

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from page_of_service import Opened, Served

# In tests that drive it, Chromium asks nobody but the service.
ARGUMENTS = """--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync""".split()
SECONDS = 120
"""How long the service can take to load its networks."""


@pytest.fixture(scope="session")
def photos(tmp_path_factory) -> Path:
    """Drawn photos of one garment each, a street with three, and one that is cut short; to be read only."""
    from aifashion.data_gen.synthetic.compose import render_scene
    from aifashion.data_gen.synthetic.scene import render

    folder = tmp_path_factory.mktemp("drawn") / "photos"
    folder.mkdir()
    for number, category in enumerate(("blouse", "outwear", "dress", "skirt", "trousers")):
        drawn = render(np.random.default_rng([2026, number]), 512, category).image
        Image.fromarray(drawn).save(folder / f"{category}.jpg", quality=92)
    Image.fromarray(render_scene(np.random.default_rng(290), 768, "street").image).save(folder / "street.jpg")
    whole = (folder / "dress.jpg").read_bytes()
    (folder / "damaged.jpg").write_bytes(whole[: len(whole) // 8])
    return folder


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    with serving() as one:
        yield one


@pytest.fixture(scope="session")
def guarded() -> Iterator[Served]:
    """A service with the token `sesame street`."""
    with serving("--token", "sesame") as one:
        yield one


class serving:
    """`aifashion serve` on a free port, until the end of the block."""

    def __init__(self, *options: str) -> None:
        command = [sys.executable, "-c", "from aifashion.top.cli import main; main()", "serve", "--port", "0", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def __enter__(self) -> Served:
        try:
            return self._ready()
        except BaseException:
            self.__exit__()
            raise

    def _ready(self) -> Served:
        lines: list[str] = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            lines.append(line)
            if found := re.search(r"http://\S+:\d+", line):
                break
        else:
            pytest.fail(f"the service ended: {''.join(lines)}")
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            try:
                with urllib.request.urlopen(f"{found[0]}/readyz", timeout=5):
                    return Served(found[0])
            except OSError:
                time.sleep(0.2)
        pytest.fail("the service was not ready in time")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.communicate(timeout=60)


@pytest.fixture(scope="session")
def chromium() -> Iterator:
    from playwright.sync_api import sync_playwright

    path = shutil.which(os.environ.get("CHROMIUM", "chromium"))
    if path is None:
        pytest.fail("Chromium is missing; on Debian: apt-get install chromium. CHROMIUM names one elsewhere")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium, served) -> Iterator[Opened]:
    """The page in a browser that keeps nothing from another test. At the end: no error, and no request elsewhere."""
    with Opened(chromium, served.address) as one:
        yield one
        one.check()
