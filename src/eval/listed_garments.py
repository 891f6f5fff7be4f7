"""Which of a photo's boxes belongs to which of the garments that a list names: each box to one garment at most."""

from collections.abc import Sequence

import numpy as np

from ..boxes import MARGIN, Detections, overlaps, squared
from ..records import Box, Sample


class ListedGarments:
    """The garments of a list; those of one photo and one category share the boxes of that category.

    A garment that is alone has the likeliest box. Several are matched with boxes so that the squares about them and
    about the list's own boxes overlap as much as possible in all; a garment that no box overlaps has none. Where the
    list does not say where its garments are, they have the likeliest boxes in their order.
    """

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._groups: dict[tuple[str, str | None], list[Sample]] = {}
        for sample in samples:
            self._groups.setdefault((sample.image_id, sample.category), []).append(sample)

    def own(self, sample: Sample, found: Detections) -> Detections:
        """Of the boxes of its photo and category, the likeliest first, that of the garment, or none. sample: of the
        list itself, not a copy."""
        group = self._groups.get((sample.image_id, sample.category), [])
        number = next((i for i, other in enumerate(group) if other is sample), 0)
        if len(group) < 2:
            return found.select(np.arange(min(1, len(found))))
        squares = [_edges(other.square) for other in group if other.square is not None]
        if len(squares) < len(group) or not len(found):
            return found.select(np.arange(len(found)) == number)
        from scipy.optimize import linear_sum_assignment  # slow to load, and few lists need it

        common = overlaps(np.array(squares), np.array([_edges(squared(box, MARGIN)) for box in found.boxes]))
        rows, columns = linear_sum_assignment(common, maximize=True)
        matched = (rows == number) & (common[rows, columns] > 0)
        return found.select(columns[matched])


def _edges(square: Box) -> tuple[float, ...]:
    return float(square.left), float(square.top), float(square.right), float(square.bottom)
