import json
import re
import shutil
from pathlib import Path

import pytest

from aifashion.data_gen.formats.challenges import KEYPOINTS
from aifashion.data_gen.formats.fashionai import read_keypoint_csv
from aifashion.top import score

KEYS = {"ne", "per_category", "per_keypoint", "points", "garments", "skipped"}


def answers(data: Path) -> Path:
    (path,) = data.glob("fashionAI_key_points_test_a_answer_*.csv")
    return path


def test_the_truth_scores_nought(data, tmp_path, capsys):
    numbers = tmp_path / "score.json"
    truth = answers(data)
    score.keypoints(["--truth", str(truth), "--predicted", str(truth), "--json", str(numbers)])
    found = json.loads(numbers.read_text())
    assert set(found) >= KEYS
    samples = read_keypoint_csv(truth)
    assert found["ne"] == 0 and found["garments"] + found["skipped"] == len(samples) == 12
    assert set(found["per_category"]) == {sample.category for sample in samples}
    assert set(found["per_keypoint"]) <= set(KEYPOINTS)
    seen = sum(int((sample.keypoints.state == 1).sum()) for sample in samples if sample.keypoints)
    assert 0 < found["points"] <= seen and (found["skipped"] > 0 or found["points"] == seen)
    text = capsys.readouterr().out
    assert text.startswith("NE 0.00% over") and f"Wrote {numbers}" in text


def test_a_known_error(tmp_path):
    """A skirt with a waistband of 100 px and one of its four points 20 px off: 0.2 / 4."""
    header = "image_id,image_category," + ",".join(KEYPOINTS)
    points = {
        "waistband_left": (100, 50),
        "waistband_right": (200, 50),
        "hemline_left": (80, 300),
        "hemline_right": (220, 300),
    }

    def row(**moved: tuple[int, int]) -> str:
        places = points | moved
        return ",".join("{}_{}_1".format(*places[name]) if name in places else "-1_-1_-1" for name in KEYPOINTS)

    for name, cells in (("truth", row()), ("guess", row(hemline_left=(92, 316)))):
        (tmp_path / f"{name}.csv").write_text(f"{header}\nImages/skirt/a.jpg,skirt,{cells}\n")
    files = ["--truth", str(tmp_path / "truth.csv"), "--predicted", str(tmp_path / "guess.csv")]
    score.keypoints([*files, "--json", str(tmp_path / "s.json"), "--picture", str(tmp_path / "s.png")])
    found = json.loads((tmp_path / "s.json").read_text())
    assert found["ne"] == found["per_category"]["skirt"] == pytest.approx(0.05)
    assert found["per_keypoint"]["hemline_left"] == pytest.approx(0.2) and found["points"] == 4
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("missing", ["--truth", "--predicted"])
def test_a_missing_file(fails, data, tmp_path, missing):
    files = {"--truth": answers(data), "--predicted": answers(data)} | {missing: tmp_path / "nowhere.csv"}
    assert "nowhere.csv" in fails(score.keypoints, *[word for item in files.items() for word in item])


def test_predictions_of_other_photos(fails, data, tmp_path):
    guess = Path(shutil.copy(answers(data), tmp_path / "guess.csv"))
    lines = guess.read_text().splitlines(True)
    guess.write_text("".join(lines[:-2]))
    error = fails(score.keypoints, "--truth", answers(data), "--predicted", guess)
    last = len(lines)
    assert error.startswith("2 problems:") and f"{answers(data)}:{last}: " in error
    assert error.count(f"has no prediction in {guess}") == 2
    guess.write_text("".join(lines[:2]).replace("_1,", "_one,", 1))
    assert "guess.csv:2:" in fails(score.keypoints, "--truth", answers(data), "--predicted", guess)


def test_outputs_that_cannot_be_written_are_refused_before_anything_is_read(tmp_path, fails):
    files = ["--truth", tmp_path / "no.csv", "--predicted", tmp_path / "no.csv"]
    error = fails(score.keypoints, *files, "--picture", tmp_path / "a.xyz")
    assert error == f"--picture {tmp_path / 'a.xyz'}: expected a name that ends in .png, .svg, .pdf"
    for command in (score.keypoints, score.attributes, score.styles, score.products):
        error = fails(command, *files, "--json", tmp_path / "none" / "a.json")
        assert f"there is no folder {tmp_path / 'none'}" in error


def test_several_garments_in_a_photo(tmp_path, capsys, fails):
    """Two skirts and a dress in one photo, all spans 100 px; one of the twelve points is 20 px off: 0.2 / 12."""
    dress = ["armpit_left", "armpit_right", "hemline_left", "hemline_right"]
    skirt = ["waistband_left", "waistband_right", "hemline_left", "hemline_right"]
    vocabulary = tmp_path / "two.toml"
    tables = [
        f"[categories.{name}]\nkeypoints = {json.dumps(points)}\nspan = {json.dumps(points[:2])}\n"
        for name, points in (("skirt", skirt), ("dress", dress))
    ]
    vocabulary.write_text('name = "two"\n' + "".join(tables))

    def points(left: float, top: float) -> list[float]:
        return [left, top, 2, left + 100, top, 2, left, top + 200, 2, left + 100, top + 200, 2]

    corners = [(1, 0, 0), (2, 300, 0), (1, 600, 50)]  # category, left, top
    garments = [{"image_id": 1, "category_id": c, "keypoints": points(x, y)} for c, x, y in corners]
    truth, predicted = tmp_path / "truth.json", tmp_path / "predicted.json"
    truth.write_text(
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "a.jpg", "width": 800, "height": 300}],
                "categories": [
                    {"id": 1, "name": "skirt", "keypoints": skirt},
                    {"id": 2, "name": "dress", "keypoints": dress},
                ],
                "annotations": [{"id": i, **garment} for i, garment in enumerate(garments)],
            }
        )
    )
    moved = [dict(garment, score=1.0) for garment in garments]
    moved[2]["keypoints"] = [620, *moved[2]["keypoints"][1:]]
    files = ["--truth", str(truth), "--predicted", str(predicted), "--vocabulary", str(vocabulary)]
    numbers = tmp_path / "score.json"
    # In any order: the two skirts are matched by their boxes.
    predicted.write_text(json.dumps([moved[1], moved[2], moved[0]]))
    score.keypoints([*files, "--json", str(numbers)])
    found = json.loads(numbers.read_text())
    assert found["ne"] == pytest.approx(0.2 / 12) and found["points"] == 12 and found["garments"] == 3
    assert found["per_category"] == {"skirt": pytest.approx(0.2 / 8), "dress": 0}
    assert "by the ids of the annotations 0 times, and by their boxes 1 times" in " ".join(
        capsys.readouterr().out.split()
    )
    # Ids say more than boxes do: here each result is that of the other skirt.
    predicted.write_text(json.dumps([dict(moved[0], id=2), dict(moved[2], id=0), dict(moved[1], id=1)]))
    score.keypoints([*files, "--json", str(numbers)])
    assert json.loads(numbers.read_text())["per_category"]["skirt"] > 4
    capsys.readouterr()
    predicted.write_text(json.dumps(moved[:2]))
    error = fails(score.keypoints, *files)
    assert f"{truth}: annotations, id 2 (skirt of 'a.jpg') has no prediction in {predicted}" in error


def test_predictions_beyond_the_truth_are_counted_and_those_of_another_category_named(data, tmp_path, capsys, fails):
    lines = answers(data).read_text().splitlines(True)
    truth, guess = tmp_path / "truth.csv", tmp_path / "guess.csv"
    truth.write_text("".join(lines[:3]))
    guess.write_text("".join(lines))
    score.keypoints(["--truth", str(truth), "--predicted", str(guess)])
    assert f"{len(lines) - 3} predictions are of no garment of" in " ".join(capsys.readouterr().out.split())
    cells = lines[1].rstrip().split(",")
    other = "skirt" if cells[1] != "skirt" else "dress"
    guess.write_text("".join([lines[0], lines[2], ",".join([cells[0], other, *["-1_-1_-1"] * 24]) + "\n"]))
    error = fails(score.keypoints, "--truth", truth, "--predicted", guess)
    assert error == f"{guess}:3: {cells[0]!r}: predicted as {other}, but {cells[1]} in {truth}:2"


def test_a_truth_without_a_visible_keypoint_or_a_span_scores_nothing(data, tmp_path, fails):
    text = answers(data).read_text()
    truth, numbers = tmp_path / "truth.csv", tmp_path / "score.json"
    numbers.write_text("earlier")
    truth.write_text(re.sub(r"_1(?=[,\n])", "_0", text))
    error = fails(score.keypoints, "--truth", truth, "--predicted", answers(data), "--json", numbers)
    assert error == f"{truth}: nothing can be scored: of 12 garments 12 have no visible keypoint"
    header, names = text.splitlines()[0], text.splitlines()[0].split(",")
    point = {"waistband_left": "50_20_1", "waistband_right": "50_20_0", "hemline_left": "9_9_1"}
    truth.write_text(f"{header}\na.jpg,skirt,{','.join(point.get(name, '-1_-1_-1') for name in names[2:])}\n")
    error = fails(score.keypoints, "--truth", truth, "--predicted", truth, "--json", numbers)
    assert error == f"{truth}: nothing can be scored: of 1 garments 1 have a span with an absent end or of length 0"
    assert numbers.read_text() == "earlier"


def test_answers_that_all_count_nowhere_are_no_score(tmp_path, fails):
    (tmp_path / "truth.csv").write_text("a.jpg,skirt_length_labels,nymnnn\n")
    (tmp_path / "guess.csv").write_text("a.jpg,skirt_length_labels,0;0.1;0.9;0;0;0\n")
    error = fails(score.attributes, "--truth", tmp_path / "truth.csv", "--predicted", tmp_path / "guess.csv")
    assert error.startswith(f"{tmp_path / 'truth.csv'}: nothing can be scored: the classes of all 1 answers of")
