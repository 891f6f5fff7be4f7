"""Photos in, points corrected, labels out."""

import shutil

import pytest

from aifashion.data_gen.formats.coco import read_coco_labels
from aifashion.data_gen.formats.fashionai_labels import read_fashionai
from aifashion.data_gen.formats.label_studio import read_label_studio
from aifashion.records import ABSENT, HIDDEN, VISIBLE

pytestmark = pytest.mark.browser


def placed(garment, name):
    """(x, y) and the state of a keypoint in labels that were read."""
    k = garment.names.index(name)
    return garment.keypoints.xy[k].tolist(), garment.keypoints.state[k]


def test_a_folder_is_dropped_and_its_photos_are_recognised(opened, served, photos, tmp_path):
    folder = tmp_path / "clothes"
    (folder / "more").mkdir(parents=True)
    shutil.copy(photos / "blouse.jpg", folder)
    shutil.copy(photos / "damaged.jpg", folder)
    shutil.copy(photos / "skirt.jpg", folder / "more")
    (folder / "notes.txt").write_text("not a photo")
    opened.drop(folder)
    opened.done(3)
    assert "1 file is not a photo" in opened.page.inner_text("#toast")
    opened.choose("clothes/more/skirt.jpg")
    (garment,) = served.garments(photos / "skirt.jpg")
    assert opened.page.input_value("#category") == garment["category"] == "skirt"
    for name, point in garment["keypoints"].items():
        assert opened.exact(name) == (point["x"], point["y"])
        assert opened.point(name)[2] == ("hidden" if point["hidden"] else "visible")
    opened.choose("clothes/blouse.jpg")
    assert len(opened.page.query_selector_all(".point")) == 13
    opened.page.click('.thumbnail[title="clothes/damaged.jpg"]')
    opened.page.wait_for_selector("#message.wrong")
    assert "damaged.jpg" in opened.page.inner_text("#message")
    assert "3 of 3 photos done, 1 could not be read" in opened.page.inner_text("#progress-text")


def test_a_point_is_dragged_undone_saved_and_read_back(opened, photos, tmp_path):
    opened.add(photos / "trousers.jpg", photos / "skirt.jpg")
    opened.choose("trousers.jpg")
    before = opened.exact("crotch")
    opened.drag("crotch", 40, -26)
    zoom = opened.zoom()
    after = opened.exact("crotch")
    assert after == pytest.approx((before[0] + 40 / zoom, before[1] - 26 / zoom), abs=0.02)
    opened.page.keyboard.press("Control+z")
    assert opened.exact("crotch") == before
    opened.page.keyboard.press("Control+Shift+Z")
    assert opened.exact("crotch") == after
    labels = read_coco_labels(opened.save("coco", tmp_path))
    (photo,) = labels.photos
    assert photo.file_name == "trousers.jpg" and photo.size == (384, 512)
    assert placed(photo.garments[0], "crotch") == (pytest.approx(after), VISIBLE)
    (photo,) = read_label_studio(opened.save("label-studio", tmp_path)).photos
    assert placed(photo.garments[0], "crotch") == (pytest.approx(after, abs=1e-3), VISIBLE)
    found = read_fashionai(opened.save("fashionai", tmp_path, "all"))
    by_name = {photo.file_name: photo for photo in found.photos}
    assert by_name.keys() == {"trousers.jpg", "skirt.jpg"}
    assert placed(by_name["trousers.jpg"].garments[0], "crotch") == (pytest.approx(after, abs=0.5), VISIBLE)


def test_keys_move_hide_and_remove_a_point(opened, photos, tmp_path):
    opened.add(photos / "skirt.jpg")
    page = opened.page
    (x, y), other = opened.exact("hemline_left"), opened.exact("hemline_right")
    page.focus('[data-point="hemline_left"].point')
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "Shift+ArrowUp", "ArrowLeft"):
        page.keyboard.press(key)
    assert opened.exact("hemline_left") == pytest.approx((x + 1, y - 11), abs=0.001)
    page.keyboard.press("h")
    assert opened.point("hemline_left")[2] == "hidden"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.point") == "hemline_right"
    page.keyboard.press("Delete")
    assert page.query_selector('[data-point="hemline_right"].point') is None
    (photo,) = read_coco_labels(opened.save("coco", tmp_path)).photos
    assert placed(photo.garments[0], "hemline_left") == (pytest.approx([x + 1, y - 11], abs=0.001), HIDDEN)
    assert placed(photo.garments[0], "hemline_right")[1] == ABSENT
    for _ in range(3):  # the point that is gone, the one that is hidden, and all five moves in one step
        page.keyboard.press("Control+z")
    assert opened.exact("hemline_left") == (x, y) and opened.exact("hemline_right") == other


def test_an_absent_point_is_placed_by_a_click(opened, photos):
    opened.add(photos / "skirt.jpg")
    page = opened.page
    page.focus('[data-point="hemline_right"].point')
    page.keyboard.press("Delete")
    page.click("#points-card summary")
    page.click('[data-place="hemline_right"]')
    box = page.evaluate("(({ left, top }) => ({ left, top }))(photo.getBoundingClientRect())")
    zoom = opened.zoom()
    page.mouse.click(box["left"] + 100.5 * zoom, box["top"] + 200.5 * zoom)
    assert opened.exact("hemline_right") == pytest.approx((100, 200), abs=0.02)
    assert opened.point("hemline_right")[2] == "visible"


def test_another_category_has_its_points_and_its_lengths(opened, photos):
    opened.add(photos / "trousers.jpg")
    page = opened.page
    waist = opened.exact("waistband_left")
    page.select_option("#category", "skirt")
    page.wait_for_selector('[data-point="hemline_left"].point')
    names = page.eval_on_selector_all(".point", "all => all.map(one => one.dataset.point)")
    assert names == ["waistband_left", "waistband_right", "hemline_left", "hemline_right"]
    assert opened.exact("waistband_left") == pytest.approx(waist, abs=8)  # looked for again, as that of a skirt
    page.wait_for_function("() => lengths.textContent.includes('Skirt length')")
    page.click("#undo")
    page.wait_for_selector('[data-point="crotch"].point')
    assert page.input_value("#category") == "trousers"


def test_lengths_follow_a_correction(opened, photos):
    opened.add(photos / "skirt.jpg")
    page = opened.page
    row = page.locator("#lengths tr", has_text="Hem")
    assert "±" in row.inner_text()
    page.select_option("#scale-kind", "px_per_cm")
    page.fill("#scale input", "4")
    page.keyboard.press("Enter")
    page.wait_for_function("() => lengths.querySelector('thead')?.textContent.includes('cm')")
    assert "±" in row.inner_text()
    right = opened.exact("hemline_right")
    page.focus('[data-point="hemline_left"].point')
    for _ in range(3):
        page.keyboard.press("Shift+ArrowLeft")
    left = opened.exact("hemline_left")
    expected = ((left[0] - right[0]) ** 2 + (left[1] - right[1]) ** 2) ** 0.5 / 4
    page.wait_for_function("cm => lengths.textContent.includes(`Hem${cm}`)", arg=f"{expected:.1f}")
    # The errors of points that a person placed are not known; those of the others are as before.
    assert "±" not in row.inner_text() and "±" in page.locator("#lengths tr", has_text="Waist").inner_text()


def test_several_garments_are_tabs(opened, served, photos, tmp_path):
    opened.add(photos / "street.jpg")
    page = opened.page
    garments = served.garments(photos / "street.jpg")
    tabs = page.locator("#tabs [role=tab]")
    assert tabs.all_inner_texts() == [one["category"].capitalize() for one in garments] and len(garments) == 3
    tabs.nth(1).focus()
    page.keyboard.press("ArrowRight")
    assert tabs.nth(2).get_attribute("aria-selected") == "true"
    assert page.input_value("#category") == garments[2]["category"]
    page.click("#leave-out")
    (photo,) = read_coco_labels(opened.save("coco", tmp_path)).photos
    assert [one.category for one in photo.garments] == [one["category"] for one in garments[:2]]


def test_the_layers_lie_where_the_service_says(opened, served, photos):
    opened.add(photos / "blouse.jpg")
    page = opened.page
    (garment,) = served.garments(photos / "blouse.jpg", "garments=all&layers=1")
    for layer in ("heatmap", "region", "crop", "dimensions", "names"):
        page.click(f'[data-layer="{layer}"]')
    origin = page.evaluate("(({ left, top }) => [left, top])(photo.getBoundingClientRect())")
    zoom = opened.zoom()
    for selector, edges in (
        ("#heatmap", garment["heatmap_box"]),
        (".region", garment["region"]),
        (".box", garment["box"]),
    ):
        page.wait_for_function("one => document.querySelector(one).getBoundingClientRect().width > 0", arg=selector)
        box = page.evaluate(
            """one => {
                const { left, top, right, bottom } = document.querySelector(one).getBoundingClientRect();
                return [left, top, right, bottom];
            }""",
            selector,
        )
        expected = [origin[n % 2] + edge * zoom for n, edge in enumerate(edges)]
        assert box == pytest.approx(expected, abs=2)
    assert page.locator(".dimension").count() == len(garment["measurements"])
    page.click('[data-layer="points"]')
    assert page.locator(".point").count() == 0


def test_lengths_of_all_photos_are_saved(opened, served, photos, tmp_path):
    opened.add(photos / "skirt.jpg", photos / "street.jpg")
    opened.page.click("#open-save")
    with opened.page.expect_download() as download:
        opened.page.click("#save-lengths")
    rows = download.value.path().read_text(encoding="utf-8-sig").splitlines()
    garments = {name: served.garments(photos / name) for name in ("skirt.jpg", "street.jpg")}
    expected = [
        f"{name},{one['garment_id']},{one['category']},{length},{values['px']:g},{values['px_se']:g},,,"
        for name, found in garments.items()
        for one in found
        for length, values in one["measurements"].items()
    ]
    assert rows[0] == "photo,garment,category,length,px,px_se,cm,cm_se,error"
    assert rows[1:] == expected


def test_the_command_to_finetune_is_one_of_ours(opened, photos):
    from aifashion.top.cli import COMMANDS

    opened.add(photos / "skirt.jpg")
    opened.page.click("#open-save")
    opened.page.click(".finetune summary")
    command = opened.page.inner_text("#finetune")
    name, *words = command.removeprefix("aifashion ").split()
    assert name in COMMANDS and words[-2:] == ["--data", "corrected.json"]
    opened.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened.page.click("#copy")
    opened.page.wait_for_function("copy => document.getElementById('copy').textContent === 'Copied'")
    assert opened.page.evaluate("navigator.clipboard.readText()") == command
