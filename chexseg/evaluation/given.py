"""Checks what is given to be scored: names of pathologies, and ids of X-rays in two files."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from chexseg.data.annotations import SIZE, form_of, meant_by
from chexseg.data.layouts.chexpert import column_of
from chexseg.data.masks import load_json
from chexseg.errors import Problems, near

FLAG = "--pathologies"
MARKS = "._-"
"""What begins a suffix of an id."""


def check_pathologies(
    pathologies: Sequence[str], files: Sequence[Path], known: Sequence[str], problems: Problems
) -> None:
    """Adds a problem for each pathology that one of the files does not have on any X-ray.

    Args:
        pathologies: those to score.
        files: the truth and the prediction. One that cannot be read is left to its reader.
        known: pathologies that files of polygons and points may lack, since no X-ray shows them.
        problems: receives them.
    """
    if not pathologies:
        problems.add(FLAG, "no pathology", "one or more", "Name some, or leave the flag out.")
    for path in files:
        content = load_json(path, Problems())
        entries = [entry for entry in content.values() if isinstance(entry, dict)]
        names = list(dict.fromkeys(name for entry in entries for name in entry if name != SIZE))
        if not names:
            continue
        names += [] if form_of(content) == "masks" else [n for n in known if n not in names]
        for name in dict.fromkeys(pathologies):
            if name not in names:
                meant = meant_by(name, names) or near(column_of(name), names)
                remedy = f"Did you mean {meant!r}?" if meant else "Leave it out."
                expected = f"pathologies of {path}: {', '.join(map(repr, names))}"
                problems.add(FLAG, repr(name), expected, remedy)


def unmatched_ids(
    scored: Collection[str], predicted: Collection[str], *, source: Path, fate: str
) -> Iterator[str]:
    """Yields sentences about predicted X-rays that are not among those to score, with an example.

    Args:
        scored: the X-rays of the truth, or of an index.
        predicted: the X-rays that have a prediction.
        source: the file that has the X-rays to score.
        fate: what becomes of the others, as a sentence.
    """
    known = set(scored)
    foreign = [cxr_id for cxr_id in predicted if cxr_id not in known]
    if not foreign:
        return
    yield (
        f"WARNING: {len(foreign)} of {len(predicted)} predicted X-rays are not in {source}, such as "
        f"{foreign[0]!r}. {fate}"
    )
    lone = known - set(predicted)
    alike = [(cxr_id, other) for cxr_id in foreign if (other := _differs_by_suffix(cxr_id, lone))]
    if alike:
        cxr_id, other = alike[0]
        suffix = cxr_id[len(other) :] or other[len(cxr_id) :]
        yield (
            f"WARNING: {cxr_id!r} differs from {other!r} in {source} only by the suffix {suffix!r}; so "
            f"do {len(alike)} X-rays. Name them alike in both files: so they count as missed."
        )


def _differs_by_suffix(cxr_id: str, ids: Collection[str]) -> str | None:
    """Returns one of `ids` that is `cxr_id` with, or without, a suffix such as `.png`; or None."""
    stem = cxr_id
    while cut := max(stem.rfind(mark) for mark in MARKS) + 1:
        stem = stem[: cut - 1]
        if stem in ids:
            return stem
    longer = (other for other in ids if other.startswith(cxr_id))
    return min((other for other in longer if other[len(cxr_id)] in MARKS), default=None)
