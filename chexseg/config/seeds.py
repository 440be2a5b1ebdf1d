"""Runs that differ in nothing but their training seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chexseg.config.links import runs_of

if TYPE_CHECKING:
    from chexseg.config.study import Study


def seeds_of_runs(study: Study) -> dict[str, tuple[str, ...]]:
    """Returns for each run those that differ from it only in their seed, one of each, by seed.

    The run itself is among them. The human benchmark has no seed, and is alone.
    """
    contents = _contents(study)
    alike: dict[str, dict[int, str]] = {}
    for name, content in contents.items():
        alike.setdefault(content, {}).setdefault(study.segmenters[name].seed, name)
    found = {}
    for run in runs_of(study):
        seeds = {}
        if run in contents:
            seeds = alike[contents[run]] | {study.segmenters[run].seed: run}
        found[run] = tuple(seeds[seed] for seed in sorted(seeds)) or (run,)
    return found


def groups_of_seeds(study: Study) -> dict[str, tuple[str, ...]]:
    """Returns the runs of a study in groups that differ only in their seed, each run in one group.

    The name of a group is that of its first run in the order of the study's runs, which is one that
    the config writes if there is one. Entries that are equal in all are in groups of their own.
    """
    contents = _contents(study)
    groups: list[dict[int | None, str]] = []
    alike: dict[str, list[dict[int | None, str]]] = {}
    for run in runs_of(study):
        seed = study.segmenters[run].seed if run in contents else None
        same = alike.setdefault(contents.get(run, run), [])
        group = next((group for group in same if seed not in group), None)
        if group is None:
            group = {}
            same.append(group)
            groups.append(group)
        group[seed] = run
    return {
        next(iter(group.values())): tuple(run for _, run in sorted(group.items()))
        for group in groups
    }


def _contents(study: Study) -> dict[str, str]:
    """Returns what each segmenter is but for its seed."""
    return {
        name: entry.model_copy(update={"seed": 0}).model_dump_json()
        for name, entry in study.segmenters.items()
    }
