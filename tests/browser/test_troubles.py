"""What goes wrong around the page: no storage, a service that is slow or refuses, changes in the middle of others."""

import re

import pytest
from page_of_service import Opened, serving

pytestmark = pytest.mark.browser
READY = "body[data-ready]"
NO_STORAGE = """for (const name of ["localStorage", "sessionStorage"]) {
    Object.defineProperty(window, name, { get() { throw new DOMException("denied", "SecurityError"); } });
}"""


def test_a_browser_that_denies_all_storage_can_be_used(opened, photos):
    opened.context.add_init_script(NO_STORAGE)
    opened.page.reload()
    opened.page.wait_for_selector(READY)
    opened.add(photos / "skirt.jpg")
    opened.page.click('[data-layer="heatmap"]')
    assert opened.page.is_visible("#heatmap")
    opened.page.select_option("#language", "zh")
    assert opened.page.get_attribute("html", "lang") == "zh-CN"


def test_a_token_lasts_where_storage_is_denied_and_its_dialog_cannot_be_left(chromium, guarded, photos):
    with Opened.__new__(Opened) as one:
        one.address, one.elsewhere, one.mistakes = guarded.address, [], []
        one.context = chromium.new_context(locale="en-GB")
        one.context.add_init_script(NO_STORAGE)
        one.page = page = one.window(ready=False)
        page.wait_for_selector("#token:visible")
        for _ in range(3):
            page.keyboard.press("Escape")
        page.wait_for_selector("#token:visible")
        page.fill("#token", "sesame")
        page.keyboard.press("Enter")
        page.wait_for_selector(READY)
        one.add(photos / "skirt.jpg")
        assert not page.is_visible("#token-dialog")
        one.check()


def test_photos_that_come_before_the_networks_wait_for_them(opened, photos):
    answers = []

    def loading(route):
        answers.append(route)
        if len(answers) < 3:
            route.fulfill(status=503, headers={"Retry-After": "1"}, json={"error": "loading"})
        else:
            route.continue_()

    opened.page.route("**/v1/vocabulary", loading)
    opened.page.reload()
    opened.page.wait_for_selector("#empty:visible")
    opened.page.set_input_files("#files", str(photos / "skirt.jpg"))
    assert "being loaded" in opened.page.inner_text("#toast")
    opened.page.wait_for_selector(READY)
    opened.done(1)
    assert opened.page.get_attribute(".thumbnail", "title") == "skirt.jpg"


def test_a_photo_beyond_the_limit_is_told_without_sending_it(chromium, photos, tmp_path):
    large = tmp_path / "large.jpg"
    large.write_bytes((photos / "skirt.jpg").read_bytes() + bytes(1 << 20))
    with serving("--max-mb", "1") as one, Opened(chromium, one.address) as page:
        page.add(large, photos / "skirt.jpg")
        page.choose("large.jpg")
        assert "the service takes up to 1 MB" in page.page.inner_text("#message")
        assert page.page.locator('.thumbnail[data-status="done"]').count() == 1
        page.check()


def test_a_scale_that_cannot_be_costs_the_centimetres_alone(opened, photos):
    opened.add(photos / "dress.jpg")
    opened.page.select_option("#scale-kind", "marker")
    fields = opened.page.locator("#scale .fields input")
    fields.nth(0).fill("7")
    fields.nth(1).fill("60")
    fields.nth(1).press("Enter")
    opened.add(photos / "skirt.jpg")
    assert opened.page.locator('.thumbnail[data-status="done"]').count() == 2
    opened.choose("skirt.jpg")
    opened.page.wait_for_selector("#lengths .wrong")
    assert "markers 0 to 49; got 60" in opened.page.inner_text("#lengths")


def test_another_photo_ends_a_drag(opened, photos):
    opened.add(photos / "skirt.jpg", photos / "trousers.jpg")
    opened.choose("skirt.jpg")
    before = opened.exact("waistband_left")
    opened.choose("trousers.jpg")
    others = opened.exact("waistband_left")
    opened.choose("skirt.jpg")
    box = opened.page.locator('[data-point="waistband_left"].point').bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    opened.page.mouse.move(x, y)
    opened.page.mouse.down()
    opened.page.mouse.move(x + 20, y + 20)
    opened.page.keyboard.press("n")
    opened.page.wait_for_function("() => caption.textContent.startsWith('trousers.jpg')")
    opened.page.mouse.move(x + 40, y + 40)
    opened.page.mouse.up()
    assert opened.exact("waistband_left") == others
    opened.choose("skirt.jpg")
    assert opened.exact("waistband_left") == before
    assert opened.page.locator('.thumbnail[aria-label*="corrected"]').count() == 0


def test_corrections_stay_with_their_garment_and_undo_with_its_answer(opened, served, photos):
    """The photo is recognised again with fewer garments; those of the others do not move to the one that is left."""
    street = photos / "street.jpg"
    all_found, (largest,) = served.garments(street), served.garments(street, "garments=largest")
    assert len(all_found) > 1
    index = next(n for n, one in enumerate(all_found) if one["box"] != largest["box"])
    opened.add(street)
    opened.page.locator("#tabs [role=tab]").nth(index).click()
    name = opened.page.locator(".point").first.get_attribute("data-point")
    opened.drag(name, 15, 10)
    opened.kept()
    opened.page.evaluate("document.getElementById('recognition-card').open = true")
    opened.page.select_option("#look", "largest")
    opened.page.click("#again")
    opened.page.wait_for_function("() => tabs.hidden")
    opened.kept()
    assert opened.page.is_disabled("#undo") and opened.page.locator(".point.corrected").count() == 0
    opened.page.reload()
    opened.page.wait_for_selector(".point")
    assert opened.page.locator(".point.corrected").count() == 0


def test_data_that_are_cleared_in_the_middle_cost_what_was_kept(opened, photos):
    opened.add(photos / "skirt.jpg")
    origin = re.match(r"http://[^/]+", opened.page.url)[0]
    client = opened.context.new_cdp_session(opened.page)
    client.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "indexeddb"})
    opened.page.wait_for_timeout(500)
    opened.add(photos / "dress.jpg")
    assert opened.page.locator('.thumbnail[data-status="done"]').count() == 2
    opened.choose("dress.jpg")
    opened.page.click("#remove")
    opened.page.wait_for_function("() => document.querySelectorAll('.thumbnail').length === 1")
