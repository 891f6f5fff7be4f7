import json

from golden_answers import FOLDER, golden_answers


def test_what_it_writes_is_what_the_test_of_the_shipped_networks_reads():
    expected = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))
    found = json.loads(json.dumps(golden_answers(FOLDER)))
    assert list(found) == list(expected) and found["sha256"] == expected["sha256"]
    for name, photo in expected["photos"].items():
        assert list(found["photos"][name]) == list(photo)
        assert found["photos"][name]["category"] == photo["category"]
        assert len(found["photos"][name]["xy"]) == len(photo["xy"]) == 24
    assert list(found["scenes"]) == list(expected["scenes"])
    for name, garments in expected["scenes"].items():
        assert [list(garment) for garment in found["scenes"][name]] == [list(garment) for garment in garments]
        assert [garment["category"] for garment in found["scenes"][name]] == [each["category"] for each in garments]
