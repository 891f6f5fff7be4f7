"""`score styles` and `score products`."""

import json
from pathlib import Path

from aifashion.top import score
from aifashion.top.cli import main


def cells(*held: int) -> str:
    return ",".join("1" if place in held else "0" for place in range(13))


def test_styles(tmp_path: Path, capsys):
    truth, predicted, numbers = (tmp_path / name for name in ("train.txt", "out.csv", "score.json"))
    truth.write_text(f"a,http://x/a.jpg,{cells(0, 1)}\nb,http://x/b.jpg,{cells(2)}\n")
    predicted.write_text(f"b,{cells(2)}\na,{cells(0)}\n")
    main(["score", "styles", "--truth", str(truth), "--predicted", str(predicted), "--json", str(numbers)])
    found = json.loads(numbers.read_text())
    assert abs(found["f2"] - (5 / 9 + 1) / 2) < 1e-9 and found["images"] == 2
    out = capsys.readouterr().out
    assert "F2 0.7778" in out and "over 2 images" in out and f"Wrote {numbers}" in out
    # A label that is told and holds, one that was not found, one that is nowhere.
    rows = [line.split("│") for line in out.splitlines() if "│" in line]
    assert [[cell.strip() for cell in row[2:6]] for row in rows[:3]] == [
        ["1.0000", "1.0000", "1", "1"],
        ["n/a", "0.0000", "1", "0"],
        ["1.0000", "1.0000", "1", "1"],
    ]


def test_products(tmp_path: Path, capsys):
    truth, predicted, numbers = (tmp_path / name for name in ("val.txt", "out.txt", "score.json"))
    truth.write_text("a.jpg 0\nb.jpg 0\nc.jpg 3\n")
    predicted.write_text("a.jpg 0\nb.jpg 1\nc.jpg 3\n")
    main(["score", "products", "--truth", str(truth), "--predicted", str(predicted), "--json", str(numbers)])
    found = json.loads(numbers.read_text())
    assert found["mean_class_error"] == 0.25 and found["classes"] == 2 and found["absent"] == 2
    out = capsys.readouterr().out
    assert "mean class error 0.2500  accuracy 0.6667  over 3 images of 2 classes" in out
    assert "2 classes below the largest label have no image" in out


def test_mistakes_are_one_clear_line(tmp_path: Path, fails):
    nowhere = tmp_path / "nowhere.txt"
    assert "nowhere.txt" in fails(score.styles, "--truth", nowhere, "--predicted", nowhere)
    faulty = tmp_path / "val.txt"
    faulty.write_text("a.jpg zero\n")
    error = fails(score.products, "--truth", faulty, "--predicted", faulty, "--json", tmp_path / "score.json")
    assert f"{faulty}:1: label 'zero'; expected a class" in error and not (tmp_path / "score.json").exists()
