from pathlib import Path

import numpy as np
import pytest

from aifashion.config import AttributeConfig
from aifashion.data_gen.formats.challenges import ATTRIBUTE_TASKS, STYLES
from aifashion.data_gen.formats.fashionai_attributes import attribute_heads, soft_label
from aifashion.data_gen.formats.jingdong import style_table
from aifashion.data_gen.label_table import LabelTable, PhotoFiles
from aifashion.eval.attribute_inference import Outcome
from aifashion.records import HeadSpec
from aifashion.tasks.attribute_scores import known_answers, reliabilities
from aifashion.tasks.attributes import AttributeTask
from aifashion.tasks.label_kinds import label_kind

NECK, PANT = list(ATTRIBUTE_TASKS).index("neck_design"), list(ATTRIBUTE_TASKS).index("pant_length")


def score_outcomes(table: LabelTable, outcomes: list[Outcome]) -> dict[str, float]:
    return label_kind(table.heads[0].name).numbers(table, outcomes)


def photos(count: int) -> PhotoFiles:
    return PhotoFiles(Path("there"), [f"{i}.jpg" for i in range(count)])


def attributes(*rows: tuple[str, str]) -> LabelTable:
    """A table of all eight tasks, a photo for each (task, marks)."""
    heads = attribute_heads(ordinal=True)
    codes = np.full((len(rows), len(heads)), -1, np.int32)
    targets: list = [None] * len(heads)
    for index, head in enumerate(heads):
        mine = [row for row, (task, _) in enumerate(rows) if task == head.name]
        codes[mine, index] = np.arange(len(mine))
        if mine:
            targets[index] = np.stack([soft_label(rows[row][1]) for row in mine])
    return LabelTable(photos(len(rows)), heads, codes, tuple(targets))


def answered(table: LabelTable, answers: dict[int, list[float]], seed: int = 0) -> list[Outcome]:
    """An outcome for each row, with these probabilities for the head that it is labelled for, noise for the others."""
    rng = np.random.default_rng(seed)
    outcomes = []
    for row, answer in answers.items():
        found = {head.name: rng.dirichlet(np.ones(len(head.classes))) for head in table.heads}
        for index, head in enumerate(table.heads):
            if table.codes[row, index] >= 0:
                found[head.name] = np.pad(np.array(answer), (0, len(head.classes) - len(answer)))
        outcomes.append(Outcome(row, found, {name: np.log(values + 1e-9) for name, values in found.items()}))
    return outcomes


FOUR = attributes(
    ("neck_design", "ynnnn"), ("pant_length", "nynnnn"), ("neck_design", "nymnn"), ("neck_design", "nnynn")
)


def test_answers_are_those_of_the_photos_labelled_for_the_head():
    # The third photo could not be read, and outcomes need not be in order.
    outcomes = answered(FOUR, {3: [0.1, 0.2, 0.7], 0: [0.6, 0.4], 1: [0.2, 0.8]})
    answers, targets = known_answers(FOUR, outcomes, NECK)
    np.testing.assert_allclose(answers, [[0.1, 0.2, 0.7, 0, 0], [0.6, 0.4, 0, 0, 0]])
    np.testing.assert_allclose(targets, [soft_label("nnynn"), soft_label("ynnnn")])
    logits, _ = known_answers(FOUR, outcomes, PANT, "logits")
    np.testing.assert_allclose(logits, np.log(np.array([[0.2, 0.8, 0, 0, 0, 0]]) + 1e-9))
    nothing, none = known_answers(FOUR, outcomes, 0)
    assert nothing.shape == none.shape == (0, len(ATTRIBUTE_TASKS["coat_length"]))
    assert known_answers(FOUR, [], NECK)[0].shape == (0, 5)


def test_attributes_score_by_hand():
    # neck_design: 0.9 on n, 0.7 on y, 0.6 on m: precision 0 and 1/2 and 1/2, AP 1/3; one of three right; of the two
    # that count one. pant_length: right.
    outcomes = answered(FOUR, {0: [0.7, 0.3], 1: [0.2, 0.8], 2: [0.2, 0.2, 0.6], 3: [0.9, 0.1]})
    row = score_outcomes(FOUR, outcomes)
    assert row == pytest.approx(
        {
            "score": 1 - (1 / 3 + 1) / 2,
            "map": (1 / 3 + 1) / 2,
            "basic_precision": (1 / 2 + 1) / 2,
            "accuracy": (1 / 3 + 1) / 2,
            "ap_neck_design": 1 / 3,
            "ap_pant_length": 1.0,
        }
    )
    assert all(type(value) is float for value in row.values())  # it goes into JSON


def test_a_task_whose_photos_could_not_be_read_is_left_out():
    row = score_outcomes(FOUR, answered(FOUR, {1: [0.2, 0.8]}))
    assert row["score"] == 0 and "ap_neck_design" not in row


def test_styles_score_by_hand():
    labels = np.zeros((4, len(STYLES)), int)
    labels[[0, 1, 2], [2, 2, 8]] = 1
    labels[3, [2, 8]] = 1
    table = style_table(photos(4), labels)
    # 0.3 divides those of style 2 that hold from the one that does not, 0.2 those of style 8: every photo is right.
    found = np.full((4, len(STYLES)), 0.05)
    found[:, 2], found[:, 8] = [0.4, 0.9, 0.2, 0.35], [0.1, 0.15, 0.25, 0.9]
    outcomes = [Outcome(row, {"style": values}, {}) for row, values in enumerate(found)]
    assert score_outcomes(table, outcomes) == pytest.approx({"score": 0, "f2": 1})
    # Whatever the photo, the same answer: best is to say style 2 alone or both of all. Both: 2 of 2 predicted where one
    # of two holds, F2 5/(4 + 2) for three photos and 1 for the last.
    same = [Outcome(row, {"style": found[0]}, {}) for row in range(4)]
    assert score_outcomes(table, same)["f2"] == pytest.approx((3 * 5 / 6 + 1) / 4)


def test_products_score_by_hand():
    # Class 0: one of three wrong; class 1: wrong; class 2 has no photo. (1/3 + 1) / 2.
    head = HeadSpec("product", "exclusive", ("0", "1", "2"))
    table = LabelTable(photos(4), (head,), np.array([[0], [0], [0], [1]], np.int32), (None,))
    found = np.eye(3)[[0, 0, 2, 0]]
    outcomes = [Outcome(row, {"product": values}, {}) for row, values in enumerate(found)]
    assert score_outcomes(table, outcomes) == pytest.approx({"score": 2 / 3, "error": 2 / 3, "accuracy": 0.5})


def test_each_challenge_ranks_by_its_own_score():
    truth = np.eye(5)[[0, 1, 2, 2]]
    neck, style, product = (label_kind(task) for task in ("neck_design", "style", "product"))
    assert (neck.measure, neck.official(truth * 0.6 + 0.08, truth)) == ("AP", 1.0)
    holds = np.eye(13)[[0, 1]] + np.eye(13)[[5, 5]]
    assert (style.measure, style.official(0.2 + 0.6 * holds, holds)) == ("F2", 1.0)
    right, found = np.eye(3)[[0, 0, 1, 1]], np.eye(3)[[0, 1, 1, 1]]  # half of a, all of b, no c
    assert (product.measure, product.official(found, right)) == ("1 - mean class error", 0.75)


def test_nothing_to_score():
    head = HeadSpec("product", "exclusive", ("0", "1", "2"))
    products = LabelTable(photos(1), (head,), np.array([[-1]], np.int32), (None,))
    missing: list[str] = []
    for table in (FOUR, style_table(photos(1), np.zeros((1, 13), int)), products):
        task = AttributeTask(AttributeConfig(size=32), table.heads)
        with pytest.raises(ValueError, match="not one validation photo can be read"):
            task.answers(lambda images: {}, table, missing.append)  # the photos are not there
    assert missing == ["0.jpg", "1.jpg", "2.jpg", "3.jpg", "0.jpg", "0.jpg"]
    unlabelled = attributes(("neck_design", "ynnnn"))
    unlabelled.codes[:] = -1
    for table, message in (
        (unlabelled, "there is nothing to score"),
        (style_table(photos(1), None), "needs photos"),
        (products, "not one validation photo is labelled"),
    ):
        outcome = Outcome(0, {h.name: np.ones(len(h.classes)) / 2 for h in table.heads}, {})
        with pytest.raises(ValueError, match=message):
            score_outcomes(table, [outcome])


def test_reliability_before_and_after_the_temperature():
    # Two answers of logit 2 against zeros, of which one is right: too sure before, less so at a higher temperature.
    table = attributes(("neck_design", "ynnnn"), ("neck_design", "nynnn"))
    logits = {head.name: np.zeros(len(head.classes) - (head.kind == "ordinal")) for head in table.heads}
    logits["neck_design"] = np.array([2.0, 0, 0, 0, 0])
    outcomes = [Outcome(row, {}, logits) for row in range(2)]
    found = reliabilities(table, outcomes, {"neck_design": 2.0})
    assert set(found) == {"neck_design"}
    before, after = found["neck_design"]
    sure = [np.exp(2 / t) / (np.exp(2 / t) + 4) for t in (1, 2)]
    assert before.ece == pytest.approx(abs(sure[0] - 0.5)) and after.ece == pytest.approx(abs(sure[1] - 0.5))


def test_every_independent_label_is_one_answer():
    labels = np.zeros((1, 13), int)
    labels[0, :3] = 1
    table = style_table(photos(1), labels)
    outcomes = [Outcome(0, {}, {"style": np.full(13, 1.0)})]
    before, after = reliabilities(table, outcomes, {"style": np.full(13, 1e9)})["style"]
    assert before.counts.sum() == 13 and before.ece == pytest.approx(1 / (1 + np.exp(-1)) - 3 / 13)
    assert after.ece == pytest.approx(0.5 - 3 / 13, abs=1e-6)
