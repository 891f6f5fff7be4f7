from io import StringIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from aifashion.data_gen.formats.challenges import ATTRIBUTE_TASKS
from aifashion.data_gen.formats.fashionai_attributes import soft_label
from aifashion.eval.attribute_metrics import AttributeScore, score_attributes
from aifashion.eval.attribute_report import draw_confusions, draw_reliability, print_attribute_score
from aifashion.eval.calibration import Reliability, reliability


def answered(task: str, labels: list[str], answers: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that give each photo its answer, ever less sure, and the soft labels."""
    probabilities = np.eye(len(ATTRIBUTE_TASKS[task]))[answers] * (1 - np.arange(len(answers))[:, None] / 10)
    return probabilities, np.array([soft_label(label) for label in labels])


def two_tasks() -> AttributeScore:
    """neck_design: on y, n, m, so AP (1 + 1/2 + 1/2) / 3 and accuracy 1/3. lapel_design: one answer, on m."""
    neck = answered("neck_design", ["ynnnn", "ynnnn", "ymnnn"], [0, 2, 1])
    lapel = answered("lapel_design", ["ymnnn"], [1])
    return score_attributes(
        {"neck_design": neck[0], "lapel_design": lapel[0]}, {"neck_design": neck[1], "lapel_design": lapel[1]}
    )


def all_tasks(count: int = 8) -> AttributeScore:
    rng = np.random.default_rng(0)
    truth = {task: np.eye(len(names))[rng.integers(len(names), size=40)] for task, names in ATTRIBUTE_TASKS.items()}
    chosen = dict(list(truth.items())[:count])
    return score_attributes({task: rng.random(target.shape) for task, target in chosen.items()}, chosen)


def printed(score: AttributeScore) -> list[str]:
    console = Console(file=StringIO(), width=120, color_system=None)
    print_attribute_score(score, console)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def states() -> tuple[Reliability, Reliability]:
    rng = np.random.default_rng(1)
    confidence = rng.beta(5, 1, 500)
    correct = rng.random(500) < confidence**2
    return reliability(confidence, correct), reliability(confidence**2, correct)


def test_overall_line_comes_first_then_what_was_left_out_then_the_tasks():
    lines = printed(two_tasks())
    assert lines[0].startswith("mAP 0.6667  BasicPrecision 0.5000  accuracy 0.1667  over 4 images of 2 tasks")
    assert lines[1].startswith("2 of 4 answers count nowhere")
    assert lines[2].startswith("left out of the mean: lapel_design")
    neck, lapel = (next(line for line in lines[3:] if task in line) for task in ("neck_design", "lapel_design"))
    assert [cell.strip() for cell in neck.split("│")[1:-1]] == ["neck_design", "0.6667", "0.5000", "0.3333", "3", "1"]
    assert [cell.strip() for cell in lapel.split("│")[1:-1]] == ["lapel_design", "n/a", "n/a", "0.0000", "1", "1"]


def test_only_what_happened_is_told():
    lines = printed(all_tasks(1))
    assert "over 40 images of 1 task " in lines[0] and not any(
        "nowhere" in line or "left out" in line for line in lines
    )


def test_sums_off_one_are_told():
    score = AttributeScore(0.5, 0.5, 0.5, two_tasks().per_task, unnormalised=1234)
    assert any(line.startswith("1,234 rows have probabilities whose sum is off one") for line in printed(score))


@pytest.mark.parametrize("count", [1, 5])
def test_confusions_are_one_picture_written_whole(tmp_path: Path, count: int):
    draw_confusions(all_tasks(count), tmp_path / "confusions.png")
    picture = cv2.imread(str(tmp_path / "confusions.png"))
    assert picture is not None and min(picture.shape[:2]) > 600
    assert [p.name for p in tmp_path.iterdir()] == ["confusions.png"]


def test_confusions_name_every_class_and_show_classes_without_photos(tmp_path: Path):
    draw_confusions(two_tasks(), tmp_path / "confusions.svg")
    text = (tmp_path / "confusions.svg").read_text()
    for task in ("neck_design", "lapel_design"):
        assert f"<!-- {task.replace('_', ' ')}: AP " in text
        for name in ATTRIBUTE_TASKS[task][1:]:
            assert text.count(f"<!-- {name} -->") == 1 and f"<!-- {name} (0) -->" in text
    assert "<!-- Invisible (3) -->" in text and "<!-- Invisible (1) -->" in text
    assert text.count("<!-- 33 -->") == 3 and text.count("<!-- 100 -->") == 1


def test_reliability_of_every_head_is_one_picture(tmp_path: Path):
    draw_reliability({f"head_{i}": states() for i in range(5)}, tmp_path / "reliability.svg")
    text = (tmp_path / "reliability.svg").read_text()
    before, after = states()
    assert all(f"<!-- head {i} -->" in text for i in range(5))
    assert text.count(f"<!-- before: ECE {before.ece:.4f} -->") == 5
    assert text.count(f"<!-- after: ECE {after.ece:.4f} -->") == 5


def test_reliability_of_one_head(tmp_path: Path):
    draw_reliability({"one": states()}, tmp_path / "reliability.png")
    assert cv2.imread(str(tmp_path / "reliability.png")) is not None


def test_a_head_without_answers_has_an_empty_panel(tmp_path: Path):
    nothing = reliability(np.array([]), np.array([]))
    draw_reliability({"empty": (nothing, nothing)}, tmp_path / "reliability.svg")
    assert "<!-- before: ECE n/a -->" in (tmp_path / "reliability.svg").read_text()


def test_what_cannot_be_drawn_leaves_no_file(tmp_path: Path):
    with pytest.raises(ValueError, match="no head"):
        draw_reliability({}, tmp_path / "reliability.png")
    with pytest.raises(ValueError, match="xyz"):
        draw_confusions(two_tasks(), tmp_path / "confusions.xyz")
    assert not list(tmp_path.iterdir())
