"""Checks that segmenters can start from the segmenters whose weights they name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chexseg.config.entries import SegmenterEntry
from chexseg.config.settings import WORDS
from chexseg.errors import Problems

if TYPE_CHECKING:
    from chexseg.config.study import Study

FORM = ("architecture", "encoder", "decoder_channels")
"""Settings in which two segmenters must be equal if one takes encoder and decoder of the other."""


def unused_of_start(study: Study, entry: SegmenterEntry) -> tuple[str, ...]:
    """Returns the settings of a start that the training of a segmenter does not need.

    The workflow finds the file of `initial_epoch`. A classifier has an encoder alone.
    """
    from_classifier = entry.initial_weights in study.classifiers
    return ("initial_epoch", *(["parts"] if from_classifier else []))


def check_start(
    study: Study,
    name: str,
    entry: SegmenterEntry,
    place: Callable[..., str],
    problems: Problems,
) -> None:
    """Adds a problem if a segmenter cannot start from what it names.

    Args:
        study: the study.
        name: of the segmenter.
        entry: the segmenter.
        place: steps of a location in the config -> `file:row:column`.
        problems: gets the problems.
    """
    weights, epoch = entry.initial_weights, entry.initial_epoch
    if weights in WORDS:
        return
    where = place("segmenters", name, "initial_weights")
    if weights not in study.segmenters:
        if epoch is not None and weights not in study.classifiers:
            found, expected = f"epoch {epoch} of the file {weights}", "a segmenter of the study"
            remedy = "Delete it: a file holds the weights of one epoch."
            problems.add(place("segmenters", name, "initial_epoch"), found, expected, remedy)
        return
    if weights in study.classifiers:
        found = f"{weights!r}, a classifier and a segmenter"
        problems.add(where, found, "the name of one entry", "Rename one of them.")
        return
    source = study.segmenters[weights]
    form = ("encoder",) if entry.parts == "encoder" else FORM
    if other := [key for key in form if getattr(source, key) != getattr(entry, key)]:
        theirs, ours = (
            ", ".join(f"{key} {getattr(each, key)}" for key in other) for each in (source, entry)
        )
        remedy = "Make the settings equal."
        if "encoder" not in other:
            remedy = "Make the settings equal, or take the encoder alone with `parts: encoder`."
        problems.add(where, f"{weights!r} of {theirs}", f"a segmenter of {ours}", remedy)
    if epoch is not None and epoch not in source.keep_epochs:
        kept = ", ".join(map(str, source.keep_epochs)) or "there is none"
        found, expected = f"epoch {epoch} of {weights!r}", f"an epoch that it keeps: {kept}"
        remedy = f"Add it to `keep_epochs` of {weights!r}."
        problems.add(place("segmenters", name, "initial_epoch"), found, expected, remedy)
