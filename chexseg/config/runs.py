"""The runs of a study with the values of their factors: what `runs.csv` lists."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from io import StringIO
from typing import TYPE_CHECKING, Any

from chexseg.config.copies import Node, Setting
from chexseg.config.entries import SECTIONS, SegmenterEntry
from chexseg.config.links import entries, needs_of, runs_of
from chexseg.config.mixing import UNWEIGHTED

if TYPE_CHECKING:
    from chexseg.config.study import Study

COLUMNS = ("run", "sweep", "of", "masks", "weights", "encoder", "initial_weights", "seed")
"""Those of every study; a column for each factor of its sweeps follows."""


def table_of_runs(study: Study) -> tuple[tuple[str, ...], list[str]]:
    """Returns the columns of the table of runs, and its rows as lines of a CSV.

    A run has a row for each sweep that it belongs to. A row without a sweep lists a run that is
    written in the config, or the copy of a teacher that another run of a sweep learns from.

    The column of a factor has the value of every run that has such a setting, even if the factor
    belongs to another sweep. Its cell is empty for the other runs.
    """
    table = _Table(study)
    runs = runs_of(study)
    swept = {run for points in study.unfolded.points.values() for run in points}
    made = study.unfolded.copies.made
    rows = [table.row(run) for run in runs if run not in swept or ("segmenters", run) not in made]
    for sweep, points in study.unfolded.points.items():
        rows += [table.row(run, sweep, values) for run, values in points.items() if run in runs]
    return table.columns, [line(row) for row in rows]


def factors_of(study: Study, sweep: str) -> tuple[str, ...]:
    """Returns the columns of the table of runs by which the runs of a sweep differ.

    They are its factors but `seeds`; `of` is one if it sweeps several segmenters, or has no other.
    """
    entry = study.sweeps[sweep]
    factors = tuple(name for name in entry.model_extra or {} if name != "seed")
    return factors if isinstance(entry.of, str) and factors else ("of", *factors)


def line(cells: Iterable[str]) -> str:
    """Returns cells as a line of a CSV."""
    text = StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


class _Table:
    def __init__(self, study: Study):
        self.study = study
        self.entries = {(section, name): entry for section, name, entry in entries(study)}
        factors = {
            factor
            for sweep in study.sweeps.values()
            for factor, values in (sweep.model_extra or {}).items()
            if factor not in COLUMNS
        }
        self.columns = (*COLUMNS, *sorted(factors))

    def row(self, run: str, sweep: str = "", values: Mapping[str, str] | None = None) -> list[str]:
        """Returns the cells of a run.

        Args:
            run: its name.
            sweep: of which it is a point; empty: none.
            values: factor of that sweep -> the text of its value.
        """
        entry = self.study.segmenters.get(run)
        of = self._original(("segmenters", run))[1]
        values = self._values_of_copy(run) if values is None else values
        cells = {"run": run, "sweep": sweep}
        if entry is not None:
            names, weights = entry.mixture()
            cells |= {"of": of, "masks": _text(names), "weights": _text(weights)}
            cells |= {name: self._value(run, name, values) for name in self.columns[5:]}
        return [cells.get(name, "") for name in self.columns]

    def _values_of_copy(self, run: str) -> dict[str, str]:
        """Returns the values that sweeps gave to the copy of a teacher: factor -> text."""
        made = self.study.unfolded.copies.made.get(("segmenters", run))
        factors: dict[str, list[Setting]] = {}
        for setting in made.reached if made else ():
            factors.setdefault(str(setting.where[2]), []).append(setting)
        return {factor: made.text(settings) for factor, settings in factors.items()}

    def _value(self, run: str, factor: str, values: Mapping[str, str]) -> str:
        """Returns the value of a factor for a run."""
        section, _, rest = factor.partition(".")
        if section in SECTIONS and rest:
            return self._value_of_another(run, section, rest)
        if section in SegmenterEntry.model_fields:
            return _text(_at(self.study.segmenters[run], factor.split(".")))
        if factor in self.study.masks:
            return self._weight(run, factor)
        return values.get(factor, "")

    def _weight(self, run: str, source: str) -> str:
        """Returns the weight of a source of masks, or of what a sweep copied from it."""
        masks = self.study.segmenters[run].masks
        (name,) = [name for name in masks if self._original(("masks", name))[1] == source] or [""]
        if not name:
            return ""
        if not isinstance(masks, Mapping):
            return UNWEIGHTED if len(masks) > 1 else "1"
        names, weights = self.study.segmenters[run].mixture()
        shares = dict(zip(names, weights or (1,), strict=True))
        return _text(shares.get(name, 0))

    def _value_of_another(self, run: str, section: str, rest: str) -> str:
        """Returns what `section.name.key` is for the entry of that name, or its copy, of a run."""
        originals = {
            name: node
            for node in self._needed(("segmenters", run), set())
            for own, name in [self._original(node)]
            if own == section and rest.startswith(f"{name}.")
        }
        if not originals:
            return ""
        name = max(originals, key=len)  # names may have dots, too
        return _text(_at(self.entries[originals[name]], rest.removeprefix(f"{name}.").split(".")))

    def _needed(self, node: Node, seen: set[Node]) -> Iterator[Node]:
        """Yields an entry and all those on which it depends."""
        if node not in seen:
            seen.add(node)
            yield node
            for other in needs_of(self.study, self.entries[node], swept=True):
                yield from self._needed(other, seen)

    def _original(self, node: Node) -> Node:
        made = self.study.unfolded.copies.made.get(node)
        return made.of if made else node


def _at(settings: Any, path: list[str]) -> Any:
    for step in path:
        settings = getattr(settings, step, "")
    return settings


def _text(value: Any) -> str:
    """Returns a value as a cell; items of a list stand apart by a space."""
    if isinstance(value, (list, tuple)):
        return " ".join(map(_text, value))
    if isinstance(value, Mapping):
        return " ".join(f"{name}:{_text(each)}" for name, each in sorted(value.items()))
    if isinstance(value, float):
        return f"{value:.12g}"
    return "none" if value is None else str(value)
