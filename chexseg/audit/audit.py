"""Audits a study: compares every file with the records, and the records with each other, with the
code of this checkout and with other studies."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from chexseg.audit.circumstances import circumstances, code_findings
from chexseg.audit.files import CLOSED, PERMIT, reason_of
from chexseg.audit.findings import (
    BACK,
    RECORD_BACK,
    Finding,
    first_of,
    merge_findings,
    remedy_of,
    removal_of,
)
from chexseg.audit.recorded import Input
from chexseg.audit.study import INDEX, Study
from chexseg.files.progress import progress
from chexseg.provenance.digests import sha256
from chexseg.provenance.form import SUFFIX
from chexseg.provenance.record import running_path

_READERS = 4
"""Number of files hashed at once: one waits for the disk while another is computed."""


@dataclass
class Audit:
    """Holds the result of an audit.

    Attributes:
        study: the records of the study.
        findings: all findings, errors first.
        contents: file -> current digest of its content; raw data under their original paths.
        unread: file -> why it cannot be read.
        x_rays: number of X-rays in the index.
        x_rays_checked: number of X-rays that were hashed.
        bytes: number of bytes hashed.
    """

    study: Study
    findings: list[Finding] = field(default_factory=list)
    contents: dict[str, str] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    x_rays: int = 0
    x_rays_checked: int = 0
    bytes: int = 0


def audit(study: Study, *, root: Path | None = None, x_rays: bool = True) -> Audit:
    """Audits a study.

    Args:
        study: the records of the study.
        root: current folder of the raw data; None looks for them at their original paths.
        x_rays: whether to hash X-rays outside the study.
    """
    result = Audit(study)
    files = study.files()
    native = [r for r in study.recorded.values() if not study.is_stranger(r)]
    read = {i.path for r in native for i in r.inputs if i.inside}
    written = {f for r in study.recorded.values() for f in r.outputs}
    there = set(files)
    known = sorted((read | written) & there)
    _hash(result, {f: study.folder / f for f in known}, f"check {study.folder}")

    listed: list[Input] = []
    if INDEX in study.made and result.contents.get(INDEX) == study.made[INDEX]:
        listed = study.x_rays(root)
    raw = [i for r in study.jobs for i in r.inputs if not i.inside]
    wanted = [*raw, *(i for i in listed if x_rays)]
    places = {
        i.path: study.folder / i.path if i.inside else study.find(i.path, root)
        for i in wanted
        if i.path not in result.contents and (not i.inside or i.path in there)
    }
    _hash(result, {p: place for p, place in places.items() if place}, "check raw data")
    result.x_rays = len(listed)
    result.x_rays_checked = sum(i.path in result.contents for i in listed)

    found = [
        *_closed(result),
        *_records(study),
        *_files(result),
        *_unrecorded(result, files, read),
        *_inputs(study, result.contents, listed),
        *_raw(result, raw + listed),
        *code_findings(study),
        *circumstances(study),
    ]
    result.findings = sorted(merge_findings(found), key=lambda f: not f.is_error)
    return result


def _hash(result: Audit, places: dict[str, Path], what: str) -> None:
    with ThreadPoolExecutor(_READERS) as readers:
        found = progress(readers.map(_read, places.values()), what, len(places))
        for name, (digest, size, why) in zip(places, found, strict=True):
            if why:
                result.unread[name] = why
            elif digest:
                result.contents[name] = digest
                result.bytes += size


def _read(place: Path) -> tuple[str, int, str]:
    """Returns digest and size of a file, or why it cannot be read; empty if it is not a file."""
    try:
        status = os.stat(place)
        return (sha256(place), status.st_size, "") if stat.S_ISREG(status.st_mode) else ("", 0, "")
    except FileNotFoundError:
        return "", 0, ""
    except OSError as error:
        return "", 0, reason_of(error)


def _closed(result: Audit) -> Iterator[Finding]:
    """Yields the files and folders that could not be read, and so were not checked."""
    study = result.study
    records = {place: why for place, (kind, why) in study.unsound.items() if kind == CLOSED}
    for place, why in {**study.closed, **records, **result.unread}.items():
        yield Finding(CLOSED, (place,), why, PERMIT)


def _records(study: Study) -> Iterator[Finding]:
    for place, (kind, wrong) in study.unsound.items():
        if kind != CLOSED:
            in_the_way = [place] if (study.folder / place).is_dir() else []
            places = place.removesuffix(SUFFIX), *in_the_way
            yield Finding(kind, (place,), wrong, remedy_of(study, RECORD_BACK, *places))
    for artifact, recorded in study.recorded.items():
        if recorded.misplaced:
            text = f"its record belongs to {recorded.given or ' or '.join(recorded.together)}"
            yield Finding("swapped", (artifact,), text, remedy_of(study, BACK, artifact))


def _files(result: Audit) -> Iterator[Finding]:
    """Yields the files of artifacts that differ from their records."""
    study, contents = result.study, result.contents
    closed = {*result.unread, *study.closed}
    written = {digest: file for file, digest in study.made.items()}
    for file, digest in study.made.items():
        now = contents.get(file)
        if now is None:
            if not _covered(file, closed):
                yield Finding("missing", (file,), "it does not exist", remedy_of(study, BACK))
        elif now != digest:
            kind, text = "edited", f"its content is {now[:12]}, its job wrote {digest[:12]}"
            if now in written:
                kind, text = "swapped", f"it has the content of {written[now]}"
            yield Finding(kind, (file,), text, remedy_of(study, BACK, study.maker[file]))
    for recorded in study.recorded.values():
        others = [
            f for f, digest in recorded.outputs.items() if study.made.get(f, digest) != digest
        ]
        if others and not recorded.misplaced:
            text = f"its job wrote another {first_of(others)}"
            remedy = remedy_of(study, BACK, recorded.artifact)
            yield Finding("stale", (recorded.artifact,), text, remedy)


def _unrecorded(result: Audit, files: list[str], read: set[str]) -> Iterator[Finding]:
    """Yields files without a record; a folder that holds nothing else is one finding."""
    study = result.study
    named = {f for r in study.recorded.values() for f in r.outputs} | read
    spoken_for = {place.removesuffix(SUFFIX) for place in study.unsound}
    spoken_for |= {*result.unread, *study.closed}
    spoken_for |= {artifact for artifact, r in study.recorded.items() if r.misplaced}
    bare = [f for f in files if f not in study.made and not _covered(f, spoken_for)]
    begun = {f for f in bare if running_path(study.folder / f).exists()}
    for file in sorted(begun):
        text, remedy = "its job is running, or was killed", "Audit it when its job is done."
        yield Finding("running", (file,), text, remedy)
    bare = [f for f in bare if f not in begun]
    sound = {f.split("/")[0] for f in (set(files) & set(study.made)) | spoken_for}
    places: dict[str, list[str]] = defaultdict(list)
    for file in bare:
        top = file.split("/")[0]
        places[file if top in sound or top == file else f"{top}/"].append(file)
    for place, inside in places.items():
        if named & set(inside):
            text = "no record says how it was made"
            remedy = remedy_of(study, f"Restore {place.rstrip('/')}{SUFFIX}", place)
            yield Finding("no record", (place,), text, remedy)
        else:
            text = "no job of this study wrote it"
            remedy = f"Move it out of {study.folder}, or: {removal_of(study, place)}"
            yield Finding("foreign", (place,), text, remedy)
    for file in sorted(named - set(study.made) - set(files)):
        if not _covered(file, spoken_for):
            text = "neither it nor its record exists"
            yield Finding("missing", (file,), text, remedy_of(study, BACK))


def _covered(file: str, places: set[str]) -> bool:
    return file in places or any(str(folder) in places for folder in Path(file).parents)


def _inputs(study: Study, contents: dict[str, str], x_rays: list[Input]) -> Iterator[Finding]:
    """Yields jobs whose inputs have been made again with other content since."""
    for recorded in study.jobs:
        inputs = [*recorded.inputs, *(x_rays if recorded.artifact == INDEX else ())]
        if recorded.misplaced:
            continue
        changed = []
        for read in (i for i in inputs if i.inside):
            now = study.made.get(read.path)
            if study.is_stranger(recorded) and read.path not in contents:
                changed.append(f"{read.path}, which does not exist")
            elif now is not None and now != read.sha256:
                changed.append(f"{read.path} (then {read.sha256[:12]}, now {now[:12]})")
        if not changed:
            continue
        files, text = tuple(study.siblings(recorded)), f"made from a different {first_of(changed)}"
        if study.is_stranger(recorded):
            remedy = remedy_of(study, f"Move it out of {study.folder}", *files)
            yield Finding("foreign", files, f"it belongs to {recorded.prefix}: {text}", remedy)
        else:
            yield Finding("stale", files, text, remedy_of(study, BACK, *files))


def _raw(result: Audit, inputs: list[Input]) -> Iterator[Finding]:
    contents, absent = result.contents, []
    for read in dict.fromkeys((i.path, i.sha256) for i in inputs if not i.inside):
        path, digest = read
        if path not in contents:
            absent += [path] if path not in result.unread else []
        elif contents[path] != digest:
            text = f"its content is {contents[path][:12]}, the study was made from {digest[:12]}"
            yield Finding("edited", (path,), text, remedy_of(result.study, BACK))
    if absent:
        text = f"{len(absent)} raw files were not read"
        yield Finding("not checked", tuple(absent), text, "Pass their folder as --root.")
