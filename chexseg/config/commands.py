"""Checks that the workflow's commands are not too long for Linux.

A command that names every shard of many stores, or every run, may be. The longest of all is found
before anything runs.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from chexseg import catalog
from chexseg.config.contrasts import contrasts_of
from chexseg.config.defaults import EXPERT
from chexseg.config.links import (
    Place,
    runs_of,
    runs_with_histograms,
    scored_maps,
    scored_segmenters,
)
from chexseg.config.paths import Paths
from chexseg.config.runs import table_of_runs
from chexseg.config.seeds import groups_of_seeds
from chexseg.config.shown import drawn_masks, voted_masks
from chexseg.errors import Problems

if TYPE_CHECKING:
    from chexseg.config.study import Study

LONGEST = 120_000
"""Characters; Linux takes 131,072 (MAX_ARG_STRLEN), and other words are in each command, too."""


def check_commands(study: Study, place: Place, problems: Problems) -> None:
    """Adds a problem if the longest command that names shards or runs is too long for Linux."""
    commands = {name: (shards, runs) for name, shards, runs in _commands(study)}
    longest = max(commands, key=lambda name: sum(commands[name]))
    shards, runs = commands[longest]
    if (characters := shards + runs) <= LONGEST:
        return
    expected = (
        f"commands of at most {LONGEST:,} characters; chexseg {longest} has {characters:,}, "
        f"{shards:,} of them for shards and {runs:,} for runs"
    )
    if shards > runs:
        remedy = "Take fewer: commands that name more shards are too long for Linux."
        where, found = place("data", "index", "shards"), f"{study.data.index.shards} shards"
    else:
        remedy = "Divide them among several studies: a command that names them is too long."
        where = place("sweeps" if study.sweeps else "segmenters")
        found = f"{len(runs_of(study))} runs"
    problems.add(where, found, expected, remedy)


def _commands(study: Study) -> Iterator[tuple[str, int, int]]:
    """Yields commands, with the characters in which they name shards, and those for runs."""
    paths = Paths(study)
    results = paths.results

    def stores(*names: str) -> int:
        return sum(len(paths.shard(name, "0000")) + 1 for name in names) * len(paths.shards)

    def masks_of(names: Collection[str]) -> int:
        return stores(*[f"masks/{name}" for name in names]) + _length(names)

    def maps_of(names: Collection[str]) -> int:
        return stores(*[f"saliency/{name}" for name in names]) + _length(names)

    runs, scored = runs_of(study), scored_segmenters(study)
    columns, lines = table_of_runs(study)
    for name, entry in study.saliency.items():
        files = [file for each in entry.inputs(paths).values() for file in each]
        yield f"compute-saliency of {name}", _length(files), 0
    yield "list-runs", 0, _length([*columns, *lines])
    overlaps = _length([f"{results}/overlaps/{run}.csv" for run in runs]) + _length(runs)
    whole = runs_with_histograms(study)
    histograms = _length([f"{results}/histograms/{run}.h5" for run in whole]) + _length(whole)
    yield "score-runs", 0, overlaps + histograms
    groups = [",".join(group) for group in groups_of_seeds(study).values()]
    yield "average-seeds", 0, _length(groups)
    sides = [
        ",".join(side) for each in contrasts_of(study).values() for side in (each.run, each.against)
    ]
    yield "compare-runs", 0, _length(sides) + _length(contrasts_of(study))
    masks = [f"masks/{name}" for name in study.masks]
    maps = [f"saliency/{name}" for name in scored_maps(study)]
    names = _length([*study.masks, *scored_maps(study)])
    yield "score-masks", stores(f"masks/{EXPERT}", *masks, *maps) + names, 0
    voted, drawn = voted_masks(study), drawn_masks(study)
    yield "list-agreement", masks_of(voted), 0
    for name, entry in study.segmenters.items():
        own = (*entry.mixture()[0], entry.validation)
        yield f"train-segmenter of {name}", stores("images", *[f"masks/{n}" for n in own]), 0
    made = [name for name, source in study.masks.items() if source.made]
    trainings = [f"classifiers/{name}" for name in study.classifiers]
    trainings += [f"affinity/{name}" for name in sorted({*paths.owners.values()})]
    trainings += [f"segmenters/{name}" for name in study.segmenters]
    of_stores = {
        "images": stores("images"),
        "saliency": maps_of(study.saliency),
        "masks": masks_of(made),
        "explanations": maps_of(dict.fromkeys(chain.from_iterable(voted.values()))),
        "labels": masks_of(voted),
        "drawn": masks_of(drawn),
    }
    of_runs = {
        "overlaps": overlaps,
        "predictions": _length([f"{results}/predictions/{name}.json" for name in scored])
        + _length(scored),
        "trainings": _length([f"{results}/{each}/metrics.csv" for each in trainings])
        + _length(trainings),
    }
    for figure in catalog.names("figure"):
        shards, named = (
            sum(of.get(role, 0) for role in catalog.load("figure", figure).roles)
            for of in (of_stores, of_runs)
        )
        yield f"draw-figure --figure {figure}", shards, named


def _length(words: Collection[str]) -> int:
    return sum(len(shlex.quote(word)) + 1 for word in words)
