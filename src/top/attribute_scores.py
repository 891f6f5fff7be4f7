"""What a classifier's answers score, by the kind of its heads."""

from collections.abc import Sequence

import numpy as np

from aifashion.data_gen.label_table import LabelTable
from aifashion.eval.attribute_inference import Outcome
from aifashion.eval.attribute_metrics import score_attributes
from aifashion.eval.product_metrics import score_classes
from aifashion.eval.style_metrics import sample_f2, tune_thresholds
from aifashion.garments import ATTRIBUTE_TASKS


def known_answers(table: LabelTable, outcomes: Sequence[Outcome], place: int, part: str = "probabilities"):
    """(answers, targets), both (N, C), of the photos labelled for one head. part: `probabilities` or `logits`."""
    rows = np.array([outcome.row for outcome in outcomes], int)
    target, known = table.target(place, rows)
    name = table.heads[place].name
    answers = [getattr(outcome, part)[name] for outcome, here in zip(outcomes, known, strict=True) if here]
    width = len(table.heads[place].classes)
    return (np.stack(answers) if answers else np.zeros((0, width))), target[known]


def score_outcomes(table: LabelTable, outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Numbers by name; `score` is the one that training lowers.

    FashionAI: 1 - map, with `ap_<task>` each. Styles: 1 - f2, thresholds tuned on these very photos. Products: the mean
    class error. Raises ValueError where no photo is labelled.
    """
    if not outcomes:
        raise ValueError("not one validation photo can be read")
    head = table.heads[0]
    if head.kind == "independent":
        probabilities, truth = known_answers(table, outcomes, 0)
        f2 = float(sample_f2(probabilities >= tune_thresholds(probabilities, truth > 0.5), truth > 0.5).mean())
        return {"score": 1 - f2, "f2": f2}
    if head.name not in ATTRIBUTE_TASKS:
        probabilities, truth = known_answers(table, outcomes, 0)
        if not len(truth):
            raise ValueError("not one validation photo is labelled")
        classes = score_classes(probabilities.argmax(axis=1), truth.argmax(axis=1), len(head.classes))
        return {"score": classes.mean_class_error, "error": classes.mean_class_error, "accuracy": classes.accuracy}
    answers = {h.name: known_answers(table, outcomes, place) for place, h in enumerate(table.heads)}
    answers = {name: pair for name, pair in answers.items() if len(pair[0])}
    score = score_attributes(
        {name: pair[0] for name, pair in answers.items()}, {name: pair[1] for name, pair in answers.items()}
    )
    row = {"score": 1 - score.map, "map": score.map, "basic_precision": score.basic_precision}
    row |= {"accuracy": score.accuracy}
    return row | {f"ap_{name}": task.ap for name, task in score.per_task.items()}
