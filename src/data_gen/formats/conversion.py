"""From the labels of one format to what another one can hold."""

from ...vocabulary import Vocabulary
from .label_names import named
from .label_samples import fitting, joined_photos, labelled, largest_garments
from .labels import LabelFormat, LabelSet
from .name_maps import NO_NAMES, Names


def convertible(labels: LabelSet, target: LabelFormat, vocabulary: Vocabulary, names: Names = NO_NAMES) -> LabelSet:
    """What of the labels `target` can write, in the names of the vocabulary; all else is in `problems` and `left_out`.

    Raises FormatError for unknown names, as `label_names.named`.
    """
    found = joined_photos(labelled(fitting(named(labels, vocabulary, names), target.needs_size)))
    return largest_garments(found) if target.one_garment else found


def garment_count(labels: LabelSet) -> int:
    return sum(len(photo.garments) for photo in labels.photos)
