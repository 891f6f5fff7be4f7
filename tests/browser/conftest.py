"""A real `aifashion serve`, Chromium, and drawn photos."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from page_of_service import Opened, Served, draw_photos, launched, serving


@pytest.fixture(scope="session")
def photos(tmp_path_factory) -> Path:
    """Drawn photos of one garment each, a street with three, and one that is cut short; to be read only."""
    folder = tmp_path_factory.mktemp("drawn") / "photos"
    draw_photos(folder)
    whole = (folder / "dress.jpg").read_bytes()
    (folder / "damaged.jpg").write_bytes(whole[: len(whole) // 8])
    return folder


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    with serving() as one:
        yield one


@pytest.fixture(scope="session")
def guarded() -> Iterator[Served]:
    """A service with a token."""
    with serving("--token", "sesame") as one:
        yield one


@pytest.fixture(scope="session")
def chromium() -> Iterator:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = launched(playwright)
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium, served) -> Iterator[Opened]:
    """The page in a browser that keeps nothing from another test. At the end: no error, and no request elsewhere."""
    with Opened(chromium, served.address) as one:
        yield one
        one.check()
