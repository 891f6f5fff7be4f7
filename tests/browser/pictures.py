"""Makes the pictures of docs/page.md, of drawn garments: python tests/browser/pictures.py"""

import io
import tempfile
from pathlib import Path

from page_of_service import Opened, Served, draw_photos, launched, serving
from PIL import Image
from playwright.sync_api import sync_playwright

DOCS = Path(__file__).resolve().parents[2] / "docs"
NAMES = ("blouse.jpg", "dress.jpg", "outwear.jpg", "skirt.jpg", "street.jpg", "trousers.jpg")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, serving() as served, sync_playwright() as playwright:
        photos = Path(folder) / "photos"
        draw_photos(photos)
        browser = launched(playwright)
        street(browser, served, photos)
        correction(browser, served, photos)
        telephone(browser, served, photos)
        browser.close()


def street(browser, served: Served, photos: Path) -> None:
    with Opened(browser, served.address, viewport={"width": 1240, "height": 760}) as one:
        one.add(*(photos / name for name in NAMES))
        one.choose("street.jpg")
        one.page.click("#tabs [role=tab]:nth-child(2)")
        save(one, "page.jpg", 1000)


def correction(browser, served: Served, photos: Path) -> None:
    view = {"width": 1240, "height": 760}
    with Opened(browser, served.address, viewport=view, color_scheme="dark") as one:
        one.add(*(photos / name for name in NAMES))
        one.choose("trousers.jpg")
        page = one.page
        page.click('[data-layer="heatmap"]')
        page.select_option("#scale-kind", "px_per_cm")
        page.fill("#scale input", "4")
        page.keyboard.press("Enter")
        one.drag("crotch", 14, 10)
        page.locator("#measuring").evaluate("card => card.scrollIntoView()")
        page.wait_for_function("() => lengths.querySelector('thead')?.textContent.includes('cm')")
        save(one, "page_correct.jpg", 1000)


def telephone(browser, served: Served, photos: Path) -> None:
    options = {"viewport": {"width": 390, "height": 760}, "has_touch": True, "is_mobile": True, "locale": "zh-CN"}
    with Opened(browser, served.address, **options) as one:
        one.add(photos / "blouse.jpg", photos / "dress.jpg")
        save(one, "page_chinese.jpg", 390)


def save(one: Opened, name: str, width: int) -> None:
    one.page.wait_for_selector("#toast", state="hidden")
    one.kept()
    picture = Image.open(io.BytesIO(one.page.screenshot())).convert("RGB")
    picture = picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)
    picture.save(DOCS / name, quality=82, optimize=True)
    print(f"Wrote {DOCS / name}, {(DOCS / name).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
