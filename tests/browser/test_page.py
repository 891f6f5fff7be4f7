"""What the page does beside correcting: many and large photos, windows, tokens, languages, and who can use it."""

import re
from pathlib import Path

import numpy as np
import pytest
from page_of_service import Opened
from PIL import Image

pytestmark = pytest.mark.browser
AXE = Path(__file__).resolve().parents[2] / "build/axe/node_modules/axe-core/axe.min.js"
READY = "body[data-ready]"


def test_corrections_and_photos_survive_a_reload(opened, photos):
    opened.add(photos / "skirt.jpg", photos / "damaged.jpg")
    opened.choose("skirt.jpg")
    opened.drag("hemline_left", 30, 10)
    after = opened.exact("hemline_left")
    opened.kept()
    opened.page.reload()
    opened.page.wait_for_selector(READY)
    opened.done(2)
    opened.choose("skirt.jpg")
    assert opened.exact("hemline_left") == after
    assert "2 photos and their corrections are kept" in opened.page.inner_text("#kept")
    opened.page.click("#open-clear")
    opened.page.click("#clear")
    opened.page.wait_for_selector("#empty", state="visible")
    opened.page.reload()
    opened.page.wait_for_selector(READY)
    assert opened.page.is_visible("#empty") and opened.page.locator(".thumbnail").count() == 0


def test_a_browser_without_room_keeps_the_corrections(opened, photos):
    opened.context.add_init_script(
        """const put = IDBObjectStore.prototype.put;
        IDBObjectStore.prototype.put = function (...given) {
            if (this.name === "files") throw new DOMException("no room", "QuotaExceededError");
            return put.apply(this, given);
        };"""
    )
    opened.page.reload()
    opened.page.wait_for_selector(READY)
    opened.add(photos / "skirt.jpg")
    opened.drag("hemline_left", 30, 10)
    after = opened.exact("hemline_left")
    opened.kept()
    assert "no room for 1 of the photos" in opened.page.inner_text("#kept")
    opened.page.reload()
    opened.page.wait_for_selector(READY)
    assert "Drop it here again" in opened.page.inner_text("#message")
    opened.page.set_input_files("#files", str(photos / "skirt.jpg"))
    opened.page.wait_for_selector("#photo:visible")
    assert opened.exact("hemline_left") == after and not opened.page.is_visible("#message")
    assert opened.page.locator(".thumbnail").count() == 1


def test_two_windows_keep_each_others_work(opened, photos):
    opened.add(photos / "skirt.jpg")
    other = opened.window()
    other.wait_for_selector(".point")
    opened.drag("hemline_left", 30, 10)
    opened.drag("hemline_right", -25, 5, other)
    opened.kept()
    left, right = opened.exact("hemline_left"), opened.exact("hemline_right", other)
    for page in (opened.page, other):
        assert opened.exact("hemline_left", page) == left and opened.exact("hemline_right", page) == right
    opened.page.reload()
    opened.page.wait_for_selector(".point")
    assert opened.exact("hemline_left") == left and opened.exact("hemline_right") == right
    other.close()


def test_two_windows_that_add_photos_recognise_each_once(opened, photos):
    other = opened.window()
    asked: list[str] = []
    opened.context.on("request", lambda request: "v1/garments" in request.url and asked.append(request.url))
    opened.page.set_input_files("#files", [str(photos / "skirt.jpg"), str(photos / "blouse.jpg")])
    other.set_input_files("#files", str(photos / "trousers.jpg"))
    opened.done(3)
    other.wait_for_function("() => document.querySelectorAll('.thumbnail[data-status=done]').length === 3")
    assert len(asked) == 3


def test_two_hundred_photos(opened, tmp_path):
    rng = np.random.default_rng(5)
    for number in range(200):
        colour = rng.integers(0, 255, (4, 3, 3), dtype=np.uint8)
        Image.fromarray(colour).resize((48, 64)).save(tmp_path / f"tiny_{number:03}.jpg")
    opened.drop(tmp_path)
    opened.done(200, timeout=300_000)
    assert "200 of 200 photos done" in opened.page.inner_text("#progress-text")
    names = opened.page.eval_on_selector_all(".thumbnail", "all => all.map(one => one.title)")
    assert names == sorted(names) and len(set(names)) == 200
    opened.page.keyboard.press("n")
    opened.page.wait_for_function("() => caption.textContent.includes('tiny_001.jpg')")


def test_a_photo_of_30_megapixels_is_shown_reduced(opened, served, photos, tmp_path):
    large = tmp_path / "large.jpg"
    Image.open(photos / "skirt.jpg").resize((5000, 6000)).save(large, quality=80)
    opened.add(large)
    opened.choose("large.jpg")
    assert "5,000 × 6,000" in opened.page.inner_text("#caption") or "5000 × 6000" in opened.page.inner_text("#caption")
    width, height = opened.page.evaluate("[photo.width, photo.height]")
    assert width * height <= 8e6 and width / height == pytest.approx(5 / 6, abs=0.001)
    (garment,) = served.garments(large)
    before = garment["keypoints"]["hemline_left"]
    assert opened.exact("hemline_left") == (before["x"], before["y"])
    opened.drag("hemline_left", 20, -10)
    by = opened.zoom()
    assert opened.exact("hemline_left") == pytest.approx((before["x"] + 20 / by, before["y"] - 10 / by), abs=0.02)


def test_a_photo_that_lies_on_its_side_is_shown_upright(opened, served, photos, tmp_path):
    """EXIF's orientation 6: what is stored is to be turned by 90 degrees clockwise."""
    upright = Image.open(photos / "trousers.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = tmp_path / "turned.jpg"
    upright.transpose(Image.Transpose.ROTATE_90).save(turned, exif=exif, quality=95)
    opened.add(turned)
    opened.choose("turned.jpg")
    assert opened.page.evaluate("[photo.width, photo.height]") == list(upright.size)
    crotch = served.garments(turned)[0]["keypoints"]["crotch"]
    x, y, _ = opened.point("crotch")
    assert (x, y) == (round(crotch["x"]), round(crotch["y"]))
    straight = served.garments(photos / "trousers.jpg")[0]["keypoints"]["crotch"]
    assert (x, y) == pytest.approx((straight["x"], straight["y"]), abs=8)


def test_a_pasted_picture_gets_a_name(opened, photos):
    data = list((photos / "skirt.jpg").read_bytes())
    opened.page.evaluate(
        """bytes => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "image.jpg", { type: "image/jpeg" }));
            dispatchEvent(new ClipboardEvent("paste", { clipboardData: data }));
        }""",
        data,
    )
    opened.done(1)
    assert re.match(r"pasted_\d{8}_\d{6}_1\.jpg", opened.page.inner_text("#caption"))


def test_a_busy_service_is_asked_again(opened, photos):
    answers = []

    def busy(route):
        if len(answers) < 2:
            answers.append(route)
            route.fulfill(status=429, headers={"Retry-After": "1"}, json={"error": "busy"})
        else:
            route.continue_()

    opened.page.route("**/v1/garments*", busy)
    opened.add(photos / "skirt.jpg")
    assert len(answers) == 2 and opened.page.get_attribute(".thumbnail", "data-status") == "done"


def test_a_service_that_is_gone_says_so_and_can_be_tried_again(opened, photos):
    opened.page.route("**/v1/garments*", lambda route: route.abort())
    opened.add(photos / "skirt.jpg")
    assert "does not answer" in opened.page.inner_text("#message")
    opened.page.unroute("**/v1/garments*")
    opened.page.click("#again")
    opened.page.wait_for_selector(".point")
    opened.mistakes = [one for one in opened.mistakes if "ERR_FAILED" not in one]


def test_a_token_is_asked_for_once(chromium, guarded, photos):
    with Opened.__new__(Opened) as one:
        one.address, one.elsewhere, one.mistakes = guarded.address, [], []
        one.context = chromium.new_context(locale="en-GB")
        one.page = page = one.window(ready=False)
        for wrong in ("a wrong one", "令牌"):
            page.fill("#token", wrong)
            page.keyboard.press("Enter")
            page.wait_for_selector("#token-wrong:visible")
        page.fill("#token", "sesame")
        page.keyboard.press("Enter")
        page.wait_for_selector(READY)
        one.add(photos / "skirt.jpg", photos / "dress.jpg")
        assert page.locator('.thumbnail[data-status="done"]').count() == 2
        page.reload()
        page.wait_for_selector(READY)
        assert not page.is_visible("#token-dialog")
        assert page.evaluate("sessionStorage.length") == 1 and "sesame" not in page.evaluate(
            "JSON.stringify(localStorage)"
        )
        one.check()


def test_chinese_by_the_language_of_the_browser_and_by_choice(chromium, served, photos):
    with Opened(chromium, served.address, locale="zh-CN") as one:
        page = one.page
        assert page.inner_text("#empty-title") == "把服装照片拖到这里"
        assert page.get_attribute("html", "lang") == "zh-CN"
        one.add(photos / "trousers.jpg")
        assert page.get_attribute('[data-point="crotch"].point', "aria-label").startswith("裆部：可见")
        assert page.locator("#category option:checked").inner_text() == "裤子"
        latin = re.compile(r"[A-Za-z]{3,}")
        left = [text for text in page.inner_text("#work").split("\n") if latin.search(text)]
        assert all("trousers.jpg" in text for text in left), left
        page.select_option("#language", "en")
        assert page.locator("#category option:checked").inner_text() == "Trousers"
        page.reload()
        page.wait_for_selector(READY)
        assert page.inner_text("#add-photos") == "Add photos"
        one.check()


def test_the_theme_follows_the_system_until_it_is_chosen(chromium, served):
    with Opened(chromium, served.address, color_scheme="dark") as one:
        colour = "getComputedStyle(document.body).backgroundColor"
        dark = one.page.evaluate(colour)
        one.page.click("#theme")
        light = one.page.evaluate(colour)
        assert sum(map(int, re.findall(r"\d+", light))) > 600 > sum(map(int, re.findall(r"\d+", dark)))
        one.page.reload()
        one.page.wait_for_selector(READY)
        assert one.page.evaluate(colour) == light


@pytest.mark.parametrize("width", [320, 360, 768])
def test_small_screens_have_no_sideways_scrolling(chromium, served, photos, width):
    view = {"width": width, "height": 640}
    with Opened(chromium, served.address, viewport=view, has_touch=True, is_mobile=True) as one:
        for photo in (None, photos / "street.jpg"):
            if photo:
                one.add(photo)
                for summary in ("#points-card", "#recognition-card"):
                    one.page.click(f"{summary} > summary")
            assert one.page.evaluate("document.documentElement.scrollWidth") <= width
        x, y = one.exact("crotch")
        one.page.locator("#stage").evaluate("stage => stage.scrollIntoView()")
        box = one.page.locator('[data-point="crotch"].point').bounding_box()
        client = one.context.new_cdp_session(one.page)
        start = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        for kind, by in (("touchStart", 0), ("touchMove", 12), ("touchMove", 24)):
            points = [{"x": start["x"] + by, "y": start["y"]}]
            client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        assert one.page.is_visible("#loupe")
        client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        assert one.exact("crotch") == pytest.approx((x + 24 / one.zoom(), y), abs=0.02)
        one.check()


def test_zooming_keeps_the_place_under_the_pointer(opened, photos):
    opened.add(photos / "dress.jpg")
    opened.choose("dress.jpg")
    page = opened.page
    place = "(({ left, top, width }) => [left, top, width])(photo.getBoundingClientRect())"
    left, top, width = page.evaluate(place)
    page.mouse.move(left + 100, top + 150)
    page.mouse.wheel(0, -300)
    new_left, new_top, new_width = page.evaluate(place)
    by = new_width / width
    assert by > 1.3
    assert (left + 100 - new_left, top + 150 - new_top) == pytest.approx((100 * by, 150 * by), abs=0.5)
    page.keyboard.press("0")
    assert page.evaluate(place) == pytest.approx([left, top, width], abs=0.5)


def violations(page) -> list[str]:
    """What axe-core finds that keeps people from using the page."""
    if not AXE.is_file():
        pytest.fail(f"{AXE} is missing: make browser-test fetches it")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    result = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    assert len(result["passes"]) > 10
    kept = [one for one in result["violations"] if one["impact"] in ("moderate", "serious", "critical")]
    return [f"{one['id']}: {node['html'][:150]} {node['failureSummary']}" for one in kept for node in one["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(chromium, served, photos, scheme):
    with Opened(chromium, served.address, color_scheme=scheme, reduced_motion="reduce") as one:
        page = one.page
        assert violations(page) == []
        one.add(photos / "street.jpg", photos / "damaged.jpg")
        one.choose("street.jpg")
        for summary in ("#points-card", "#recognition-card"):
            page.click(f"{summary} > summary")
        page.click(".attribute summary")
        page.click('[data-layer="names"]')
        page.wait_for_selector("#toast", state="hidden")
        assert violations(page) == []
        page.click("#open-save")
        page.click(".finetune summary")
        assert violations(page) == []
        page.click("#save-dialog [data-close]")
        page.click("#open-keys")
        assert violations(page) == []
        page.click("#keys-dialog [data-close]")
        page.click("#open-clear")
        assert violations(page) == []


def test_keys_alone_are_enough(opened, photos):
    """Tab reaches the buttons of the empty page; with a photo, the points, and each one shows that it is focused."""
    page = opened.page
    with page.expect_file_chooser() as chooser:
        page.focus("#choose-files")
        page.keyboard.press("Enter")
    chooser.value.set_files(str(photos / "skirt.jpg"))
    opened.done(1)
    reached = []
    page.focus("#zoom-in")
    for _ in range(4):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.dataset.point"))
    assert reached == ["waistband_left", "waistband_right", "hemline_left", "hemline_right"]
    label = page.locator(".point:focus span")
    assert label.inner_text() == "Hemline right" and label.evaluate("one => getComputedStyle(one).opacity") == "1"
    page.keyboard.press("?")
    assert page.is_visible("#keys-dialog")
    page.keyboard.press("Escape")
    page.click("#open-keys")
    page.uncheck("#letters")
    page.keyboard.press("Escape")
    page.focus(".point")
    page.keyboard.press("h")
    assert opened.point("waistband_left")[2] == "visible"


def test_the_page_is_ready_within_a_second(opened):
    """From the start of the navigation until the buttons are there, with everything that the page loads."""
    loaded = opened.page.evaluate(
        """() => {
            const all = [performance.getEntriesByType("navigation")[0], ...performance.getEntriesByType("resource")];
            return { bytes: all.reduce((sum, one) => sum + one.decodedBodySize, 0),
                     end: Math.max(...all.map(one => one.responseEnd)) };
        }"""
    )
    assert 50_000 < loaded["bytes"] < 170_000  # the files, and the vocabulary
    assert loaded["end"] < 1000


def test_the_modules_that_know_nothing_of_the_page(opened):
    """History, coordinates and joining, with values worked by hand."""
    result = opened.page.evaluate(
        """async () => {
            const { History } = await import("/page/history.js");
            const at = await import("/page/coordinates.js");
            const { joined, corrected } = await import("/page/corrections.js");
            const history = new History(2);
            history.push({ garment: 0, values: { a: [1, 2] } }, { series: "a", at: 0 });
            history.push({ garment: 0, values: { a: [2, 3] } }, { series: "a", at: 900 });
            history.push({ garment: 0, values: { a: [3, 4] } }, { series: "a", at: 5000 });
            const steps = [history.undo(), history.undo(), history.undo(), history.redo(), history.redo()];
            history.undo();
            history.push({ garment: 1, values: { b: [0, 1] } });
            const view = at.fitted({ width: 100, height: 50 }, { width: 232, height: 232 });
            const earlier = { a: { value: 1, at: 5 }, b: { value: 1, at: 1 } };
            const later = { a: { value: 2, at: 4 }, b: { value: 2, at: 2 } };
            const edits = { "point:b": { value: { x: 7, y: 8, state: "visible" }, at: 1 } };
            const garment = { category: "skirt", garment: true, keypoints: { a: { x: 1, y: 2, hidden: true } } };
            return {
                steps: steps.map(one => one && one.values.a),
                redo: history.canRedo,
                view,
                screen: at.toScreen(view, { x: 0, y: 0 }),
                photo: at.toPhoto(view, at.toScreen(view, { x: 12.25, y: 40 })),
                inside: at.inside({ x: -3, y: 60.123 }, { width: 100, height: 50 }),
                overlap: at.overlap([0, 0, 2, 2], [1, 0, 3, 2]),
                foot: at.foot({ x: 1, y: 5 }, { x: 0, y: 0 }, { x: 4, y: 0 }),
                joined: joined(earlier, later),
                corrected: corrected(garment, edits, { skirt: ["a", "b", "c"] }),
            };
        }"""
    )
    assert result["steps"] == [3, 1, None, 3, 4]
    assert result["redo"] is False
    assert result["view"] == {"zoom": 2, "left": 16, "top": 66}
    assert result["screen"] == {"x": 17, "y": 67} and result["photo"] == {"x": 12.25, "y": 40}
    assert result["inside"] == {"x": 0, "y": 49} and result["overlap"] == pytest.approx(1 / 3)
    assert result["foot"] == {"x": 1, "y": 0}
    assert {key: one["value"] for key, one in result["joined"].items()} == {"a": 1, "b": 2}
    points = result["corrected"]["keypoints"]
    assert [points[name]["state"] for name in "abc"] == ["hidden", "visible", "absent"]
    assert (points["b"]["x"], points["b"]["corrected"], points["c"]["x"]) == (7, True, None)
