import io
from pathlib import Path

from rich.console import Console

from aifashion.data_gen.check import Report
from aifashion.data_gen.formats.challenges import ATTRIBUTE_TASKS
from aifashion.data_gen.formats.problems import Problem
from aifashion.data_gen.label_summaries import SetSummary, TaskSummary
from aifashion.top.check_report import print_report

DATA = Path("sets")
CSV = DATA / "train" / "train.csv"


def printed(**parts) -> str:
    empty = {name: () for name in ("summaries", "tasks", "problems", "warnings", "duplicates", "leaks")}
    stream = io.StringIO()
    print_report(Report(DATA, **empty | parts), Console(file=stream, width=200))
    return stream.getvalue()


def test_all_that_was_found_is_shown():
    leak = (DATA / "a.png", DATA / "test" / "b.png")
    text = printed(
        summaries=(SetSummary(CSV, "skirt", 1007, 20, 6, 1, 3, 2),),
        problems=(Problem(CSV, 9, "2 cells [expected 26]"),),
        warnings=(Problem(CSV, 3, "outside"), Problem(CSV, None, "strange")),
        duplicates=(leak,),
        leaks=(leak,),
    )
    lines = [" ".join(line.replace("│", " ").split()) for line in text.splitlines()]
    assert "train/train.csv skirt 1,007 20 6 1 3 2" in lines and "Attribute sets" not in text
    assert "Problems (1)" in text and f"{CSV}:9: 2 cells [expected 26]" in text and "Warnings (2)" in text
    assert "In training and test (1)" in text and "a.png = test/b.png" in text
    assert (
        lines[-1] == "not usable as it is: 1 problems, 2 warnings, 1 repeated pictures, 1 of them in training and test"
    )


def test_a_set_without_problems_is_usable():
    tasks = (
        TaskSummary(CSV, "skirt_length", 3, (1, 1, 0, 0, 0, 1), 1),
        TaskSummary(DATA / "question.csv", "skirt_length", 1, (), 0),
    )
    text = printed(tasks=tasks)
    assert "Keypoint sets" not in text and "Attribute sets" in text and "no labels (questions)" in text
    assert f"{ATTRIBUTE_TASKS['skirt_length'][5]} 1" in text
    assert text.rstrip().splitlines()[-1].startswith("usable: 0 problems")
