"""The routes, with the networks that come with the package."""

import base64
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from served import Client, Networks, client, parts

from aifashion import EncodedPhoto, Recognizer
from aifashion.measurement_sets import measurements_of
from aifashion.recognition.measuring import ScaleOptions, new_measuring
from aifashion.web import networks as networks_module
from aifashion.web.networks import load_networks
from aifashion.web.settings import Settings

GOLDEN = Path(__file__).parents[1] / "golden" / "shipped"
PHOTOS = [*sorted(GOLDEN.glob("*.jpg")), *sorted((GOLDEN / "scenes").glob("*.jpg"))]


@pytest.fixture(scope="module")
def shipped() -> Iterator[Client]:
    with client(load_networks()) as made:
        yield made


@pytest.fixture(scope="module")
def door(shipped: Client) -> Recognizer:
    """The same networks by the Python door."""
    return shipped.worker.networks.recognizer


def files(*paths: Path) -> dict[str, Any]:
    return parts(*((path.name, path.read_bytes()) for path in paths))


def encoded(path: Path) -> EncodedPhoto:
    return EncodedPhoto(path.name, path.read_bytes())


# ----------------------------------------------------------------------------------------------------------- garments


@pytest.mark.parametrize("garments", [None, "all", "largest", "2", "photo"])
def test_the_answer_is_that_of_the_python_door(shipped: Client, door: Recognizer, garments: str | None):
    query = {} if garments is None else {"garments": garments}
    for path in (PHOTOS[0], PHOTOS[-1]):
        done = shipped.post("/v1/garments", **files(path), params=query)
        if garments == "photo":
            expected = [door(encoded(path))]
        else:
            wanted: Any = int(garments) if garments == "2" else garments or "all"
            expected = door.garments(encoded(path), wanted=wanted)
        (photo,) = done.json()["photos"]
        assert photo["garments"] == json.loads(json.dumps([garment.to_dict() for garment in expected]))
        assert (photo["width"], photo["height"]) == expected[0].size and photo["name"] == path.name


def test_photos_of_several_clients_have_the_same_answers(shipped: Client, door: Recognizer):
    requests = [("POST", "/v1/garments", files(path)) for path in PHOTOS]
    for path, done in zip(PHOTOS, shipped.together(requests), strict=True):
        for garment, expected in zip(done.json()["photos"][0]["garments"], door.garments(encoded(path)), strict=True):
            facts = expected.to_dict()
            assert garment["category"] == facts["category"] and garment.keys() == facts.keys()
            for name, point in facts["keypoints"].items():
                # A network computes a batch of another length in another order: the last digit can differ.
                assert abs(garment["keypoints"][name]["x"] - point["x"]) <= 0.05
                assert abs(garment["keypoints"][name]["y"] - point["y"]) <= 0.05


def test_a_category_and_augmentation(shipped: Client, door: Recognizer):
    query = {"garments": "photo", "category": "skirt", "augment": "true"}
    done = shipped.post("/v1/garments", **files(PHOTOS[0]), params=query)
    augmented = Recognizer(replace(door.model, keypoints=door.model.keypoints.augmented()))
    expected = augmented(encoded(PHOTOS[0]), category="skirt").to_dict()
    assert done.json()["photos"][0]["garments"] == [json.loads(json.dumps(expected))]


def test_damaged_photos_are_entries_among_the_others(shipped: Client):
    good = GOLDEN / "dress.jpg"
    bomb = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(bomb, "PNG")
    photos = (
        ("cut.jpg", good.read_bytes()[:-2000]),
        ("dress.jpg", good.read_bytes()),
        ("text.jpg", b"no photo"),
        ("bomb.png", bomb.getvalue()),
        ("empty.jpg", b""),
    )
    found = shipped.post("/v1/garments", **parts(*photos)).json()["photos"]
    assert [photo["name"] for photo in found] == [name for name, _ in photos]
    assert "truncated or damaged" in found[0]["error"] and "not a readable image" in found[2]["error"]
    assert "exceeds limit of 178956970 pixels" in found[3]["error"]
    assert "the file is empty" in found[4]["error"]
    assert found[1]["garments"][0]["category"] == "dress" and "error" not in found[1]


def test_photos_of_many_pixels_are_recognised_one_after_the_other(shipped: Client, monkeypatch):
    """A file of few bytes can have many pixels, all of which are in memory while it is recognised."""
    portions = []
    whole = networks_module.Networks._answers

    def told(self: Any, photos: Any, options: Any) -> Any:
        portions.append([photo.name for photo in photos])
        return whole(self, photos, options)

    monkeypatch.setattr(networks_module.Networks, "_answers", told)
    monkeypatch.setattr(networks_module, "MOST_PIXELS", 40_000)
    sides = {"a.png": 100, "b.png": 150, "c.png": 120, "d.png": 250, "e.png": 50}
    photos = []
    for name, side in sides.items():
        data = io.BytesIO()
        Image.new("RGB", (side, side)).save(data, "PNG")
        photos.append((name, data.getvalue()))
    photos.append(("f.png", b"no photo"))
    found = shipped.post("/v1/garments", **parts(*photos), params={"garments": "photo"}).json()["photos"]
    assert [photo["name"] for photo in found] == [*sides, "f.png"] and "error" in found[-1]
    assert [photo["width"] for photo in found[:-1]] == list(sides.values())
    assert portions == [["a.png", "b.png"], ["c.png"], ["d.png"], ["e.png", "f.png"]]


KINDS = ("turned", "cmyk", "alpha", "deep", "webp", "large", "narrow", "one pixel")


@pytest.mark.parametrize("kind", KINDS)
def test_all_kinds_of_files_have_the_answers_of_the_python_door(shipped: Client, door: Recognizer, kind: str):
    data = file_of_kind(Image.open(GOLDEN / "dress.jpg").convert("RGB"), kind)
    (photo,) = shipped.post("/v1/garments", **parts(("a", data))).json()["photos"]
    expected = door.garments(EncodedPhoto("a", data))
    assert photo["garments"] == json.loads(json.dumps([garment.to_dict() for garment in expected]))
    assert (photo["width"], photo["height"]) == expected[0].size


def file_of_kind(image: Image.Image, kind: str) -> bytes:
    data = io.BytesIO()
    if kind == "turned":
        exif = Image.Exif()
        exif[0x0112] = 7
        image.save(data, "JPEG", exif=exif)
    elif kind == "cmyk":
        image.convert("CMYK").save(data, "JPEG")
    elif kind == "alpha":
        cover = Image.linear_gradient("L").resize(image.size)
        image.putalpha(cover)
        image.save(data, "PNG")
    elif kind == "deep":
        Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257).save(data, "PNG")
    elif kind == "webp":
        image.save(data, "WEBP", quality=80)
    elif kind == "large":
        image.resize((image.width * 12, image.height * 12)).save(data, "JPEG")
    elif kind == "narrow":
        image.resize((60, 4000)).save(data, "JPEG")
    else:
        image.resize((1, 1)).save(data, "PNG")
    return data.getvalue()


def test_a_photo_that_is_turned_by_exif_is_upright(shipped: Client, door: Recognizer):
    image = Image.open(GOLDEN / "dress.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    data = io.BytesIO()
    image.transpose(Image.Transpose.ROTATE_90).save(data, "JPEG", quality=95, exif=exif)
    photo = shipped.post("/v1/garments", **parts(("a.jpg", data.getvalue()))).json()["photos"][0]
    assert (photo["width"], photo["height"]) == image.size
    expected = door.garments(EncodedPhoto("a.jpg", data.getvalue()))
    assert photo["garments"] == json.loads(json.dumps([garment.to_dict() for garment in expected]))


def test_lengths_in_cm(shipped: Client, door: Recognizer):
    query = {"garments": "photo", "px_per_cm": "4"}
    (garment,) = shipped.post("/v1/garments", **files(PHOTOS[0]), params=query).json()["photos"][0]["garments"]
    expected = door(encoded(PHOTOS[0]))
    measuring = new_measuring(door.vocabulary, None, ScaleOptions(4.0).read())
    scale = measuring.scale_of(expected.recognition)
    (facts,) = measuring.described(measuring.measured([expected.prediction], scale))
    assert garment["measurements"] == facts["measurements"] and garment["scale"] == {"px_per_cm": 4.0, "error": None}
    assert all(abs(one["cm"] * 4 - one["px"]) < 0.01 for one in garment["measurements"].values())


def test_a_scale_that_is_not_in_the_photo_is_told(shipped: Client):
    for query in ({"marker": "18"}, {"marker": "aruco:4X4_50:7:18"}, {"sheet": "a4"}):
        (photo,) = shipped.post("/v1/garments", **files(PHOTOS[0]), params=query).json()["photos"]
        assert photo["garments"][0]["scale"]["error"] and photo["garments"][0]["measurements"]


def test_pictures_and_layers(shipped: Client, door: Recognizer):
    query = {"draw": "1", "layers": "1"}
    (photo,) = shipped.post("/v1/garments", **files(PHOTOS[-1]), params=query).json()["photos"]
    picture = Image.open(io.BytesIO(base64.b64decode(photo["picture"])))
    assert picture.format == "JPEG" and picture.size[0] > photo["width"]
    for garment in photo["garments"]:
        heat = Image.open(io.BytesIO(base64.b64decode(garment["heatmap"])))
        assert heat.format == "PNG" and heat.mode == "RGBA" and heat.size == (256, 256)
        left, top, right, bottom = garment["heatmap_box"]
        # The strongest heat lies near a keypoint.
        row, column = np.unravel_index(np.asarray(heat)[..., 3].argmax(), (256, 256))
        x, y = left + (column + 0.5) / 256 * (right - left) - 0.5, top + (row + 0.5) / 256 * (bottom - top) - 0.5
        distances = [np.hypot(point["x"] - x, point["y"] - y) for point in garment["keypoints"].values()]
        assert min(distances) < (right - left) / 20
    plain = shipped.post("/v1/garments", **files(PHOTOS[-1])).json()["photos"][0]
    assert "picture" not in plain and "heatmap" not in plain["garments"][0]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"garments": "some"}, "garments some: expected all, largest or a number from 1"),
        ({"garments": "0"}, "garments 0: expected all"),
        ({"category": "hat"}, "unknown category 'hat'; expected one of blouse"),
        ({"augment": "perhaps"}, "augment: Input should be a valid boolean"),
        ({"px_per_cm": "-1"}, "px_per_cm -1.0: px per cm = -1.0; expected a number from 0.0001 to 1,000,000"),
        ({"px_per_cm": "nan"}, "px_per_cm nan"),
        ({"known": "waist"}, "known waist: expected a name and its length in cm"),
        ({"known": "tail=3"}, "known tail=3: no measurement and no pair of keypoints"),
        ({"marker": "x"}, "marker x: expected aruco:DICTIONARY:NUMBER:CM"),
        ({"sheet": "a3"}, "sheet a3: sheet 'a3': expected a4 or letter"),
        ({"sheet": "a4", "px_per_cm": "3"}, "px_per_cm, known, sheet and marker each give the scale"),
        ({"url": "http://example.org/a.jpg"}, "url: Extra inputs are not permitted"),
    ],
)
def test_unknown_values_are_refused(shipped: Client, query: dict[str, str], message: str):
    done = shipped.post("/v1/garments", **files(PHOTOS[0]), params=query)
    assert done.status_code == 400 and message in done.json()["error"] and "--" not in done.json()["error"]


# --------------------------------------------------------------------------------------------------------- vocabulary


def test_what_the_networks_know(shipped: Client, door: Recognizer):
    facts = shipped.get("/v1/vocabulary").json()
    assert facts["name"] == "fashionai" and facts["keypoints"] == list(door.vocabulary.keypoints)
    assert [category["name"] for category in facts["categories"]] == list(door.vocabulary.categories)
    skirt = next(category for category in facts["categories"] if category["name"] == "skirt")
    assert skirt["keypoints"] == ["waistband_left", "waistband_right", "hemline_left", "hemline_right"]
    assert ["waistband_left", "waistband_right"] in skirt["edges"]
    known = measurements_of(door.vocabulary).of("skirt").measurements
    assert [one["name"] for one in skirt["lengths"]] == [one.name for one in known] and known
    length = next(one for one in facts["attributes"] if one["task"] == "skirt_length")
    assert "skirt" in length["categories"] and "trousers" not in length["categories"] and len(length["labels"]) == 6
    assert {name: one["name"] for name, one in facts["networks"].items()} == dict.fromkeys(
        ("detector", "keypoints", "attributes"), "shipped"
    )
    assert "/" not in json.dumps(facts["networks"])
    assert facts["limits"] == {"bytes": 64 << 20, "photos": 128}


# -------------------------------------------------------------------------------------------------- errors, other paths


def test_paths_and_methods_that_are_not_there(pretended: Client):
    for method, path, status in (
        ("GET", "/nowhere", 404),
        ("GET", "/v1/nothing", 404),
        ("GET", "/page/nothing.js", 404),
        ("GET", "/page/../app.py", 404),
        ("GET", "/page/%2e%2e/app.py", 404),
        ("GET", "/..%2fapp.py", 404),
        ("GET", "/docs/", 404),  # no redirection, whose address would not be that of a proxy
        ("POST", "/v1/garments/", 404),
        ("GET", "/v1/garments", 405),
        ("POST", "/healthz", 405),
        ("DELETE", "/v1/labels", 405),
    ):
        done = pretended.ask(method, path)
        assert done.status_code == status and list(done.json()) == ["error"], path
    assert 'aifashion_requests_total{route="other",status="404"}' in pretended.get("/metrics").text


def test_the_page_is_served(pretended: Client, tmp_path: Path, monkeypatch):
    from aifashion.web import app

    assert pretended.get("/").status_code == (200 if (app.PAGE / "index.html").exists() else 404)
    (tmp_path / "parts").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html>")
    (tmp_path / "page.js").write_text("export {};")
    (tmp_path / "parts" / "a.css").write_text("a {}")
    monkeypatch.setattr(app, "PAGE", tmp_path)
    with client(Networks()) as made:
        done = made.get("/")
        assert done.text == "<!doctype html>" and done.headers["content-type"].startswith("text/html")
        for path in ("/page.js", "/page/page.js"):
            assert made.get(path).headers["content-type"].startswith("text/javascript")
        assert made.get("/page/parts/a.css").text == "a {}" and made.get("/parts").status_code == 404


def test_ready_only_with_networks(networks: Networks):
    made = Client(Settings(), networks)  # whose worker does not run
    assert made.get("/healthz").json() == {"status": "ok"}
    for done in (made.get("/readyz"), made.get("/v1/vocabulary"), made.post("/v1/garments", **parts(("a", b"x")))):
        assert done.status_code == 503 and done.headers["retry-after"] == "1"
        assert done.json() == {"error": "the networks are being loaded; try again"}


def test_the_description_names_all_routes_and_needs_no_other_host(pretended: Client):
    described = pretended.get("/openapi.json").json()
    assert set(described["paths"]) == {
        *("/v1/garments", "/v1/vocabulary", "/v1/lengths", "/v1/labels"),
        *("/healthz", "/readyz", "/metrics"),
    }
    assert "$ref" not in json.dumps([path.get("post", {}).get("requestBody") for path in described["paths"].values()])
    page = pretended.get("/docs").text
    assert "POST /v1/garments" in page and "px_per_cm" in page
    assert "http://" not in page and "https://" not in page and "<script" not in page and "style=" not in page


def test_it_is_ready_once_the_networks_are_loaded(pretended):
    assert pretended.get("/readyz").json() == {"status": "ready", "vocabulary": "fashionai"}
