import json
from pathlib import Path

import cv2
import pytest

from aifashion.top.cli import COMMANDS, main

TRUTH = "a.jpg,neck_design_labels,ynnnn\nb.jpg,neck_design_labels,nymnn\na.jpg,lapel_design_labels,nnnny\n"
PREDICTED = """\
a.jpg,lapel_design_labels,0;0;0;0;1
a.jpg,neck_design_labels,.6;.1;.1;.1;.1
b.jpg,neck_design_labels,.7;.3;0;0;0
"""


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    (tmp_path / "truth.csv").write_text(TRUTH)
    (tmp_path / "out.csv").write_text(PREDICTED)
    return ["--truth", str(tmp_path / "truth.csv"), "--predicted", str(tmp_path / "out.csv")]


def test_prints_and_writes_the_score(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    numbers, picture = tmp_path / "score.json", tmp_path / "score.png"
    main(["score", "attributes", *files, "--json", str(numbers), "--picture", str(picture)])
    # neck_design: .7 on n, .6 on y: AP (0 + 1/2) / 2. lapel_design: AP 1.
    score = json.loads(numbers.read_text())
    assert score["map"] == 0.625 and score["per_task"]["neck_design"]["ap"] == 0.25
    assert cv2.imread(str(picture)) is not None
    out = capsys.readouterr().out
    assert "mAP 0.6250" in out and f"Wrote {numbers}" in out and f"Wrote {picture}" in out


def test_writes_nothing_that_was_not_asked_for(files: list[str], tmp_path: Path) -> None:
    main(["score", "attributes", *files])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.csv", "truth.csv"]


def test_a_mistake_in_a_file_is_one_clear_line(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out.csv").write_text(PREDICTED.replace(".7;.3;0;0;0", ".7;.3;0;0"))
    with pytest.raises(SystemExit) as caught:
        main(["score", "attributes", *files])
    assert caught.value.code == 1
    error = capsys.readouterr().err
    assert f"error: {tmp_path / 'out.csv'}:3: 4 probabilities; neck_design_labels has 5 classes" in error
    assert "Traceback" not in error


def test_a_missing_file_is_one_clear_line(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["score", "attributes", *files[:3], "nowhere.csv"])
    assert caught.value.code == 1 and "nowhere.csv" in capsys.readouterr().err


def test_the_command_is_listed() -> None:
    assert "score attributes" in COMMANDS
