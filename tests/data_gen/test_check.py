import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from aifashion.data_gen.check import check_dataset, print_report
from aifashion.data_gen.formats.fashionai import write_keypoint_csv, write_test_csv
from aifashion.garments import ALL, KEYPOINTS
from aifashion.records import Keypoints, Sample


def skirt(root: Path, name: str, folder: str = "skirt", **points: tuple[float, float, int]) -> Sample:
    """A skirt in a photo of noise, 48 x 64, with `points` moved."""
    places = {"waistband_left": (10, 10, 1), "waistband_right": (30, 10, 1)}
    places |= {"hemline_left": (5, 50, 0), "hemline_right": (40, 50, 1)} | points
    xy, state = np.full((24, 2), -1.0), np.full(24, -1)
    for k, place in enumerate(places.get(keypoint) for keypoint in KEYPOINTS):
        if place:
            xy[k], state[k] = place[:2], place[2]
    image_id = f"Images/{folder}/{name}.png"
    path = root / image_id
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(sum(name.encode())).integers(0, 256, (64, 48, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return Sample(image_id, path, "skirt", Keypoints(xy, state))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tmp_path / "train"
    samples = [
        skirt(root, "good"),
        skirt(root, "outside", hemline_right=(48, 50, 1)),
        skirt(root, "swapped", waistband_left=(30, 10, 1), waistband_right=(10, 10, 1), hemline_left=(45, 50, 1)),
        skirt(root, "no_span", waistband_left=(-1, -1, -1)),
        skirt(root, "elsewhere", folder="dress"),
        skirt(root, "cut"),
        skirt(root, "missing"),
    ]
    (root / "Annotations").mkdir()
    csv = root / "Annotations" / "train.csv"
    write_keypoint_csv(csv, samples)
    csv.write_text(csv.read_text() + "Images/skirt/bad.png,skirt\n")
    samples[5].path.write_bytes(samples[5].path.read_bytes()[:2000])
    samples[6].path.unlink()
    test = tmp_path / "test"
    tests = [skirt(test, "good"), skirt(test, "new")]
    write_test_csv(test / "test.csv", tests)
    write_keypoint_csv(tmp_path / "fashionAI_key_points_test_a_answer_2018.csv", tests)
    return tmp_path


def test_every_problem_is_found_with_its_line(data: Path) -> None:
    report = check_dataset(data)
    csv = data / "train" / "Annotations" / "train.csv"
    assert not report.ok
    problems = {p.line or 0: p.message for p in report.problems}
    assert {p.path for p in report.problems} == {csv} and sorted(problems) == [7, 8, 9]
    assert "truncated" in problems[7] and "No such file" in problems[8] and "2 cells; expected 26" in problems[9]
    warnings = {p.line or 0: p.message for p in report.warnings}
    assert sorted(warnings) == [3, 4, 6]
    assert "outside the photo of 48 x 64 pixels: hemline_right (48, 50)" in warnings[3]
    assert "left and right look exchanged" in warnings[4]
    assert "called a skirt, but lies in the folder dress" in warnings[6]


def test_copies_and_leaks(data: Path) -> None:
    train = data / "train" / "Images" / "skirt"
    (train / "missing.png").write_bytes((train / "outside.png").read_bytes())
    report = check_dataset(data, workers=1)
    leak = (train / "good.png", data / "test" / "Images" / "skirt" / "good.png")
    assert report.leaks == (leak,)
    assert set(report.duplicates) == {leak, (train / "outside.png", train / "missing.png")}


def test_the_summary_counts(data: Path) -> None:
    by_set = {s.file.name: s for s in check_dataset(data).summaries}
    train = by_set["train.csv"]
    assert (train.category, train.images, train.no_span) == ("skirt", 7, 1)
    assert (train.visible, train.hidden, train.absent) == (7 * 3 + 1 - 1, 6, 1)
    assert by_set["test.csv"].images == 2 and by_set["test.csv"].visible == 0
    assert by_set["fashionAI_key_points_test_a_answer_2018.csv"].visible == 6
    assert ALL.mask("skirt").sum() == 4


def test_a_sound_set_is_ok_and_the_report_prints(tmp_path: Path, data: Path) -> None:
    stream = io.StringIO()
    report = check_dataset(data / "test")
    assert report.ok and not report.warnings and not report.duplicates
    print_report(check_dataset(data), Console(file=stream, width=100))
    text = stream.getvalue()
    for part in ("train.csv", "Problems (3)", "train.csv:9: 2 cells", "Warnings (3)", "In training and test (1)"):
        assert part in text
    assert text.rstrip().endswith(
        "not usable as it is: 3 problems, 3 warnings, 1 repeated pictures, 1 of them in training and test"
    )


def test_a_broken_csv_does_not_stop_the_others(data: Path) -> None:
    (data / "test" / "test.csv").write_bytes(b"\xff\xfe\0")
    report = check_dataset(data)
    assert any("not UTF-8" in p.message for p in report.problems) and len(report.problems) == 4


def test_no_data(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected, for example"):
        check_dataset(tmp_path)
