"""What the entries of a config say of each other: names, references, and what fits together.

Works on a `chexseg.config.study.Study` whose values are right, each by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

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


MOST_RUNS = 6
"""Where no contrasts are named, every two runs are compared, if there are no more than these."""


def runs_of(study: Study) -> tuple[str, ...]:
    """Returns what is scored: the segmenters, and the human benchmark if there is one."""
    return (*study.segmenters, *[HUMAN] * bool(study.data.radiologist_masks))


def contrasts_of(study: Study) -> dict[str, tuple[str, str]]:
    """Returns which runs are compared: name -> run, and the run that it is compared against.

    Those that the study names. If it names none: each run against every one before it, called
    `full_vs_weak`; and none if there are more than MOST_RUNS runs.
    """
    if study.contrasts:
        return {name: (entry.run, entry.against) for name, entry in study.contrasts.items()}
    runs = runs_of(study)
    pairs = combinations(runs, 2) if len(runs) <= MOST_RUNS else ()
    return {f"{run}_vs_{against}": (run, against) for against, run in pairs}


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
    twice = [p for p in study.data.pathologies if study.data.pathologies.count(p) > 1]
    for pathology in dict.fromkeys(twice):
        where = place("data", "pathologies")
        problems.add(where, f"{pathology!r} twice", "each once", "Delete one of the two.")
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
        outside = [p for p in entry.selection if p not in study.data.pathologies]
        if entry.selection and len(outside) == len(entry.selection):
            where = place("segmenters", name, "selection")
            expected = "at least one of data.pathologies"
            problems.add(where, str(outside), expected, "Set 'selection'.")
        here = ("segmenters", name, "initial_weights")
        _check_weights(study, entry.initial_weights, entry.encoder, check, here)
    for name, contrast in study.contrasts.items():
        for side in ("run", "against"):
            check(getattr(contrast, side), runs_of(study), "a run", "contrasts", name, side)
        if contrast.run == contrast.against:
            where = place("contrasts", name, "against")
            problems.add(where, f"{contrast.run!r} against itself", "another run", "Correct it.")
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


def _check_shards(study: Study, place: Place, problems: Problems) -> None:
    """The command that draws the gallery names every shard, and Linux takes no longer one."""
    stores = ["images", *(f"saliency/{name}" for name in study.saliency)]
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
