"""How a study was computed: code, commits, seeds and packages that are not alike over it."""

from __future__ import annotations

import shlex
from collections import Counter, defaultdict
from collections.abc import Iterator

from chexseg.audit.findings import BACK, Finding, first_of, remedy_of
from chexseg.audit.study import Recorded, Study
from chexseg.provenance.code import code_of
from chexseg.provenance.record import flags_of


def _code_here(recorded: Recorded) -> dict[str, str]:
    """Returns the code by which the checkout here would make an artifact."""
    words = shlex.split(recorded.record["command"])[2:]
    try:
        return code_of(recorded.stage, flags_of(words))
    except (OSError, KeyError):
        return {}  # a stage or a method of another version


def code_findings(study: Study) -> Iterator[Finding]:
    """Yields artifacts made by other code than the others, or than that here."""
    versions: dict[str, dict[str, str]] = defaultdict(dict)
    here: dict[str, str] = {}
    jobs = [r for r in study.jobs if not study.is_stranger(r)]
    for recorded in jobs:  # the newest comes last
        here |= _code_here(recorded)
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
        now = _code_here(recorded)
        changed = [name for name in {**code, **now} if code.get(name) != now.get(name)]
        if odd:
            text = f"another version of {first_of(odd)} than in {versions[odd[0]][right[odd[0]]]}"
            yield Finding("mixed code", files, text, remedy_of(study, BACK, *files))
        elif changed:
            text = f"here {recorded.stage} has other code: {first_of(changed)}"
            yield Finding("other code", files, text, "To repeat it, check out its commit.")


def circumstances(study: Study) -> Iterator[Finding]:
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
            text = "made with " + first_of(odd)
            yield Finding("other software", files, text, "Compute a study in one environment.")
        git = recorded.record["git"]
        if git is None:
            text = "git knew no commit of the code"
            remedy = "Compute a study that counts in a clone of the repository."
            yield Finding("unknown code state", files, text, remedy)
        elif git["dirty"]:
            text = f"commit {git['commit'][:12]} with changes {git['changes'][:12]}"
            yield Finding("uncommitted code", files, text, "Commit before a study that counts.")
