"""Audits a study: compares every file with the records, and the records with each other, with the
code of this checkout and with other studies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from chexseg.audit.circumstances import circumstances
from chexseg.audit.files import CLOSED, PERMIT, Hashed
from chexseg.audit.findings import MOVE, Finding, first_of, merge_findings, restore
from chexseg.audit.recorded import Input
from chexseg.audit.study import INDEX, Study
from chexseg.provenance.form import SUFFIX
from chexseg.provenance.record import running_path


@dataclass
class Audit:
    """Holds the result of an audit.

    Attributes:
        study: the records of the study.
        findings: all findings, errors first.
        hashed: all files that were hashed; raw data under their original paths.
        x_rays: number of X-rays in the index.
        x_rays_checked: number of X-rays that were hashed.
    """

    study: Study
    findings: list[Finding] = field(default_factory=list)
    hashed: Hashed = field(default_factory=Hashed)
    x_rays: int = 0
    x_rays_checked: int = 0


def audit(study: Study, *, root: Path | None = None, x_rays: bool = True) -> Audit:
    """Audits a study.

    Args:
        study: the records of the study.
        root: current folder of the raw data; None looks for them at their original paths.
        x_rays: whether to hash X-rays outside the study.
    """
    result, files = Audit(study), study.files()
    contents = result.hashed.contents
    native = [r for r in study.recorded.values() if not study.is_stranger(r)]
    read = {i.path for r in native for i in r.inputs if i.inside}
    written = {f for r in study.recorded.values() for f in r.outputs}
    there = set(files)
    known = sorted((read | written) & there)
    result.hashed.add({f: study.folder / f for f in known}, f"check {study.folder}")

    listed: list[Input] = []
    if INDEX in study.made and contents.get(INDEX) == study.made[INDEX]:
        listed = study.x_rays(root)
    raw = [i for r in study.jobs for i in r.inputs if not i.inside]
    wanted = [*raw, *(i for i in listed if x_rays)]
    places = {
        i.path: study.folder / i.path if i.inside else study.find(i.path, root)
        for i in wanted
        if i.path not in contents and (not i.inside or i.path in there)
    }
    result.hashed.add(places, "check raw data")
    result.x_rays = len(listed)
    result.x_rays_checked = sum(i.path in contents for i in listed)

    found = [
        *_closed(result),
        *_records(study),
        *_files(result),
        *_unrecorded(result, files, read),
        *_inputs(study, listed),
        *_raw(result.hashed, raw + listed),
        *circumstances(study),
    ]
    result.findings = sorted(merge_findings(found), key=lambda f: not f.is_error)
    return result


def _closed(result: Audit) -> Iterator[Finding]:
    """Yields the files and folders that were not read, and so not checked."""
    for place, why in {**result.study.closed, **result.hashed.unread}.items():
        yield Finding(CLOSED, (place,), why, PERMIT)


def _records(study: Study) -> Iterator[Finding]:
    for place, wrong in study.damaged.items():
        yield Finding("damaged record", (place,), wrong, restore(study, "the record"))
    for artifact, recorded in study.recorded.items():
        if recorded.misplaced:
            text = f"its record belongs to {recorded.given or ' or '.join(recorded.together)}"
            yield Finding("swapped", (artifact,), text, restore(study))


def _files(result: Audit) -> Iterator[Finding]:
    """Yields the files of artifacts that differ from their records."""
    study, contents = result.study, result.hashed.contents
    closed = {*result.hashed.unread, *study.closed}
    written = {digest: file for file, digest in study.made.items()}
    for file, digest in study.made.items():
        now = contents.get(file)
        if now is None:
            if not _covered(file, closed):
                yield Finding("missing", (file,), "it does not exist", restore(study))
        elif now != digest:
            kind, text = "edited", f"its content is {now[:12]}, its job wrote {digest[:12]}"
            if now in written:
                kind, text = "swapped", f"it has the content of {written[now]}"
            yield Finding(kind, (file,), text, restore(study))
    for recorded in study.recorded.values():
        others = [
            f for f, digest in recorded.outputs.items() if study.made.get(f, digest) != digest
        ]
        if others and not recorded.misplaced:
            files, text = (recorded.artifact, *others), "they come from two runs of one job"
            yield Finding("stale", files, text, restore(study))


def _unrecorded(result: Audit, files: list[str], read: set[str]) -> Iterator[Finding]:
    """Yields files without a record; a folder that holds nothing else is one finding."""
    study = result.study
    named = {f for r in study.recorded.values() for f in r.outputs} | read
    unread = {*result.hashed.unread, *study.closed}
    spoken_for = unread | {place.removesuffix(SUFFIX) for place in {*unread, *study.damaged}}
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
        places[file if top in sound else top].append(file)
    for place, inside in places.items():
        if named & set(inside):
            text = "no record says how it was made"
            yield Finding("no record", (place,), text, restore(study, "the record"))
        else:
            yield Finding("foreign", (place,), "no job of this study wrote it", MOVE)
    for file in sorted(named - set(study.made) - set(files)):
        if not _covered(file, spoken_for):
            text = "neither it nor its record exists"
            yield Finding("missing", (file,), text, restore(study))


def _covered(file: str, places: set[str]) -> bool:
    return file in places or any(str(folder) in places for folder in Path(file).parents)


def _inputs(study: Study, x_rays: list[Input]) -> Iterator[Finding]:
    """Yields jobs whose inputs have been made again with other content since."""
    for recorded in study.jobs:
        inputs = [*recorded.inputs, *(x_rays if recorded.artifact == INDEX else ())]
        stranger = study.is_stranger(recorded)
        # An artifact of another study may have been made from files that this one never had.
        changed = [
            i.path
            for i in inputs
            if i.inside and i.sha256 != study.made.get(i.path, "" if stranger else i.sha256)
        ]
        if not changed or recorded.misplaced:
            continue
        kind, text, remedy = "stale", f"made from a different {first_of(changed)}", restore(study)
        if stranger:
            kind, text, remedy = "foreign", f"it belongs to {recorded.prefix}: {text}", MOVE
        yield Finding(kind, tuple(study.siblings(recorded)), text, remedy)


def _raw(hashed: Hashed, inputs: list[Input]) -> Iterator[Finding]:
    absent = []
    for path, digest in dict.fromkeys((i.path, i.sha256) for i in inputs if not i.inside):
        now = hashed.contents.get(path)
        if now is None and path not in hashed.unread:
            absent.append(path)
        elif now not in (None, digest):
            text = f"its content is {now[:12]}, the study was made from {digest[:12]}"
            yield Finding("edited", (path,), text, "Restore it.")
    if absent:
        text = f"{len(absent)} raw files were not read"
        yield Finding("not checked", tuple(absent), text, "Pass their folder as --root.")
