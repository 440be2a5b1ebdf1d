"""Which classes the entries of a config have, and whether they fit together.

Maps, masks and segmenters have the study's pathologies, or others: a segmenter that is trained on
masks of all findings, to start others from it, has more classes than experts have drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chexseg.config.data import check_names
from chexseg.errors import Problems, nearest

if TYPE_CHECKING:
    from chexseg.config.entries import SegmenterEntry
    from chexseg.config.study import Study

Place = Callable[..., str]
"""Steps of a location in the config -> `file:row:column`."""


def classes_of_saliency(study: Study, name: str) -> tuple[str, ...]:
    """Returns the classes of an entry of maps; the study's pathologies if there is no such entry."""
    entry = study.saliency.get(name)
    return study.data.pathologies if entry is None else entry.classes_of(study)


def classes_of_segmenter(study: Study, name: str) -> tuple[str, ...]:
    """Returns the classes of a segmenter: those of the first masks that it learns from.

    The study's pathologies if there is no such segmenter, or no such masks. Entries of the study
    must not need themselves.
    """
    entry = study.segmenters.get(name)
    masks = [study.masks.get(each) for each in entry.masks] if entry else []
    first = next((source for source in masks if source is not None), None)
    return study.data.pathologies if first is None else first.classes_of(study)


def check_classes(study: Study, place: Place, problems: Problems) -> None:
    """Adds a problem for all entries whose classes do not fit together."""
    for name, source in study.masks.items():
        for location, found, expected, remedy in source.find_misfits(study):
            problems.add(place("masks", name, *location), found, expected, remedy)
    for name, entry in study.segmenters.items():
        classes = classes_of_segmenter(study, name)
        _check_masks(study, name, entry, classes, place, problems)
        among = tuple(dict.fromkeys((*study.data.pathologies, *classes)))
        here = ("segmenters", name, "selection")
        check_names(entry.selection, among, "data.pathologies", place, problems, here)
        for mask, left_out in entry.leave_out.items():
            for number, each in enumerate(left_out):
                if each not in classes:
                    where = place("segmenters", name, "leave_out", mask, number)
                    expected = f"one of its classes: {', '.join(classes)}"
                    remedy = f"Did you mean {nearest(each, classes)!r}?"
                    problems.add(where, repr(each), expected, remedy)


def _check_masks(
    study: Study,
    name: str,
    entry: SegmenterEntry,
    classes: tuple[str, ...],
    place: Place,
    problems: Problems,
) -> None:
    """Adds masks of other classes than a segmenter's, and those that lack a class to be scored."""
    known = [mask for mask in dict.fromkeys(entry.masks) if mask in study.masks]
    for mask in known[1:]:
        if study.masks[mask].classes_of(study) != classes:
            expected = f"masks of the classes of {known[0]!r}, in their order"
            remedy = "Name masks of the same classes."
            where = place("segmenters", name, "masks")
            problems.add(where, f"{mask!r} with other classes", expected, remedy)
    if not entry.scored:
        return
    for key, masks in (("masks", known[:1]), ("validation", [entry.validation])):
        for mask in masks:
            source = study.masks.get(mask)
            there = study.data.pathologies if source is None else source.classes_of(study)
            if missing := [each for each in study.data.pathologies if each not in there]:
                remedy = "Name other masks, or set 'scored: false'."
                found = f"{mask!r} without {', '.join(missing)}"
                expected = "masks of all data.pathologies, on which the segmenter is scored"
                problems.add(place("segmenters", name, key), found, expected, remedy)
