"""Checks how a study was computed: code, commits, packages and machines that differ."""

from __future__ import annotations

import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from chexseg.audit.findings import Finding, first_of, restore
from chexseg.audit.recorded import Recorded
from chexseg.audit.study import Study
from chexseg.provenance.code import code_of
from chexseg.provenance.machine import kind_of
from chexseg.provenance.record import flags_of


def circumstances(study: Study) -> Iterator[Finding]:
    """Yields artifacts of other code, packages or machines than the rest of the study."""
    jobs = [r for r in study.jobs if not study.is_stranger(r)]
    newest = {
        name: (digest, recorded.artifact)
        for recorded in jobs  # the newest comes last
        for name, digest in recorded.record["code"]["definitions"].items()
    }
    packages = _usual(r.record["software"] for r in jobs)
    # Compared per stage: other stages may not use a GPU, or not load the packages.
    machines = {
        stage: _usual(kind_of(r.record["machine"]) for r in jobs if r.stage == stage)
        for stage in {r.stage for r in jobs}
    }
    for recorded in jobs:
        files, record = tuple(study.siblings(recorded)), recorded.record
        code, here = record["code"]["definitions"], _code_here(recorded)
        changed = [name for name in {**code, **here} if code.get(name) != here.get(name)]
        if odd := [name for name, digest in code.items() if digest != newest[name][0]]:
            text = f"another version of {first_of(odd)} than in {newest[odd[0]][1]}"
            yield Finding("mixed code", files, text, restore(study))
        elif changed:
            text = f"{recorded.stage} has different code here: {first_of(changed)}"
            yield Finding("other code", files, text, "To reproduce it, check out its commit.")
        if odd := _differences(record["software"], packages):
            remedy = "Compute a study in one environment."
            yield Finding("other software", files, f"made with {first_of(odd)}", remedy)
        if odd := _differences(kind_of(record["machine"]), machines[recorded.stage]):
            text = f"made on another kind of machine: {'; '.join(odd)}"
            remedy = "Last digits depend on the machine: compare runs from one kind of machine."
            yield Finding("other machine", files, text, remedy)
        git = record["git"]
        if git is None:
            remedy = "For results that matter, run the study in a clone of the repository."
            yield Finding("unknown code state", files, "git had no commit of the code", remedy)
        elif git["dirty"]:
            text = f"commit {git['commit'][:12]} with changes {git['changes'][:12]}"
            remedy = "Commit the code before runs that matter."
            yield Finding("uncommitted code", files, text, remedy)


def _code_here(recorded: Recorded) -> dict[str, str]:
    """Returns the code with which this checkout would make an artifact."""
    words = shlex.split(recorded.record["command"])[2:]
    try:
        return code_of(recorded.stage, flags_of(words))
    except (OSError, KeyError):
        return {}  # a stage or method that does not exist in this version


def _usual(described: Iterable[dict[str, str]]) -> dict[str, str]:
    """Returns the most frequent value of each key."""
    counts: dict[str, Counter] = defaultdict(Counter)
    for each in described:
        for key, value in each.items():
            counts[key][value] += 1
    return {key: values.most_common(1)[0][0] for key, values in counts.items()}


def _differences(found: dict[str, str], usual: dict[str, str]) -> list[str]:
    return [
        f"{key} {value or 'none'}, others {usual[key] or 'none'}"
        for key, value in found.items()
        if value != usual[key]
    ]
