"""Checks tables, masks and X-rays, and writes a report about them."""

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
"""Maximum number of X-rays in progress per thread, which limits memory."""

MOST_WARNINGS = 20
"""Maximum number of warnings of a kind that are listed."""

MOST_NAMES = 3
"""Maximum number of X-rays that a warning lists."""

LOOKED_AT = 128
"""A JPEG may be decoded at reduced size, with at least this many pixels per side."""


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
    """Check tables, masks and X-rays against each other, and write a report about them.

    The report counts labels, views, patients, masks and sizes. It warns about X-rays that look
    wrong (almost constant, inverted, with a broad border), files with the same content, and masks
    that contradict the labels.

    Args:
        root: Data folder; every X-ray must be inside it.
        layout: Name of the layout of the data.
        inputs: The files of the layout, by role.
        out: The report, a text file.
        pathologies: Classes that the masks must have; by default the layout's.
        findings: Labels to read; by default the layout's.
        decode: Decode every X-ray; otherwise only the headers of X-rays with masks are read.
        threads: Number of X-rays decoded at once.

    Raises:
        InputError: lists everything that is wrong; no report is written then.
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
    """Returns the data report, and all problems of a release.

    Args:
        release: from `chexseg.data.layouts.release.read_release`.
        decode: whether to decode every X-ray.
        threads: number of X-rays decoded at once.
    """
    reported = {problem.where for problem in release.problems}
    seen = survey(release, threads) if decode else None
    problems = release.problems + [
        p for p in (seen.problems if seen else ()) if p.where not in reported
    ]
    lines = [*_counts(release), *_labels(release)]
    odd = [_assumed(release), _mismatched(release)]
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
    """Holds facts about the X-rays of a release.

    Attributes:
        sizes: (height, width) -> number of X-rays.
        flaws: path of an X-ray -> what looks wrong with it.
        digests: [N] SHA-256 of every readable frontal X-ray, 32 bytes each.
        paths: [N] the paths of these X-rays.
        problems: X-rays that cannot be decoded.
    """

    sizes: Counter = field(default_factory=Counter)
    flaws: dict[str, str] = field(default_factory=dict)
    digests: list[bytes] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def survey(release: Release, threads: int) -> Survey:
    """Decodes every existing frontal X-ray of a release."""
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
    yield f"{(patients > 1).sum()} patients are in two splits. Lateral X-rays are not used."


def _labels(release: Release) -> Iterator[str]:
    """Yields a table of labels, patients and masks per split, using the first mask file."""
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
            yield f"{len(entries)} of {len(rows)} X-rays have an entry in the mask file."
    yield ""
    yield "Frontal X-rays. patients: with a positive label; masks: X-rays with a nonempty mask."


def _sizes(seen: Survey) -> Iterator[str]:
    yield ""
    yield f"{'pixels':<28}{'least':>11}{'median':>11}{'most':>11}"
    numbers = np.fromiter(seen.sizes.values(), int, len(seen.sizes))
    for side, name in enumerate(("height", "width")):
        sides = np.array([size[side] for size in seen.sizes], int).repeat(numbers)
        figures = (sides.min(), int(np.median(sides)), sides.max()) if len(sides) else ("-",) * 3
        yield f"{name:<28}" + "".join(f"{pixels:>11}" for pixels in figures)
    yield f"{numbers.sum()} X-rays decoded, with {len(seen.sizes)} different sizes."


def _twins(seen: Survey, release: Release) -> list[str]:
    """Returns a warning for each group of X-rays whose files are identical."""
    groups: dict[bytes, list[str]] = {}
    for digest, path in zip(seen.digests, seen.paths, strict=True):
        groups.setdefault(digest, []).append(path)
    split_of = dict(zip(release.frontal["path"], release.frontal["split"], strict=True))
    twins = [paths for paths in groups.values() if len(paths) > 1]
    # Groups across splits come first, since a model may have trained on such a test X-ray.
    twins.sort(key=lambda paths: -len({split_of[path] for path in paths}))
    return [f"the same file: {', '.join(f'{p} ({split_of[p]})' for p in paths)}" for paths in twins]


def _assumed(release: Release) -> list[str]:
    """Returns a warning per split with X-rays that count as frontal since nothing says their view."""
    return [
        f"{len(places)} X-rays of {split} have no view in the table or the file name, and count as "
        f"frontal, such as {places[0]}"
        for split, places in release.assumed_views.items()
    ]


def _mismatched(release: Release) -> list[str]:
    """Returns a warning per kind of contradiction between labels and masks.

    Only the first mask file is compared, since a second reader may disagree.
    """
    warnings, labelled = [], [name for name in release.pathologies if name in release.findings]
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
                text = f"labelled {what} a mask: {len(names)} of {split}, such as {first}"
                warnings.append(text)
    return warnings


def _warnings(kinds: list[list[str]]) -> Iterator[str]:
    """Yields the lines of all warnings, by kind."""
    number = sum(map(len, kinds))
    yield ""
    yield f"{number or 'No'} warning{'s' * (number != 1)}."
    for warnings in kinds:
        for warning in warnings[:MOST_WARNINGS]:
            yield f"  {warning}"
        if len(warnings) > MOST_WARNINGS:
            yield f"  and {len(warnings) - MOST_WARNINGS} more like it"
