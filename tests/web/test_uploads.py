import base64
import json
from typing import Any

import pytest
from served import Client, Networks, client, parts

from aifashion.web import reading


def test_photos_of_a_form_keep_their_names_and_order(pretended: Client):
    done = pretended.post("/v1/garments", **parts(("b.jpg", b"four"), ("连衣裙.jpg", b"sixsix"), ("b.jpg", b"2b")))
    assert done.status_code == 200 and done.json() == {
        "photos": [
            {"name": "b.jpg", "length": 4},
            {"name": "连衣裙.jpg", "length": 6},
            {"name": "b.jpg", "length": 2},
        ]
    }


def test_photos_in_json_are_the_same(pretended: Client):
    photos = [
        {"name": name, "data": base64.b64encode(data).decode()} for name, data in (("a.jpg", b"12345"), ("", b""))
    ]
    done = pretended.post("/v1/garments", json={"photos": photos})
    assert done.json() == {"photos": [{"name": "a.jpg", "length": 5}, {"name": "photo 2", "length": 0}]}


def test_a_name_that_is_no_text_is_refused(pretended: Client):
    data = json.dumps({"photos": [{"name": "\ud800.jpg", "data": ""}]}).encode()
    done = pretended.post("/v1/garments", content=data, headers={"Content-Type": "application/json"})
    assert done.status_code == 400 and "Invalid JSON" in done.json()["error"]


def test_large_photos_stay_in_memory(pretended: Client, monkeypatch):
    import tempfile

    def no_file(*_: object, **__: object) -> None:
        raise AssertionError("a file was made")

    monkeypatch.setattr(tempfile, "TemporaryFile", no_file)
    monkeypatch.setattr(tempfile, "_TemporaryFileArgs", None, raising=False)
    done = pretended.post("/v1/garments", **parts(("a.jpg", b"x" * (5 << 20))))
    assert done.json()["photos"][0]["length"] == 5 << 20


def form(body: bytes, kind: str = "multipart/form-data; boundary=B") -> dict[str, Any]:
    return {"content": body, "headers": {"Content-Type": kind}}


PART = b'--B\r\nContent-Disposition: form-data; name="photos"; filename="a.jpg"\r\n\r\nabc\r\n'
BAD = {
    "a form without photos": (form(b"--B--\r\n"), 400, "no photos: expected parts called photos"),
    "no boundary": (form(PART + b"--B--", "multipart/form-data"), 400, "the form: Missing boundary in multipart."),
    "cut short": (form(PART), 400, "the form is cut short: its last boundary is missing"),
    "no form": (form(b"abc"), 400, "the form: Invalid multipart data."),
    "another part": ({"files": [("file", ("a.jpg", b"x"))]}, 400, "a file called 'file': expected files called photos"),
    "a text": (form(b'--B\r\nContent-Disposition: form-data; name="photos"\r\n\r\nabc\r\n--B--\r\n'), 400, "a text"),
    "another type": (form(b"abc", "image/jpeg"), 415, "expected photos as multipart/form-data or application/json"),
    "a long name": (parts(("a" * 501, b"x")), 400, "a file name of 501 characters; at most 500 are possible"),
    "no JSON": (form(b"{", "application/json"), 400, "the request: Invalid JSON"),
    "deep JSON": (form(b"[" * 150_000, "application/json"), 400, "the request: Invalid JSON"),
    "JSON of many values": (form(b"[" + b"[]," * 500_001, "application/json"), 413, "more than 1,000,000 values"),
    "an unknown field": ({"json": {"photos": [], "url": "http://x"}}, 400, "url: Extra inputs are not permitted"),
    "an address": ({"json": {"photos": [{"name": "a", "url": "http://x"}]}}, 400, "photos.0.data: Field required"),
    "bad base64": ({"json": {"photos": [{"name": "a", "data": "a*b="}]}}, 400, "photos.0.data: no base64: "),
    "no list": ({"json": {"photos": 3}}, 400, "photos: Input should be a valid"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_requests_are_refused_in_one_sentence(pretended: Client, networks: Networks, case: str):
    words, status, message = BAD[case]
    done = pretended.post("/v1/garments", **words)
    assert done.status_code == status and list(done.json()) == ["error"] and message in done.json()["error"]
    assert "\n" not in done.json()["error"] and not networks.batches


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v1/garments?draw=1&draw=0", "draw: given more than once"),
        ("/v1/garments?garments=", "garments : expected all, largest or a number from 1"),
        ("/v1/lengths?px_per_cm=4", "px_per_cm: nothing of this name can be asked here; /docs lists what can"),
        ("/v1/labels?to=coco&too=1", "too: nothing of this name can be asked here"),
        ("/v1/labels?to=coco&to=fashionai", "to: given more than once"),
    ],
)
def test_nothing_that_is_asked_is_left_aside(pretended: Client, networks: Networks, path: str, message: str):
    done = pretended.post(path, **parts(("a.jpg", b"x")))
    assert done.status_code == 400 and message in done.json()["error"] and not networks.batches


def test_ten_thousand_tiny_parts_are_refused(pretended: Client, networks: Networks):
    done = pretended.post("/v1/garments", **form(PART * 10_000 + b"--B--\r\n"))
    assert done.status_code == 400
    assert done.json() == {"error": "more than 128 photos in one request; send several requests"}
    photos = [{"name": "a", "data": ""}] * 129
    assert pretended.post("/v1/garments", json={"photos": photos}).json() == done.json()
    texts = b'--B\r\nContent-Disposition: form-data; name="x"\r\n\r\n\r\n' * 10_000 + b"--B--\r\n"
    assert "Too many fields" in pretended.post("/v1/garments", **form(texts)).json()["error"]
    assert not networks.batches


def test_a_body_beyond_the_limit_is_refused_from_its_length(networks: Networks):
    with client(networks, max_bytes=1000) as made:
        assert made.post("/v1/garments", **parts(("a.jpg", b"x" * 700))).status_code == 200
        done = made.post("/v1/garments", **parts(("a.jpg", b"x" * 1000)))
        assert done.status_code == 413 and done.json() == {"error": "the body has more than the limit of 1,000 bytes"}
        assert done.headers["connection"] == "close"
        done = made.post("/v1/lengths", content=b"x" * 1001, headers={"Content-Type": "application/json"})
        assert done.status_code == 413
        words = form(b"abc")
        words["headers"]["Content-Length"] = "-3"
        assert made.post("/v1/garments", **words).json() == {"error": "Content-Length is not a number"}


def test_a_body_of_unknown_length_is_read_up_to_the_limit(networks: Networks):
    taken = []

    async def endless():
        yield PART
        while True:
            taken.append(1)
            yield b"x" * 1000

    with client(networks, max_bytes=10_000) as made:
        done = made.post("/v1/garments", **form(endless()))  # type: ignore[arg-type]
        assert done.status_code == 413 and len(taken) <= 11


def test_a_slow_body_ends(pretended: Client, monkeypatch):
    import asyncio

    monkeypatch.setattr(reading, "FIRST_SECONDS", 0.05)

    async def slow():
        yield PART
        await asyncio.sleep(30)

    done = pretended.post("/v1/garments", **form(slow()))  # type: ignore[arg-type]
    assert done.status_code == 408 and done.json() == {"error": f"the body comes too slowly: {len(PART)} bytes so far"}


def test_bodies_share_a_bound_and_give_it_back(networks: Networks):
    with client(networks, max_bytes=1000, queue=100) as made:
        networks.go.clear()
        words = parts(("a.jpg", b"x" * 700))
        import threading

        threading.Timer(0.5, networks.go.set).start()
        found = made.together([("POST", "/v1/garments", words)] * 6)
        statuses = sorted(done.status_code for done in found)
        assert statuses == [200] * 4 + [429] * 2
        refused = next(done for done in found if done.status_code == 429)
        assert refused.headers["retry-after"] == "2" and "too many bytes" in refused.json()["error"]
        assert [made.post("/v1/garments", **words).status_code for _ in range(6)] == [200] * 6
