"""What does not fit in a study: every file held against the records, and the records against
each other, the code here and other studies."""

from __future__ import annotations

import os
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

from chexseg.progress import progress
from chexseg.provenance.code import code_of
from chexseg.provenance.digests import sha256
from chexseg.provenance.record import SUFFIX
from chexseg.provenance.study import INDEX, Input, Study, is_tail

ERRORS = {
    "edited": "a file is not what its job wrote",
    "swapped": "a file, or its record, is that of another artifact",
    "missing": "what a record names is not there",
    "stale": "a file was made from another version of its input than there is now",
    "foreign": "a file that no job of this study wrote",
    "no record": "a file that jobs used, without the record of how it was made",
    "damaged record": "a record that cannot be read",
    "edited record": "a record that was changed after its job",
    "mixed code": "two artifacts were made by two versions of the same function",
}
WARNINGS = {
    "other code": "the checkout here would compute it by other code",
    "uncommitted code": "the code was not a commit, so nobody can check it out",
    "other seed": "another seed than that of the study",
    "same seed": "two studies that are no independent repeats",
    "other software": "another version of a package",
    "not checked": "raw data that are not here",
}
_READERS = 4
"""Files that are hashed at a time: one waits for the disk while another is computed."""


@dataclass(frozen=True)
class Finding:
    """One thing that does not fit.

    Attributes:
        kind: a key of ERRORS or WARNINGS.
        files: what it is about, relative to the study.
        found: what was found.
        remedy: what to do, as an order to the reader.
    """

    kind: str
    files: tuple[str, ...]
    found: str
    remedy: str

    @property
    def is_error(self) -> bool:
        return self.kind in ERRORS


@dataclass
class Audit:
    """All that was found in a study.

    Attributes:
        study: its records.
        findings: errors first.
        contents: file -> digest of its content now; raw data under their paths as given.
        x_rays: how many the index lists.
        x_rays_checked: how many of them were hashed.
        bytes: hashed.
    """

    study: Study
    findings: list[Finding] = field(default_factory=list)
    contents: dict[str, str] = field(default_factory=dict)
    x_rays: int = 0
    x_rays_checked: int = 0
    bytes: int = 0


def audit(study: Study, *, root: Path | None = None, x_rays: bool = True) -> Audit:
    """Checks a study.

    Args:
        study: its records.
        root: where the raw data are now; None: where they were, if anything is there.
        x_rays: whether X-rays outside of the study are hashed.
    """
    result = Audit(study)
    files = list(study.files())
    native = [r for r in study.recorded.values() if not study.is_stranger(r)]
    read = {i.path for r in native for i in r.inputs if i.inside}
    written = {f for r in study.recorded.values() for f in r.outputs}
    known = sorted((read | written) & set(files))
    _hash(result, {f: study.folder / f for f in known}, f"check {study.folder}")

    listed: list[Input] = []
    if INDEX in study.made and result.contents.get(INDEX) == study.made[INDEX]:
        listed = study.x_rays(root)
    raw = [i for r in study.jobs for i in r.inputs if not i.inside]
    wanted = [*raw, *(i for i in listed if x_rays)]
    places = {
        i.path: study.folder / i.path if i.inside else study.find(i.path, root)
        for i in wanted
        if i.path not in result.contents and (not i.inside or i.path in files)
    }
    _hash(result, {p: place for p, place in places.items() if place}, "check raw data")
    result.x_rays = len(listed)
    result.x_rays_checked = sum(i.path in result.contents for i in listed)

    found = [
        *_records(study),
        *_files(study, result.contents),
        *_unrecorded(study, files, read),
        *_inputs(study, result.contents, listed),
        *_raw(study, raw + listed, result.contents),
        *_code(study),
        *_circumstances(study),
    ]
    result.findings = sorted(_together(found), key=lambda f: not f.is_error)
    return result


def compare(studies: Sequence[Study]) -> list[Finding]:
    """Finds studies that were given together as repeats, and are none."""
    found = []
    for one, other in combinations(studies, 2):
        shared = [
            (artifact, seed)
            for artifact, seed in _training_seeds(one).items()
            if _training_seeds(other).get(artifact) == seed
        ]
        if shared:
            seeds = ", ".join(str(seed) for seed in sorted({seed for _, seed in shared}))
            files = (str(one.folder), str(other.folder))
            text = f"{len(shared)} trainings have seed {seeds} in both, such as {shared[0][0]}"
            found.append(Finding("same seed", files, text, "Set another `seed` in one of them."))
    return found


def _training_seeds(study: Study) -> dict[str, int]:
    trainings = (r for r in study.jobs if r.stage.startswith("train-"))
    return {r.artifact: r.record["seed"] for r in trainings}


def _hash(result: Audit, places: dict[str, Path], what: str) -> None:
    with ThreadPoolExecutor(_READERS) as readers:
        digests = progress(readers.map(sha256, places.values()), what, len(places))
        for (name, place), digest in zip(places.items(), digests, strict=True):
            result.contents[name] = digest
            result.bytes += place.stat().st_size


def _records(study: Study) -> Iterator[Finding]:
    for place, (kind, wrong) in study.unsound.items():
        remedy = _remedy(study, "Put the record back", place.removesuffix(SUFFIX))
        yield Finding(kind, (place,), wrong, remedy)
    for artifact, recorded in study.recorded.items():
        if recorded.misplaced:
            text = f"its record is that of {recorded.given}"
            yield Finding("swapped", (artifact,), text, _remedy(study, _BACK, artifact))


def _files(study: Study, contents: dict[str, str]) -> Iterator[Finding]:
    """Yields what is wrong with the files of artifacts, each held against its own record."""
    written = {digest: file for file, digest in study.made.items()}
    for file, digest in study.made.items():
        now = contents.get(file)
        if now is None:
            yield Finding("missing", (file,), "it is not there", _remedy(study, _BACK))
        elif now != digest:
            kind, text = "edited", f"its content is {now[:12]}, its job wrote {digest[:12]}"
            if now in written:
                kind, text = "swapped", f"its content is that of {written[now]}"
            yield Finding(kind, (file,), text, _remedy(study, _BACK, study.maker[file]))
    for artifact, recorded in study.recorded.items():
        for file in set(recorded.outputs) - set(recorded.own) - {artifact}:
            other = study.recorded.get(study.maker.get(file, ""))
            if other is None or recorded.misplaced or study.made[file] == recorded.outputs[file]:
                continue
            older, newer = sorted(
                (recorded, other), key=lambda r: (r.record["started"], r.artifact)
            )
            text = f"{newer.artifact} is of a later run of the same job"
            remedy = _remedy(study, _BACK, older.artifact)
            yield Finding("stale", (older.artifact,), text, remedy)


def _unrecorded(study: Study, files: list[str], read: set[str]) -> Iterator[Finding]:
    """Yields files without a record, a folder as one where it holds nothing else."""
    named = {f for r in study.recorded.values() for f in r.outputs} | read
    spoken_for = {place.removesuffix(SUFFIX) for place in study.unsound}
    spoken_for |= {artifact for artifact, r in study.recorded.items() if r.misplaced}
    bare = [f for f in files if f not in study.made and not _covered(f, spoken_for)]
    sound = {f.split("/")[0] for f in (set(files) & set(study.made)) | spoken_for}
    places: dict[str, list[str]] = defaultdict(list)
    for file in bare:
        top = file.split("/")[0]
        places[file if top in sound or top == file else f"{top}/"].append(file)
    for place, inside in places.items():
        if named & set(inside):
            text = "no record says how it was made"
            remedy = _remedy(study, f"Put {place.rstrip('/')}{SUFFIX} back", place)
            yield Finding("no record", (place,), text, remedy)
        else:
            text = "no job of this study wrote it"
            remedy = f"Move it out of {study.folder}, or: {_removal(study, place)}"
            yield Finding("foreign", (place,), text, remedy)
    for file in sorted(named - set(study.made) - set(files)):
        if not _covered(file, spoken_for):
            text = "it is not there, nor its record"
            yield Finding("missing", (file,), text, _remedy(study, _BACK))


def _covered(file: str, artifacts: set[str]) -> bool:
    return file in artifacts or any(str(folder) in artifacts for folder in Path(file).parents)


def _inputs(study: Study, contents: dict[str, str], x_rays: list[Input]) -> Iterator[Finding]:
    """Yields jobs whose inputs in the study are not what their makers' records say."""
    for recorded in study.jobs:
        inputs = [*recorded.inputs, *(x_rays if recorded.artifact == INDEX else ())]
        if recorded.misplaced:
            continue
        changed = []
        for read in (i for i in inputs if i.inside):
            now = study.made.get(read.path)
            if study.is_stranger(recorded) and read.path not in contents:
                changed.append(f"{read.path}, which is not here")
            elif now is not None and now != read.sha256:
                changed.append(f"{read.path} (then {read.sha256[:12]}, now {now[:12]})")
        if not changed:
            continue
        files, text = tuple(study.siblings(recorded)), f"made from another {_first(changed)}"
        if study.is_stranger(recorded):
            remedy = _remedy(study, f"Move it out of {study.folder}", *files)
            yield Finding("foreign", files, f"it is of {recorded.prefix}: {text}", remedy)
        else:
            yield Finding("stale", files, text, _remedy(study, _BACK, *files))


def _raw(study: Study, inputs: list[Input], contents: dict[str, str]) -> Iterator[Finding]:
    absent = []
    for read in dict.fromkeys((i.path, i.sha256) for i in inputs if not i.inside):
        path, digest = read
        if path not in contents:
            absent.append(path)
        elif contents[path] != digest:
            text = f"its content is {contents[path][:12]}, the study was made from {digest[:12]}"
            yield Finding("edited", (path,), text, _remedy(study, _BACK))
    if absent:
        text = f"{len(absent)} raw files were not read"
        yield Finding("not checked", tuple(absent), text, "Give their folder as --root.")


@cache
def _code_here(stage: str) -> dict[str, str]:
    try:
        return code_of(stage)
    except OSError:
        return {}  # a stage of another version


def _code(study: Study) -> Iterator[Finding]:
    """Yields artifacts made by other code than the others, or than that here."""
    versions: dict[str, dict[str, str]] = defaultdict(dict)
    here: dict[str, str] = {}
    jobs = [r for r in study.jobs if not study.is_stranger(r)]
    for recorded in jobs:  # the newest comes last
        here |= _code_here(recorded.stage)
        for name, digest in recorded.record["code"]["definitions"].items():
            versions[name].pop(digest, None)
            versions[name][digest] = recorded.artifact
    right = {
        name: here[name] if here.get(name) in of else next(reversed(of))
        for name, of in versions.items()
    }
    for recorded in jobs:
        files = tuple(study.siblings(recorded))
        code = recorded.record["code"]["definitions"]
        odd = [name for name, digest in code.items() if digest != right[name]]
        now = _code_here(recorded.stage)
        changed = [name for name in {**code, **now} if code.get(name) != now.get(name)]
        if odd:
            text = f"another version of {_first(odd)} than in {versions[odd[0]][right[odd[0]]]}"
            yield Finding("mixed code", files, text, _remedy(study, _BACK, *files))
        elif changed:
            text = f"here {recorded.stage} has other code: {_first(changed)}"
            yield Finding("other code", files, text, "To repeat it, check out its commit.")


def _circumstances(study: Study) -> Iterator[Finding]:
    """Yields seeds, packages and commits that are not alike over the study."""
    jobs = [r for r in study.jobs if not study.is_stranger(r)]
    seeds = Counter(r.record["seed"] for r in jobs if r.record["seed"] is not None)
    common = seeds.most_common(1)[0][0] if seeds else None
    software: dict[str, Counter] = defaultdict(Counter)
    for recorded in jobs:
        for package, version in recorded.record["software"].items():
            software[package][version] += 1
    for recorded in jobs:
        files, seed = tuple(study.siblings(recorded)), recorded.record["seed"]
        if seed not in (None, common):
            text = f"seed {seed}, others have {common}"
            yield Finding("other seed", files, text, "Fine if its entry sets a seed of its own.")
        usual = {p: of.most_common(1)[0][0] for p, of in software.items()}
        odd = [
            f"{package} {version}, others {usual[package]}"
            for package, version in recorded.record["software"].items()
            if version != usual[package]
        ]
        if odd:
            text = "made with " + _first(odd)
            yield Finding("other software", files, text, "Compute a study in one environment.")
        git = recorded.record["git"]
        if git and git["dirty"]:
            text = f"commit {git['commit'][:12]} with changes {git['changes'][:12]}"
            yield Finding("uncommitted code", files, text, "Commit before a study that counts.")


def _together(findings: Iterable[Finding]) -> list[Finding]:
    """Makes one finding of those that differ in their files alone."""
    groups: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for finding in findings:
        groups[finding.kind, finding.found, finding.remedy] += finding.files
    return [
        Finding(kind, tuple(dict.fromkeys(files)), found, remedy)
        for (kind, found, remedy), files in groups.items()
    ]


_BACK = "Put it back"


def _remedy(study: Study, first: str, *places: str) -> str:
    """Returns what to do: `first`, or what makes files of the study again, ready to be pasted.

    No command makes a study that lies in another folder than the one that its jobs wrote to.
    """
    home = os.path.abspath(study.folder)
    if not (study.prefix and is_tail(study.prefix, home)):
        return f"{first}."
    typed = (r.record.get("workflow") for r in reversed(study.jobs))
    command = next(filter(None, typed), "snakemake --configfile CONFIG")
    there = home.removesuffix(study.prefix) or "."
    if not os.path.samefile(there, "."):
        command = f"(cd {shlex.quote(there)} && {command})"
    removal = f"{_removal(study, *places)} && " if places else ""
    return f"{first}, or make it again: {removal}{command}"


def _removal(study: Study, *places: str) -> str:
    paths = (os.fspath(study.folder / place) for place in places)
    return shlex.join(["rm", "-r", *(f"./{p}" if p.startswith("-") else p for p in paths)])


def _first(names: Sequence[Any]) -> str:
    return f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else str(names[0])
