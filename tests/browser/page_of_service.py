"""The page as a person uses it, and the service as a program does, for the tests of both."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SECONDS = 120
"""How long the service can take to load its networks."""
# Chromium asks nobody but the service.
_OFF = ("quic", "gpu", "background-networking", "component-update", "sync")
ARGUMENTS = ["--no-sandbox", "--no-first-run", *(f"--disable-{name}" for name in _OFF)]
ALL_DONE = """count => {
    const all = [...document.querySelectorAll(".thumbnail")];
    return all.length === count && all.every(one => ["done", "error"].includes(one.dataset.status));
}"""


@dataclass(frozen=True)
class Served:
    """A service at an address."""

    address: str

    def garments(self, photo: Path, query: str = "garments=all") -> list[dict[str, Any]]:
        """What the service answers of one photo, without the page."""
        boundary = uuid.uuid4().hex
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="photos"; filename="{photo.name}"\r\n\r\n'
        body = head.encode() + photo.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        request = urllib.request.Request(f"{self.address}/v1/garments?{query}", body, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            (entry,) = json.load(answer)["photos"]
        return entry["garments"]


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
            raise RuntimeError(f"the service ended: {''.join(lines)}")
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            try:
                with urllib.request.urlopen(f"{found[0]}/readyz", timeout=5):
                    return Served(found[0])
            except OSError:
                time.sleep(0.2)
        raise TimeoutError("the service was not ready in time")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.communicate(timeout=60)


def draw_photos(folder: Path) -> None:
    """Photos of one garment each, and a street with three."""
    from aifashion.data_gen.synthetic.compose import render_scene
    from aifashion.data_gen.synthetic.scene import render

    folder.mkdir()
    for number, category in enumerate(("blouse", "outwear", "dress", "skirt", "trousers")):
        drawn = render(np.random.default_rng([2026, number]), 512, category).image
        Image.fromarray(drawn).save(folder / f"{category}.jpg", quality=92)
    Image.fromarray(render_scene(np.random.default_rng(290), 768, "street").image).save(folder / "street.jpg")


def launched(playwright: Any) -> Any:
    """Chromium of the system, or the one that CHROMIUM names."""
    path = shutil.which(os.environ.get("CHROMIUM", "chromium"))
    if path is None:
        raise FileNotFoundError(
            "Chromium is missing; on Debian: apt-get install chromium. CHROMIUM names one elsewhere"
        )
    return playwright.chromium.launch(executable_path=path, args=ARGUMENTS)


class Opened:
    """One browser with the page in a window."""

    def __init__(self, chromium: Any, address: str, **options: Any) -> None:
        options = {"viewport": {"width": 1280, "height": 860}, "locale": "en-GB"} | options
        self.address, self.elsewhere, self.mistakes = address, [], []
        self.context = chromium.new_context(**options)
        self.context.set_default_timeout(30_000)
        self.page = self.window()

    def __enter__(self) -> "Opened":
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def window(self, ready: bool = True) -> Any:
        """Another window of the same browser, with the page."""
        page = self.context.new_page()
        page.on("request", lambda request: self._requested(request.url))
        page.on("pageerror", lambda error: self.mistakes.append(str(error)))
        page.on("console", lambda message: self._said(message))
        page.goto(f"{self.address}/")
        if ready:
            page.wait_for_selector("body[data-ready]")
        return page

    def check(self) -> None:
        assert self.elsewhere == [] and self.mistakes == []

    def _requested(self, url: str) -> None:
        if not url.startswith((f"{self.address}/", "blob:", "data:")):
            self.elsewhere.append(url)

    def _said(self, message: Any) -> None:
        # The browser reports each refusal of the service; the page tells of them in its own way.
        if message.type in ("error", "warning") and "the server responded with a status of" not in message.text:
            self.mistakes.append(message.text)

    def add(self, *photos: Path) -> None:
        """Chooses files, and waits until all photos of the page are done."""
        before = self.page.locator(".thumbnail").count()
        self.page.set_input_files("#files", [str(photo) for photo in photos])
        self.done(before + len(photos))

    def done(self, count: int, timeout: float = 120_000) -> None:
        self.page.wait_for_function(ALL_DONE, arg=count, timeout=timeout)

    def drop(self, *paths: Path) -> None:
        """Drops files and folders from outside the browser."""
        client = self.context.new_cdp_session(self.page)
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            client.send("Input.dispatchDragEvent", {"type": kind, "x": 600, "y": 400, "data": data})
        client.detach()

    def choose(self, name: str) -> None:
        self.page.click(f'.thumbnail[title="{name}"]')
        self.page.wait_for_function("name => caption.textContent.startsWith(name)", arg=name)
        self.page.wait_for_function("name => photo.getAttribute('aria-label') === name && !photo.hidden", arg=name)

    def point(self, name: str, page: Any = None) -> tuple[float, float, str]:
        """Where a keypoint is and its state, as a screen reader says it."""
        label = (page or self.page).get_attribute(f'[data-point="{name}"].point', "aria-label")
        found = re.fullmatch(r".+: (\w+)(?:, corrected)?, ([\d,]+), ([\d,]+)", label)
        assert found, label
        return float(found[2].replace(",", "")), float(found[3].replace(",", "")), found[1]

    def exact(self, name: str, page: Any = None) -> tuple[float, float]:
        """Where a keypoint is by the list in the panel, with all decimals."""
        fields = (page or self.page).locator(f'tr[data-point="{name}"] input')
        return float(fields.nth(0).input_value()), float(fields.nth(1).input_value())

    def drag(self, name: str, dx: float, dy: float, page: Any = None) -> None:
        """Drags a keypoint by px of the screen."""
        page = page or self.page
        box = page.locator(f'[data-point="{name}"].point').bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + dx / 2, y + dy / 2)
        page.mouse.move(x + dx, y + dy)
        page.mouse.up()

    def zoom(self) -> float:
        """px of the screen for each px of the photo."""
        width = self.page.evaluate("photo.getBoundingClientRect().width")
        return width / int(re.search(r"(\d+) × \d+ px", self.page.inner_text("#caption"))[1])

    def save(self, target: str, folder: Path, which: str = "ready") -> Path:
        page = self.page
        page.click("#open-save")
        page.check(f'[name=which][value="{which}"]')
        page.check(f'[name=format][value="{target}"]')
        with page.expect_download() as download:
            page.click("#save-labels")
        file = folder / download.value.suggested_filename
        download.value.save_as(file)
        page.click("#save-dialog [data-close]")
        return file

    def kept(self) -> None:
        """Waits until the browser has written what was changed."""
        time.sleep(0.5)
