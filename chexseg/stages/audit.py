"""Checks the files of a study against their records, and traces where a number came from."""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import tyro

from chexseg.audit.audit import Audit, Finding, audit
from chexseg.audit.crate import check_place, write_crate
from chexseg.audit.lineage import as_text, check, inputs_of_rows, lineage_of, rows_of, walk
from chexseg.audit.study import Study, study_of
from chexseg.errors import Problems, one_line
from chexseg.files.sizes import size_text

_MOST = 3
"""Maximum number of files listed in a line; --json lists all."""


def run(
    *,
    path: Annotated[Path, tyro.conf.Positional],
    row: str = "",
    root: Path | None = None,
    xrays: bool = True,
    crate: Path | None = None,
    copy_files: bool = False,
    json: bool = False,
) -> None:
    """Audit a study, or check the lineage of an artifact.

    For a folder, which is a study, every file is hashed again and compared with its record, and the
    records are compared with each other and with the code of this checkout. The folder may have
    been moved; raw data that are not found are reported as not checked.

    For a file, which is an artifact, its lineage is printed as a tree, back to the X-rays. The
    artifact and all artifacts that led to it are hashed, and differences from the records are
    marked.

    The exit code is 0 if there are no errors (but maybe warnings), 1 for errors, and 2 if the path
    is not a study.

    Args:
        path: Folder of a study, such as results/demo, or an artifact.
        row: First cells of a row of the artifact, a CSV, such as `chexseg,Edema`; prints its
            lineage.
        root: Current folder of the raw data, if they have moved.
        xrays: Also hash the X-rays that the index lists.
        crate: Write the study as a Workflow Run RO-Crate, FILE.zip, if it has no errors.
        copy_files: Copy the artifacts into the crate; otherwise it lists only their digests.
        json: Print everything as JSON.

    Raises:
        InputError: the path is neither a study nor an artifact of one, or there is no such row.
    """
    whole, problems = path.is_dir(), Problems()
    if row and whole:
        problems.add("--row", "a folder", "an artifact", "Pass results/STUDY/summary.csv.")
    if crate is not None and not whole:
        problems.add("--crate", "an artifact", "the folder of a study", "Pass results/STUDY.")
    if copy_files and crate is None:
        problems.add("--copy-files", "no --crate", "a crate to copy into", "Add --crate NEW.zip.")
    problems.raise_if_any()
    if not whole:
        sound = _lineage(path, row, root, as_json=json)
    else:
        study = Study(path)
        if crate is not None:
            check_place(study, crate)
        result = audit(study, root=root, x_rays=xrays)
        print(_as_json(result) if json else _report(result))
        sound = not any(finding.is_error for finding in result.findings)
        if crate is not None and sound:
            write_crate(study, crate, copy_files=copy_files)
        elif crate is not None:
            print("No crate was written: the study has errors. Fix them first.", file=sys.stderr)
    if not sound:
        sys.exit(1)


def _lineage(path: Path, row: str, root: Path | None, *, as_json: bool) -> bool:
    """Prints a lineage, and returns whether it is free of errors."""
    study, artifact = study_of(path)
    maker = study.recorded[artifact]
    rows = rows_of(path, row) if row else []
    only = inputs_of_rows(maker, rows) if row else None
    target = lineage_of(study, artifact, only)
    hashed, absent = check(study, target, root)
    nodes = walk(target)
    faulty = sum(bool(node.errors) for node in nodes)
    if as_json:
        content = {"rows": rows, "artifacts": [node.as_dict() for node in nodes]}
        print(json.dumps({**content, "hashed": hashed, "not_checked": absent}, indent=1))
        return not faulty
    for each in rows:
        print(one_line(", ".join(f"{name} {cell}" for name, cell in each.items())))
    if rows:
        print()
    if only is not None:
        left = sum(i.path not in only for i in maker.inputs)
        print(one_line(f"({left} other inputs of {artifact} do not affect this row)"))
    print(as_text(study, target))
    print(f"\n{_plural(hashed, 'file')} hashed" + f", {absent} raw not found" * bool(absent) + ".")
    if faulty:
        audit_of = one_line(f"chexseg audit {shlex.quote(str(study.folder))}")
        print(
            f"ERROR  {faulty} of {_plural(len(nodes), 'artifact')} in this lineage differ from their"
            f" records, as marked above. For remedies, run: {audit_of}"
        )
    else:
        print("Every artifact matches its own record and the records of the jobs that read it.")
    return not faulty


def facts_of(result: Audit) -> dict[str, str]:
    """Returns the facts that an audit prints: what was checked, and how the study was made."""
    study, jobs = result.study, result.study.jobs
    records = [job.record for job in jobs]
    missing = result.x_rays - result.x_rays_checked
    seconds = timedelta(seconds=round(sum(r["seconds"] for r in records)))
    return {
        "artifacts": f"{len(study.recorded)}, {len(study.made)} files, by {len(jobs)} jobs",
        "hashed": f"{len(result.hashed.contents)} files, {size_text(result.hashed.bytes)}",
        "X-rays": f"{result.x_rays_checked} checked" + f", {missing} not" * bool(missing),
        "seeds": _counted(r["seed"] for r in records if r["seed"] is not None),
        "commits": _counted(_commit(r["git"]) for r in records),
        "machines": _counted(f"{r['machine']['host']}: {r['machine']['cpu']}" for r in records),
        "software": _counted(f"torch {r['software'].get('torch')}" for r in records),
        "computed in": f"{seconds} h, peak memory {max(r['peak_memory_mb'] for r in records)} MB",
    }


def _report(result: Audit) -> str:
    folder = result.study.folder
    lines = [_line_of(folder, finding) for finding in result.findings]
    lines += [""] * bool(lines) + [one_line(str(folder))]
    lines += [f"  {name:<12} {one_line(fact)}" for name, fact in facts_of(result).items()]
    errors = sum(finding.is_error for finding in result.findings)
    warnings = len(result.findings) - errors
    verdict = "Every file matches its record, and every input is recorded."
    counts = f"{_plural(errors, 'error')}, {_plural(warnings, 'warning')}."
    lines.append(f"{counts} {'' if errors else verdict}".rstrip())
    return "\n".join(lines)


def _line_of(folder: Path, finding: Finding) -> str:
    level = "ERROR  " if finding.is_error else "warning"
    inside = finding.kind != "not checked"
    named = [str(folder / file) if inside else file for file in finding.files[:_MOST]]
    more = len(finding.files) - len(named)
    files = ", ".join(named) + (f" and {more} more" if more else "")
    return one_line(f"{level} {finding.kind}: {files}: {finding.found}. {finding.remedy}")


def _as_json(result: Audit) -> str:
    findings = [{"error": each.is_error, **dataclasses.asdict(each)} for each in result.findings]
    content = {"folder": str(result.study.folder), "facts": facts_of(result), "findings": findings}
    return json.dumps(content, indent=1)


def _commit(git: dict[str, Any] | None) -> str:
    return "none" if git is None else git["commit"][:12] + " with changes" * git["dirty"]


def _counted(facts: Iterable[Any]) -> str:
    counts = Counter(facts).most_common()
    return ", ".join(f"{fact} ({number} jobs)" for fact, number in counts) or "none"


def _plural(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"
