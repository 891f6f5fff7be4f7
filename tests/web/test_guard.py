import logging
from typing import Any

import pytest
from served import Client, Networks, client, parts

from aifashion.web.guard import HEADERS
from aifashion.web.settings import Settings


@pytest.mark.parametrize("host", ["localhost", "localhost:9", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST."])
def test_this_machine_is_known_by_its_names(pretended: Client, host: str):
    assert pretended.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "localhost.evil.example", "", "a@localhost", "::1"]
)
def test_other_names_are_refused(pretended: Client, host: str):
    for path in ("/", "/healthz", "/v1/vocabulary", "/metrics", "/nowhere"):
        done = pretended.get(path, headers={"Host": host})
        assert done.status_code == 403 and "does not answer under this name" in done.json()["error"]


def test_two_names_are_refused(pretended: Client):
    done = pretended.get("/healthz", headers=[("Host", "localhost"), ("Host", "evil.example")])
    assert done.status_code == 403


def test_names_that_are_allowed(networks: Networks):
    with client(networks, hosts=("photos.example.org",)) as made:
        assert made.get("/healthz", headers={"Host": "photos.example.org"}).status_code == 200
        assert made.get("/healthz", headers={"Host": "other.example.org"}).status_code == 403


@pytest.mark.parametrize(
    ("settings", "allowed"),
    [
        ({}, {"127.0.0.1", "localhost", "[::1]"}),
        ({"host": "::1"}, {"127.0.0.1", "localhost", "[::1]"}),
        ({"host": "0.0.0.0"}, {"0.0.0.0", "127.0.0.1", "localhost", "[::1]"}),
        ({"host": "192.0.2.7", "hosts": ("A.example",)}, {"192.0.2.7", "a.example"}),
    ],
)
def test_names_that_a_service_has(settings: dict[str, Any], allowed: set[str]):
    assert Settings(**settings).allowed_hosts == allowed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"host": ""}, "--host '': expected an address such as"),
        ({"host": "[::1]"}, r"--host '\[::1\]': expected an address"),
        ({"port": 70_000}, "--port 70000: expected a number from 0 to 65535"),
        ({"queue": 0}, "--queue 0: expected a number of photos from 1"),
        ({"max_bytes": 0}, "--max-mb 0: expected a number above 0"),
        ({"token": ""}, "--token: expected letters"),
        ({"token": "a\nb"}, "--token: expected letters"),
        ({"token": " abc"}, "--token: it begins or ends with a space"),
        ({"hosts": ("https://a.example/",)}, "--allow-host https://a.example/: expected a name"),
        ({"hosts": ("a.example:80",)}, "--allow-host a.example:80: expected a name"),
    ],
)
def test_settings_that_cannot_be_are_refused(words: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        Settings(**words)


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://localhost:3000", "http://127.0.0.1:8000", "file://", "http://[", "x"],
)
def test_pages_of_other_sites_are_refused(pretended: Client, networks: Networks, origin: str):
    done = pretended.post("/v1/garments", **parts(("a.jpg", b"x")), headers={"Origin": origin})
    assert done.status_code == 403 and done.json() == {"error": "pages of other sites may not use this service"}
    assert not networks.batches


def test_what_a_browser_says_of_the_page_counts_without_an_origin(pretended: Client, networks: Networks):
    for site in ("cross-site", "same-site"):
        headers = {"Sec-Fetch-Site": site}
        done = pretended.post("/v1/garments", **parts(("a.jpg", b"x")), headers=headers)
        assert done.status_code == 403 and "pages of other sites" in done.json()["error"] and not networks.batches
        assert pretended.get("/", headers=headers).status_code == 200  # a link
    for site in ("same-origin", "none"):
        done = pretended.post("/v1/garments", **parts(("a.jpg", b"x")), headers={"Sec-Fetch-Site": site})
        assert done.status_code == 200


def test_origins_are_compared_as_names_are(networks: Networks):
    with client(networks, hosts=("Photos.example.org.", "[2001:db8::7]")) as made:
        for origin in ("https://photos.example.org", "https://PHOTOS.example.org.", "https://[2001:db8::7]"):
            words = {"headers": {"Host": "localhost:8000", "Origin": origin}}
            assert made.post("/v1/garments", **parts(("a.jpg", b"x")), **words).status_code == 200


def test_pages_of_its_own_are_answered(networks: Networks):
    with client(networks, hosts=("photos.example.org",)) as made:
        for host, origin in (
            ("localhost:8000", "http://localhost:8000"),
            ("photos.example.org", "https://photos.example.org"),
            ("127.0.0.1:8000", "https://photos.example.org"),  # a proxy that asks by the address
        ):
            done = made.post("/v1/garments", **parts(("a.jpg", b"x")), headers={"Host": host, "Origin": origin})
            assert done.status_code == 200


def test_a_token_is_asked_for(networks: Networks):
    with client(networks, token="s3cret") as made:
        for headers in (
            {},
            {"Authorization": "Bearer other"},
            {"Authorization": "s3cret"},
            {"Authorization": "Bearer é"},
        ):
            words = {name: value.encode("latin-1") for name, value in headers.items()}
            done = made.get("/v1/vocabulary", headers=words)
            assert done.status_code == 401 and done.headers["www-authenticate"] == "Bearer"
            assert done.json() == {"error": "expected the header Authorization: Bearer TOKEN"}
            assert made.post("/v1/nothing", headers=words).status_code == 401
        for kind in ("Bearer ", "bearer ", "BEARER  "):
            assert made.get("/v1/vocabulary", headers={"Authorization": f"{kind}s3cret"}).status_code == 200
        for path in ("/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"):
            assert made.get(path).status_code == 200


def test_all_answers_have_the_headers(pretended: Client):
    asked = [("GET", path, {}) for path in ("/", "/healthz", "/docs", "/v1/vocabulary", "/v1/nothing", "/metrics")]
    asked += [("GET", "/healthz", {"headers": {"Host": "evil.example"}}), ("DELETE", "/v1/garments", {})]
    for done in pretended.together(asked):
        assert {name: done.headers[name] for name in HEADERS} == HEADERS
        private = done.request.url.path.startswith("/v1")
        assert done.headers["cache-control"] == ("no-store" if private else "no-cache")
    assert "default-src 'none'" in HEADERS["Content-Security-Policy"]


def test_what_goes_wrong_inside_is_one_sentence_and_no_log_of_the_photo(pretended: Client, networks: Networks, caplog):
    class Broken:
        @property
        def facts(self) -> object:
            raise RuntimeError("secret.jpg in /a/folder")

    pretended.worker.networks = Broken()
    with caplog.at_level(logging.DEBUG):
        done = pretended.get("/v1/vocabulary")
    assert done.status_code == 500 and done.json() == {"error": "something went wrong in the service"}
    assert "/v1/vocabulary: RuntimeError in facts" in caplog.text
    assert "secret" not in "".join(record.getMessage() for record in caplog.records)
    pretended.worker.networks = networks
    assert 'aifashion_requests_total{route="/v1/vocabulary",status="500"} 1.0' in pretended.get("/metrics").text
