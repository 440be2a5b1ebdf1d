"""Checks the files of a study against their records, and traces where a number came from."""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import tyro

from chexseg.audit.audit import Audit, Finding, audit
from chexseg.audit.circumstances import compare
from chexseg.audit.crate import check_place, write_crate
from chexseg.audit.lineage import as_text, check, inputs_of_rows, lineage_of, rows_of, walk
from chexseg.audit.study import Study, study_of
from chexseg.errors import InputError, Problem, Problems, one_line
from chexseg.files.sizes import size_text
from chexseg.provenance.machine import kind_text

_MOST = 3
"""Maximum number of files listed in a line; --json lists all."""


def run(
    *,
    paths: Annotated[tuple[Path, ...], tyro.conf.Positional],
    row: str = "",
    root: Path | None = None,
    xrays: bool = True,
    crate: Path | None = None,
    copy_files: bool = False,
    json: bool = False,
) -> None:
    """Audit studies, or check the lineage of an artifact.

    For a folder, which is a study, every file is hashed again and compared with its record, and the
    records are compared with each other and with the code of this checkout. The folder may have
    been moved; raw data that are not found are reported as not checked. Several folders are
    treated as repeats of one study.

    For a file, which is an artifact, its lineage is printed as a tree, back to the X-rays. The
    artifact and all artifacts that led to it are hashed, and differences from the records are
    marked.

    The exit code is 0 if there are no errors (but maybe warnings), 1 for errors, and 2 if a path is
    not a study.

    Args:
        paths: Folders of studies, such as results/demo, or one artifact.
        row: First cells of a row of the artifact, a CSV, such as `chexseg,Edema`; prints its
            lineage.
        root: Current folder of the raw data, if they have moved.
        xrays: Also hash the X-rays that the index lists.
        crate: Write the study as a Workflow Run RO-Crate, FILE.zip, if it has no errors.
        copy_files: Copy the artifacts into the crate; otherwise it lists only their digests.
        json: Print everything as JSON.

    Raises:
        InputError: a path is neither a study nor an artifact of one, or there is no such row.
    """
    files = [path for path in paths if not path.is_dir()]
    if not paths or (files and len(paths) > 1) or (row and not files):
        found = " ".join(map(str, paths)) or "nothing"
        remedy = "Pass results/STUDY, or results/STUDY/summary.csv --row RUN,PATHOLOGY."
        raise InputError([Problem("paths", found, "folders of studies, or one artifact", remedy)])
    problems = Problems()
    if crate is not None and (files or len(paths) > 1):
        found = "an artifact" if files else "several studies"
        problems.add("--crate", found, "the folder of one study", "Write a crate for each study.")
    if copy_files and crate is None:
        problems.add("--copy-files", "no --crate", "a crate to copy into", "Add --crate NEW.")
    problems.raise_if_any()
    if files:
        sound = _lineage(files[0], row, root, as_json=json)
    else:
        studies = [Study(path) for path in paths]
        if crate is not None:
            check_place(studies[0], crate)
        sound = _audit(studies, root, xrays, as_json=json)
        if crate is not None and sound:
            write_crate(studies[0], crate, copy_files=copy_files)
        elif crate is not None:
            print("No crate was written: the study has errors. Fix them first.", file=sys.stderr)
    if not sound:
        sys.exit(1)


def _audit(studies: list[Study], root: Path | None, x_rays: bool, *, as_json: bool) -> bool:
    """Prints audits, and returns whether they are free of errors."""
    audits = [audit(study, root=root, x_rays=x_rays) for study in studies]
    between = compare(studies)
    if as_json:
        _print_json(audits, between)
    else:
        for each in audits:
            print(_report(each))
        for finding in between:
            print(_line_of(None, finding))
    findings = [finding for each in audits for finding in each.findings] + between
    return not any(finding.is_error for finding in findings)


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
    commits = Counter(_commit(record["git"]) for record in records)
    machines = Counter(
        f"{record['machine']['host']}: {kind_text(record['machine'])}" for record in records
    )
    versions = Counter(
        f"python {r['software'].get('python')}, torch {r['software'].get('torch')}" for r in records
    )
    return {
        "artifacts": f"{len(study.recorded)}, {len(study.made)} files",
        "records": f"{len(study.recorded)} valid, {len(study.damaged)} not, of {len(jobs)} jobs",
        "hashed": f"{len(result.contents)} files, {size_text(result.bytes)}",
        "X-rays": f"{result.x_rays_checked} checked" + f", {missing} not" * bool(missing),
        "code": f"{len({record['code']['digest'] for record in records})} digests of "
        f"{len({record['stage'] for record in records})} stages",
        "seeds": _counted(Counter(str(r["seed"]) for r in records if r["seed"] is not None)),
        "commits": _counted(commits),
        "machines": _counted(machines),
        "software": _counted(versions),
        "computed in": f"{timedelta(seconds=round(sum(r['seconds'] for r in records)))} h, "
        f"peak memory {max(r['peak_memory_mb'] for r in records)} MB",
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


def _line_of(folder: Path | None, finding: Finding) -> str:
    level = "ERROR  " if finding.is_error else "warning"
    inside = folder is not None and finding.kind != "not checked"
    named = [str(folder / file) if inside else file for file in finding.files[:_MOST]]
    more = len(finding.files) - len(named)
    files = ", ".join(named) + (f" and {more} more" if more else "")
    line = f"{level} {finding.kind}: {files}: {finding.found}. {finding.remedy}"
    return one_line(line)


def _print_json(audits: list[Audit], between: list[Finding]) -> None:
    def plain(finding: Finding) -> dict[str, Any]:
        return {"error": finding.is_error, **dataclasses.asdict(finding)}

    content = {
        "studies": [
            {
                "folder": str(each.study.folder),
                "facts": facts_of(each),
                "findings": [plain(finding) for finding in each.findings],
            }
            for each in audits
        ],
        "between": [plain(finding) for finding in between],
    }
    print(json.dumps(content, indent=1))


def _commit(git: dict[str, Any] | None) -> str:
    return "none" if git is None else git["commit"][:12] + " with changes" * git["dirty"]


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{what} ({number} jobs)" for what, number in counts.most_common()) or "none"


def _plural(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"
