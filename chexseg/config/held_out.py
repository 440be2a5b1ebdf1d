"""Checks of segmenters that learn from boxes, and of findings that a training must never see.

Names in the study are valid here, and no entry needs itself: see `chexseg.config.links`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chexseg.config.classes import Place, classes_of_segmenter
from chexseg.config.data import check_names
from chexseg.config.links import Node, needs_of
from chexseg.config.methods import inputs_of
from chexseg.errors import Problems

if TYPE_CHECKING:
    from chexseg.config.study import Study


def check_held_out(study: Study, place: Place, problems: Problems) -> None:
    """Adds held-out findings that the study lacks, or that an earlier training has seen.

    A segmenter that starts from a classifier, or learns from masks that a network made, has seen what
    these have seen.
    """
    for section in ("classifiers", "segmenters"):
        for name, entry in getattr(study, section).items():
            here = (section, name, "held_out")
            check_names(entry.held_out, study.data.findings, "data.findings", place, problems, here)
            for other in _behind(study, (section, name)) if entry.held_out else ():
                if seen := _seen(study, other, entry.held_out):
                    found = f"{'.'.join(other)}, which has seen {', '.join(seen)}"
                    expected = "nothing behind this training that has seen what it holds out"
                    remedy = "Set its 'held_out', too, or start and learn from something else."
                    problems.add(place(*here), found, expected, remedy)


def check_boxes(study: Study, place: Place, problems: Problems) -> None:
    """Adds segmenters whose loss or contrast takes boxes, but whose masks have none."""
    for name, entry in study.segmenters.items():
        takers = ["contrast"] * (entry.contrast > 0)
        takers += ["loss"] * ("boxes" in inputs_of("loss", entry.loss))
        for key in takers:
            where, remedy = place("segmenters", name, key), "Name masks by 'source: boxes'."
            for mask in entry.masks:
                if not study.masks[mask].boxes:
                    problems.add(where, f"masks {mask!r} without boxes", "masks with boxes", remedy)
            if len(classes := classes_of_segmenter(study, name)) > 1:
                remedy = "Set data.pathologies to one class, such as Abnormality."
                problems.add(where, f"{len(classes)} classes", "one class for boxes", remedy)


def _behind(study: Study, node: Node) -> list[Node]:
    """Returns all entries that an entry depends on, directly or not."""
    found: list[Node] = []
    queue = needs_of(study, getattr(study, node[0])[node[1]])
    while queue:
        section, name = each = queue.pop(0)
        if each not in found:
            found.append(each)
            queue += needs_of(study, getattr(study, section)[name])
    return found


def _seen(study: Study, node: Node, held_out: tuple[str, ...]) -> list[str]:
    """Returns which of some findings the training of an entry has seen; none if it has no training."""
    section, name = node
    entry = getattr(study, section)[name]
    if section in ("classifiers", "segmenters"):
        return [finding for finding in held_out if finding not in entry.held_out]
    trains = section == "masks" and entry.before_masks() is not None
    return [*held_out] if trains else []
