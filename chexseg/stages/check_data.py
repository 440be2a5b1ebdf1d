"""Data check: everything that is wrong with tables, masks and X-rays, and a report of the rest."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from chexseg.data.images import open_image
from chexseg.data.layouts.layout import PARTS
from chexseg.data.layouts.release import Release, read_release
from chexseg.data.masks import area
from chexseg.data.quality import flaw_of
from chexseg.errors import InputError, Problem, one_line
from chexseg.files.artifacts import Folder, Inputs, Output
from chexseg.files.atomic import atomic
from chexseg.files.progress import progress
from chexseg.provenance.digests import MEMORY, Digests

AT_ONCE = 64
"""X-rays of a thread that are under way at once: memory does not grow with their number."""

MOST_WARNINGS = 20
"""Warnings of a kind that are told one by one."""

MOST_NAMES = 3
"""X-rays that a warning of many names."""

LOOKED_AT = 128
"""A JPEG may be decoded at a fraction of its size, with at least these pixels a side."""


def run(
    *,
    root: Folder,
    layout: str = "chexpert",
    inputs: Inputs,
    out: Output,
    pathologies: tuple[str, ...] | None = None,
    findings: tuple[str, ...] | None = None,
    decode: bool = True,
    threads: int = 1,
) -> None:
    """Check tables, masks and X-rays against each other, and report what they hold.

    The report counts labels, views, patients, masks and sizes, and warns of X-rays that look
    wrong (almost constant, inverted, within a broad border), of files with the same content, and
    of masks that do not go with the labels.

    Args:
        root: Folder of the data; no X-ray may lie outside it.
        layout: Name of the layout of the data.
        inputs: The files of the layout, by role.
        out: The report, a text.
        pathologies: What the masks must hold; by default what the layout says.
        findings: Labels to read; by default those of the layout.
        decode: Decode every X-ray; without, only the headers of those with masks are read.
        threads: X-rays decoded at once.

    Raises:
        InputError: everything that is wrong, all at once; nothing is written then.
    """
    release = read_release(layout, root, inputs, findings=findings, pathologies=pathologies)
    text, problems = examine(release, decode=decode, threads=threads)
    if problems:
        raise InputError(problems)
    with atomic(out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(text, end="")


def examine(
    release: Release, *, decode: bool = True, threads: int = 1
) -> tuple[str, list[Problem]]:
    """Returns the data report, and everything that is wrong with a release.

    Args:
        release: as from `chexseg.data.layouts.release.read_release`.
        decode: also decode every X-ray.
        threads: X-rays decoded at once.
    """
    told = {problem.where for problem in release.problems}
    seen = survey(release, threads) if decode else None
    problems = release.problems + [
        p for p in (seen.problems if seen else ()) if p.where not in told
    ]
    lines = [*_counts(release), *_labels(release)]
    odd = [_mismatched(release)]
    if seen:
        lines += _sizes(seen)
        odd = [
            _twins(seen, release),
            *odd,
            [f"{path}: {flaw}" for path, flaw in seen.flaws.items()],
        ]
    lines += _warnings(odd)
    return "\n".join(map(one_line, lines)) + "\n", problems


@dataclass
class Survey:
    """What the X-rays of a release are like.

    Attributes:
        sizes: how many X-rays have a height and width.
        flaws: path of an X-ray -> how it looks wrong.
        digests: [N] SHA-256 of every frontal X-ray that could be read, 32 bytes each.
        paths: [N] the paths of these X-rays.
        problems: X-rays that cannot be decoded.
    """

    sizes: Counter = field(default_factory=Counter)
    flaws: dict[str, str] = field(default_factory=dict)
    digests: list[bytes] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def survey(release: Release, threads: int) -> Survey:
    """Decodes every frontal X-ray of a release that is there."""
    found, digests, root = Survey(), Digests(MEMORY), release.root

    def look(path: str) -> tuple | InputError:
        try:
            image, height, width = open_image(root / path, longest=LOOKED_AT)
            return height, width, flaw_of(image), bytes.fromhex(digests.of(root / path))
        except InputError as error:
            return error

    def results(paths: list[str]) -> Iterator[tuple]:
        with ThreadPoolExecutor(threads) as pool:
            for start in range(0, len(paths), AT_ONCE * threads):
                part = paths[start : start + AT_ONCE * threads]
                yield from zip(part, pool.map(look, part), strict=True)

    paths = [p for p in release.frontal["path"].dropna() if os.path.isfile(root / p)]
    for path, result in progress(results(paths), "check X-rays", len(paths)):
        if isinstance(result, InputError):
            found.problems += result.problems
            continue
        height, width, flaw, digest = result
        found.sizes[height, width] += 1
        if flaw:
            found.flaws[path] = flaw
        found.paths.append(path)
        found.digests.append(digest)
    digests.save()
    return found


def _counts(release: Release) -> Iterator[str]:
    yield f"{'X-rays':<28}{'frontal':>10}{'lateral':>10}{'patients':>10}"
    for split in PARTS:
        rows = release.table[release.table["split"] == split]
        counts = [(rows["view"] == view).sum() for view in ("frontal", "lateral")]
        yield f"{split:<28}" + "".join(f"{n:>10}" for n in (*counts, rows["patient"].nunique()))
    patients = release.frontal.groupby("patient")["split"].nunique()
    yield f"{(patients > 1).sum()} patients are in two splits. Lateral X-rays take no part."


def _labels(release: Release) -> Iterator[str]:
    """Tells labels, patients and masks of each split; of several files of masks, the first's."""
    heads = ("positive", "negative", "uncertain", "blank", "patients", "masks")
    names = dict.fromkeys((*release.findings, *release.pathologies))
    for split in PARTS:
        rows = release.frontal[release.frontal["split"] == split]
        truth = release.truth(split) or {}
        entries = [truth[cxr_id] for cxr_id in rows["cxr_id"] if cxr_id in truth]
        yield ""
        yield f"{split:<28}" + "".join(f"{head:>11}" for head in heads)
        for name in names:
            counts = ["-"] * 5
            if name in release.findings:
                labels = rows[name]
                counts = [(labels == value).sum() for value in (1, 0, -1)] + [labels.isna().sum()]
                counts.append(rows.loc[labels == 1, "patient"].nunique())
            drawn = sum(area(entry[name]) > 0 for entry in entries if name in entry)
            counts.append(drawn if entries and name in release.pathologies else "-")
            yield f"{name:<28}" + "".join(f"{count:>11}" for count in counts)
        if entries:
            yield f"{len(entries)} of {len(rows)} X-rays have an entry in the file of masks."
    yield ""
    yield "Frontal X-rays. patients: with a positive label; masks: X-rays with a mask not empty."


def _sizes(seen: Survey) -> Iterator[str]:
    yield ""
    yield f"{'pixels':<28}{'least':>11}{'median':>11}{'most':>11}"
    numbers = np.fromiter(seen.sizes.values(), int, len(seen.sizes))
    for side, name in enumerate(("height", "width")):
        sides = np.array([size[side] for size in seen.sizes], int).repeat(numbers)
        told = (sides.min(), int(np.median(sides)), sides.max()) if len(sides) else ("-",) * 3
        yield f"{name:<28}" + "".join(f"{pixels:>11}" for pixels in told)
    yield f"{numbers.sum()} X-rays decoded, of {len(seen.sizes)} sizes."


def _twins(seen: Survey, release: Release) -> list[str]:
    """Tells X-rays whose files are the same."""
    groups: dict[bytes, list[str]] = {}
    for digest, path in zip(seen.digests, seen.paths, strict=True):
        groups.setdefault(digest, []).append(path)
    split_of = dict(zip(release.frontal["path"], release.frontal["split"], strict=True))
    twins = [paths for paths in groups.values() if len(paths) > 1]
    # What is in two splits comes first: a model has seen such a test X-ray.
    twins.sort(key=lambda paths: -len({split_of[path] for path in paths}))
    return [f"the same file: {', '.join(f'{p} ({split_of[p]})' for p in paths)}" for paths in twins]


def _mismatched(release: Release) -> list[str]:
    """Tells labels without their mask and masks without their label, each kind in one line.

    Of several files of masks, the first counts: a second reader may see it otherwise.
    """
    told, labelled = [], [name for name in release.pathologies if name in release.findings]
    for split in release.masks:
        rows = release.frontal[release.frontal["split"] == split]
        entries, without, against = release.truth(split), [], []
        for _, row in rows.iterrows() if entries is not None else ():
            entry = entries.get(row["cxr_id"], {})
            drawn = {name for name, rle in entry.items() if area(rle) > 0}
            if lost := [name for name in labelled if row[name] == 1 and name not in drawn]:
                without.append(f"{row['cxr_id']} ({', '.join(lost)})")
            if extra := [name for name in labelled if row[name] == 0 and name in drawn]:
                against.append(f"{row['cxr_id']} ({', '.join(extra)})")
        for names, what in ((without, "1, but without"), (against, "0, but with")):
            if names:
                first = ", ".join(names[:MOST_NAMES])
                told.append(f"labelled {what} a mask: {len(names)} of {split}, such as {first}")
    return told


def _warnings(kinds: list[list[str]]) -> Iterator[str]:
    """Tells what looks wrong, but need not be."""
    number = sum(map(len, kinds))
    yield ""
    yield f"{number or 'No'} warning{'s' * (number != 1)}."
    for warnings in kinds:
        for warning in warnings[:MOST_WARNINGS]:
            yield f"  {warning}"
        if len(warnings) > MOST_WARNINGS:
            yield f"  and {len(warnings) - MOST_WARNINGS} more like it"
