import math
from typing import Any

import pytest
from served import Client

SKIRT = {
    "waistband_left": {"x": 100, "y": 50, "state": "visible"},
    "waistband_right": {"x": 184, "y": 50, "state": "visible"},
    "hemline_left": {"x": 80, "y": 250, "state": "visible"},
    "hemline_right": {"x": 200, "y": 250, "state": "hidden"},
}


def lengths(made: Client, **changes: Any) -> Any:
    return made.post(
        "/v1/lengths", json={"category": "skirt", "keypoints": SKIRT, "width": 300, "height": 300} | changes
    )


def by_name(done: Any) -> dict[str, Any]:
    assert done.status_code == 200, done.text
    return {one.pop("name"): one for one in done.json()["lengths"]}


def test_lengths_of_corrected_points_in_px(pretended: Client):
    found = by_name(lengths(pretended))
    assert found["waist"] == {"px": 84.0, "px_se": None, "ratio": 1.0, "hidden": False}
    assert found["hem"] == {"px": 120.0, "px_se": None, "ratio": round(120 / 84, 4), "hidden": True}


def test_lengths_in_cm(pretended: Client):
    found = lengths(pretended, scale={"px_per_cm": 4})
    assert found.json()["scale"] == {"px_per_cm": 4.0, "error": None}
    assert by_name(found)["waist"]["cm"] == 21.0
    found = by_name(lengths(pretended, scale={"known": {"waistband": 42}}))
    assert found["hem"]["cm"] == 60.0 and found["waist"]["cm"] == 42.0


def test_points_that_are_absent_or_not_given_have_no_lengths(pretended: Client):
    absent = {"state": "absent", "x": None, "y": None}
    for points in (SKIRT | {"hemline_right": absent}, {n: p for n, p in SKIRT.items() if n != "hemline_right"}):
        found = by_name(lengths(pretended, keypoints=points))
        assert found["hem"]["px"] is None and found["waist"]["px"] == 84.0


BAD = {
    "category": ({"category": "hat"}, "category: unknown category 'hat'; expected one of"),
    "keypoint": ({"keypoints": {"armpit_left": SKIRT["hemline_left"]}}, "keypoints.armpit_left: a skirt has no such"),
    "no points": ({"keypoints": {}}, "keypoints: all are absent"),
    "no place": ({"keypoints": {"hemline_left": {"state": "hidden"}}}, "a point that is hidden needs x and y"),
    "beyond": (
        {"keypoints": {"hemline_left": {"x": 400, "y": 1, "state": "visible"}}},
        "keypoints.hemline_left: 400, 1 lies beyond the photo of 300 x 300 px",
    ),
    "state": ({"keypoints": {"hemline_left": {"x": 1, "y": 1, "state": "seen"}}}, "keypoints.hemline_left.state"),
    "size": ({"width": 0}, "width: Input should be greater than or equal to 1"),
    "two scales": ({"scale": {"px_per_cm": 2, "known": {"waist": 3}}}, "scale: px_per_cm, known"),
    "two lengths": ({"scale": {"known": {"waist": 3, "hem": 4}}}, "scale: known has 2 lengths; expected one"),
    "unknown length": ({"scale": {"known": {"tail": 3}}}, "scale: known tail=3: no measurement"),
    "negative": ({"scale": {"px_per_cm": -3}}, "scale: px_per_cm -3.0"),
    "unknown field": ({"colour": "red"}, "colour: Extra inputs are not permitted"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_corrections_are_refused(pretended: Client, case: str):
    changes, message = BAD[case]
    done = lengths(pretended, **changes)
    assert done.status_code == 400 and message in done.json()["error"]


def test_numbers_that_are_none_are_refused(pretended: Client):
    text = '{"category": "skirt", "keypoints": {"hemline_left": {"x": %s, "y": 1, "state": "visible"}}, "width": 9, '
    for number in ("NaN", "Infinity", "1e999"):
        data = text % number + '"height": 9}'
        done = pretended.post("/v1/lengths", content=data, headers={"Content-Type": "application/json"})
        assert done.status_code == 400 and not math.isnan(len(done.json()["error"]))


@pytest.mark.parametrize("value", [True, "5"])
def test_what_is_no_number_is_refused(pretended: Client, value: Any):
    for changes, name in (
        ({"scale": {"px_per_cm": value}}, "scale.px_per_cm"),
        ({"scale": {"known": {"waist": value}}}, "scale.known.waist"),
        ({"width": value}, "width"),
        ({"keypoints": SKIRT | {"hemline_left": {"x": value, "y": 1, "state": "visible"}}}, "keypoints.hemline_left.x"),
    ):
        done = lengths(pretended, **changes)
        assert done.status_code == 400 and f"{name}: Input should be a valid" in done.json()["error"]


def test_a_long_value_is_told_in_part(pretended: Client):
    done = lengths(pretended, category="x" * 100_000)
    assert done.status_code == 400 and "unknown category" in done.json()["error"] and len(done.content) < 3000


def test_only_json_is_read(pretended: Client):
    done = pretended.post("/v1/lengths", content=b"{}", headers={"Content-Type": "text/plain"})
    assert done.status_code == 415 and done.json() == {"error": "expected the header Content-Type: application/json"}
