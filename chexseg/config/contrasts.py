"""The contrasts of a study: which runs are compared, alone or as groups of training seeds."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from chexseg.config.links import HUMAN, Place, check_name, runs_of
from chexseg.config.seeds import seeds_of_runs
from chexseg.errors import Problems

if TYPE_CHECKING:
    from chexseg.config.entries import ContrastEntry
    from chexseg.config.study import Study

MOST_RUNS = 6
"""Where no contrasts are named, every two runs are compared, if there are no more than these."""

SIDES = ("run", "against")
SEPARATOR = ","
"""Between the runs of a side in a command and in tables; no name contains it."""


@dataclass(frozen=True)
class Contrast:
    """Runs that are compared: each side is one run, or several that differ in their seed."""

    run: tuple[str, ...]
    against: tuple[str, ...]


def contrasts_of(study: Study) -> dict[str, Contrast]:
    """Returns which runs are compared, by the name of the contrast.

    Those that the study names. If it names none: each run against every one before it, called
    `full_vs_weak`; and none if there are more than MOST_RUNS runs.
    """
    if study.contrasts:
        return _named(study)
    runs = runs_of(study)
    pairs = combinations(runs, 2) if len(runs) <= MOST_RUNS else ()
    return {f"{run}_vs_{against}": Contrast((run,), (against,)) for against, run in pairs}


def _named(study: Study) -> dict[str, Contrast]:
    """Returns the contrasts that a study names: their runs as named, or in the order of the seeds."""
    seeds = seeds_of_runs(study) if any(e.all_seeds for e in study.contrasts.values()) else {}

    def runs_of_side(entry: ContrastEntry, side: str) -> tuple[str, ...]:
        named = getattr(entry, side)
        runs = (named,) if isinstance(named, str) else tuple(named)
        if not entry.all_seeds:
            return runs
        return tuple(dict.fromkeys(each for run in runs for each in seeds.get(run, (run,))))

    return {
        name: Contrast(*(runs_of_side(entry, side) for side in SIDES))
        for name, entry in study.contrasts.items()
    }


def check_contrasts(study: Study, place: Place, problems: Problems) -> None:
    """Adds a problem for each contrast that names no run, or runs that cannot be paired."""
    known, contrasts = runs_of(study), _named(study)
    for name, entry in study.contrasts.items():
        sides = vars(contrasts[name])
        for side, runs in sides.items():
            listed = not entry.all_seeds and not isinstance(getattr(entry, side), str)
            for number, run in enumerate(runs):
                where = place("contrasts", name, side, *([number] if listed else []))
                check_name(run, known, "the runs", where, problems)
                if run in runs[:number]:
                    problems.add(where, f"{run!r} twice", "each once", "Delete one.")
            if len(runs) > 1 and HUMAN in runs:
                where, remedy = place("contrasts", name, side), "Name it alone."
                problems.add(where, f"{HUMAN!r} among seeds", "runs that differ in a seed", remedy)
        run, against = sides.values()
        where = place("contrasts", name, "against")
        for both in dict.fromkeys(each for each in against if each in run):
            problems.add(where, f"{both!r} against itself", "another run", "Correct it.")
        # The second reader has no seed, and is compared with each.
        if (HUMAN,) in sides.values():
            continue
        if entry.all_seeds:
            found, other = (
                ", ".join(
                    str(study.segmenters[each].seed) for each in runs if each in study.segmenters
                )
                for runs in (run, against)
            )
            if found != other:
                remedy = "Sweep both over the same seeds, or name the runs in lists."
                problems.add(where, f"seeds {found} against {other}", "the same seeds", remedy)
        elif len(run) != len(against):
            found = f"{len(run)} run{'s' * (len(run) > 1)} against {len(against)}"
            remedy = "Name one run of each seed on either side: they are paired by position."
            problems.add(where, found, "equally many", remedy)
