"""What the entries of a config say of each other: names, references, and what fits together.

Works on a `chexseg.config.study.Study` whose values are right, each by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from chexseg.config.data import check_data
from chexseg.config.defaults import EXPERT
from chexseg.config.settings import UNTRAINED
from chexseg.errors import Problems, nearest

if TYPE_CHECKING:
    from chexseg.config.study import Study

HUMAN = "radiologists"
"""Among the runs that are compared: the second reader."""

UNNAMED_WEIGHTS = ("none", "imagenet")
WEIGHT_SUFFIXES = (".pt", ".pth", ".tar", ".ckpt")
LONGEST_COMMAND = 120_000
"""Characters; Linux takes 131,072 (MAX_ARG_STRLEN), and there is more than shards in a command."""

Place = Callable[..., str]
"""Steps of a location in the config -> `file:row:column`."""


def check_references(study: Study, place: Place, problems: Problems) -> None:
    def check(name: str, names: tuple[str, ...], what: str, *location: str | int) -> None:
        if name not in names:
            near = f"Did you mean {nearest(name, names)!r}?" if names else f"Define {what} first."
            expected = f"{what}: {', '.join(names) or 'there is none'}"
            problems.add(place(*location), repr(name), expected, near)

    classifiers, saliency = tuple(study.classifiers), tuple(study.saliency)
    masks = (EXPERT, *study.pseudo_masks)
    if study.data.root is None and study.phantom is None:
        where = place("data")
        problems.add(where, "neither data.root nor phantom", "one of them", "Set 'data.root'.")
    if study.data.root is not None and study.phantom is not None:
        where = place("phantom")
        remedy = "Delete 'phantom', or 'data.root' to study the phantom."
        problems.add(where, "both data.root and phantom", "one of them", remedy)
    _check_shards(study, place, problems)
    _check_names(study, place, problems)
    check_data(study, place, problems)
    for name, entry in study.saliency.items():
        for i, classifier in enumerate(entry.classifiers):
            here = ("saliency", name, "classifiers", i)
            check(classifier, classifiers, "a classifier", *here)
    for name, entry in study.pseudo_masks.items():
        check(entry.saliency, saliency, "a saliency entry", "pseudo_masks", name, "saliency")
        if entry.method == "irnet" and entry.labels.background > entry.labels.foreground:
            where = place("pseudo_masks", name, "labels")
            found = (
                f"background {entry.labels.background:g}, foreground {entry.labels.foreground:g}"
            )
            problems.add(where, found, "background at most foreground", "Correct one of them.")
        if entry.method == "irnet":
            here = ("pseudo_masks", name, "backbone")
            _check_weights(study, entry.backbone, entry.backbone_architecture, check, here)
    for name, entry in study.segmenters.items():
        for i, mask in enumerate(entry.masks):
            check(mask, masks, "'expert' or pseudo masks", "segmenters", name, "masks", i)
        if len(entry.masks) == 2 and (entry.masks.count(EXPERT) != 1):
            where = place("segmenters", name, "masks")
            problems.add(where, str(list(entry.masks)), "'expert' and one other", "Correct it.")
        here = ("segmenters", name, "initial_weights")
        _check_weights(study, entry.initial_weights, entry.encoder, check, here)
    for name, entry in study.classifiers.items():
        here = ("classifiers", name, "initial_weights")
        _check_weights(study, entry.initial_weights, entry.architecture, check, here, names=())
        if entry.architecture in UNTRAINED and entry.initial_weights == "imagenet":
            found = f"ImageNet weights for {entry.architecture}"
            remedy = "Set 'initial_weights' to none or a path."
            problems.add(place(*here), found, "an architecture that has them", remedy)


def _check_names(study: Study, place: Place, problems: Problems) -> None:
    """Adds names by which files of one entry would be called like those of another."""

    def refuse(name: str, remedy: str, *location: str) -> None:
        problems.add(place(*location), repr(name), "another name", remedy)

    if ".provenance" in study.study:
        refuse(study.study, "Records are named so: take '.provenance' out.", "study")
    for section in ("classifiers", "saliency", "pseudo_masks", "segmenters"):
        for name in getattr(study, section):
            if ".provenance" in name:
                remedy = "Records are named so: take '.provenance' out."
                refuse(name, remedy, section, name)
    for name in UNNAMED_WEIGHTS:
        if name in study.classifiers:
            refuse(name, "It means initial weights.", "classifiers", name)
    if EXPERT in study.pseudo_masks:
        refuse(EXPERT, "'expert' means the expert masks.", "pseudo_masks", EXPERT)
    if HUMAN in study.segmenters:
        refuse(HUMAN, "It means the human benchmark.", "segmenters", HUMAN)
    for name in study.segmenters:
        other = name.removesuffix("_overlaps")
        if other != name and other in (*study.segmenters, HUMAN):
            remedy = f"The overlaps of {other!r} are written under this name."
            refuse(name, remedy, "segmenters", name)


def _check_shards(study: Study, place: Place, problems: Problems) -> None:
    """The command that draws the figures names every shard, and Linux takes no longer one."""
    stores = ["images", *(f"saliency/{name}" for name in [*study.saliency][:1])]
    stores += [f"pseudo_masks/{name}/masks" for name in study.pseudo_masks]
    paths = [f"results/{study.study}/{store}/0000.h5" for store in stores]
    most = LONGEST_COMMAND // sum(len(word) + 1 for word in [*paths, *study.pseudo_masks])
    if (shards := study.data.index.shards) > most:
        where, expected = place("data", "index", "shards"), f"at most {most}"
        remedy = "Take fewer: commands that name more shards are too long for Linux."
        problems.add(where, f"{shards} shards", expected, remedy)


def _check_weights(study, weights, architecture, check, location, names=None) -> None:
    """`weights` is 'none', 'imagenet', a path (it has a '/' or a suffix) or a fitting classifier."""
    a_path = "/" in weights or Path(weights).suffix in WEIGHT_SUFFIXES
    safe = not re.search(r"^-|[{}\n\r]", weights)
    if weights in UNNAMED_WEIGHTS or (a_path and safe and weights not in study.classifiers):
        return
    fitting = [n for n, c in study.classifiers.items() if c.architecture == architecture]
    fitting = fitting if names is None else list(names)
    what = f"'none', 'imagenet', a path or a {architecture} classifier"
    check(weights, (*UNNAMED_WEIGHTS, *fitting), what, *location)
