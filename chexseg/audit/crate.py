"""Exports a study as an RO-Crate (profile Workflow Run Crate 0.5), from its records.

Sources: https://www.researchobject.org/workflow-run-crate/profiles/0.5/workflow_run_crate, and
RFC 6920 for the names of files that are not in the crate.
"""

from __future__ import annotations

import base64
import mimetypes
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from chexseg.audit.recorded import Recorded
from chexseg.audit.study import INDEX, Study
from chexseg.errors import InputError, Problem
from chexseg.files.atomic import atomic, check_writable
from chexseg.provenance.code import PACKAGE
from chexseg.provenance.digests import sha256_of_files
from chexseg.provenance.record import Record, record_path

_SNAKEFILE = PACKAGE.parent / "Snakefile"
RO_CRATE = "1.1"
"""Version of RO-Crate on which the profiles are based."""
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
TERMS = "https://w3id.org/ro/terms/workflow-run/context"
"""Defines `sha256`, which RO-Crate 1.1 lacks."""
LICENSE = "MIT for the workflow; the terms of the data apply to the data and all derived files"


def write_crate(study: Study, target: Path, *, copy_files: bool = False) -> None:
    """Writes a study as an RO-Crate, without auditing it.

    The files of the workflow and the records are copied. Artifacts and raw data are described by
    name, size and SHA-256, under a URI `ni:///sha-256;...` that identifies their content. X-rays
    are never copied: they form one collection, with the digest of their digests.

    Args:
        study: the records of the study.
        target: a file `*.zip`.
        copy_files: whether to copy the artifacts, too.

    Raises:
        InputError: the crate cannot be written there, or this is not a checkout with a Snakefile.
    """
    check_place(study, target)
    crate = _Crate(study, copy_files)
    crate.add_workflow(_SNAKEFILE)
    crate.add_jobs()
    crate.unwrap()
    with atomic(target) as temporary:
        crate.crate.write_zip(temporary)


def check_place(study: Study, target: Path) -> None:
    """Raises InputError if a crate of the study cannot be written there; see `write_crate`."""
    if not _SNAKEFILE.is_file():
        found, remedy = "no Snakefile next to the package", "Run it from a checkout of CheXseg."
        raise InputError([Problem(str(_SNAKEFILE), found, "the workflow", remedy)])
    inside = target.resolve().is_relative_to(study.folder.resolve())
    if inside or target.is_dir() or target.suffix != ".zip":
        found = "a place inside the study" if inside else "no name of a zip file"
        expected = "a new file *.zip, outside the study"
        raise InputError([Problem(str(target), found, expected, "Choose another path.")])
    check_writable(target.parent)


class _Crate:
    """Builds a crate; entities are added when a job first uses them."""

    def __init__(self, study: Study, copy_files: bool):
        from rocrate.rocrate import ROCrate

        self.study, self.copy_files = study, copy_files
        self.crate, self.read = ROCrate(version=RO_CRATE), set[str]()
        self.crate.metadata.extra_contexts.append(TERMS)
        self.files: dict[str, Any] = {}
        root, name = self.crate.root_dataset, study.folder.absolute().name
        root["name"] = f"CheXseg study {name}"
        root["description"] = f"How study {name} was computed: by {len(study.jobs)} jobs."
        root["license"] = self.about("#license", {"@type": "CreativeWork", "name": LICENSE})
        root["datePublished"] = max(_end(job.record) for job in study.jobs)
        root["conformsTo"] = [
            self.about(uri, {"@type": "CreativeWork", "name": name, "version": uri.split("/")[-1]})
            for uri, name in PROFILES.items()
        ]

    def about(self, identifier: str, properties: dict[str, Any]) -> Any:
        """Adds an entity that is not a file."""
        from rocrate.model import ContextEntity

        return self.crate.add(ContextEntity(self.crate, identifier, properties))

    def add_workflow(self, snakefile: Path) -> None:
        """Adds the Snakefile as the main entity, and the files that it includes."""
        self.workflow = self.crate.add_workflow(
            snakefile, "Snakefile", main=True, lang="snakemake",
            properties={
                "name": "CheXseg",
                "version": self.study.jobs[-1].record["software"].get("chexseg", ""),
            },
        )  # fmt: skip
        folder = snakefile.parent
        self.workflow["license"] = self.crate.get("#license")
        for path in sorted((folder / "workflow" / "rules").glob("*.smk")):
            place, text = path.relative_to(folder).as_posix(), {"encodingFormat": "text/x-python"}
            rules = self.crate.add_file(path, place, properties=text)
            rules["isPartOf"] = self.workflow

    def add_jobs(self) -> None:
        """Adds every job as an action, and the run of the workflow that they belong to."""
        jobs = self.study.jobs
        self.read = {read.path for job in jobs for read in job.inputs}
        actions = [
            self.crate.add_action(
                self.tool(job), f"#job-{number}",
                object=self.inputs(job), result=self.outputs(job),
                properties={
                    "name": f"{job.stage} of {job.artifact}",
                    "description": job.record["command"],
                    "startTime": job.record["started"],
                    "endTime": _end(job.record),
                    "actionStatus": "http://schema.org/CompletedActionStatus",
                },
            )
            for number, job in enumerate(jobs, 1)
        ]  # fmt: skip
        root, made = self.crate.root_dataset, self.study.made
        whole = {"name": f"run of {root['name']}", "description": root["description"]}
        whole |= {"startTime": jobs[0].record["started"], "endTime": root["datePublished"]}
        raw = [entity for path, entity in self.files.items() if path not in made]
        last = [self.files[path] for path in self.files if path in made and path not in self.read]
        files = {"object": raw, "result": last}
        run = self.crate.add_action(self.workflow, "#run", **files, properties=whole)
        root["mentions"] = [run, *actions]

    def tool(self, job: Recorded) -> Any:
        """Returns the tool that a job ran: one per version of a stage's code."""
        code, software = job.record["code"]["digest"], job.record["software"]
        identifier = f"#{job.stage}-{code[:12]}"
        return self.crate.get(identifier) or self.about(identifier, {
            "@type": "SoftwareApplication",
            "name": f"chexseg {job.stage}",
            "softwareVersion": software.get("chexseg", ""),
            "identifier": code,
            "softwareRequirements": [f"{name}=={number}" for name, number in software.items()],
        })  # fmt: skip

    def inputs(self, job: Recorded) -> list[Any]:
        """Returns what a job read: files, X-rays and settings."""
        objects = [self.file(read.path, read.sha256) for read in job.inputs]
        if job.artifact == INDEX and (x_rays := self.study.x_rays()):
            digest = sha256_of_files({i.path: i.sha256 for i in x_rays})
            objects.append(self.about("#x-rays", {
                "@type": "Collection",
                "name": f"{len(x_rays)} X-rays",
                "description": f"digest of their digests: {digest}",
            }))  # fmt: skip
        for name, value in job.record["settings"].items():
            identifier = f"#{job.stage}-{name}-{quote(value, safe='')}"
            about = {"@type": "PropertyValue", "name": name, "value": value}
            objects.append(self.crate.get(identifier) or self.about(identifier, about))
        return objects

    def outputs(self, job: Recorded) -> list[Any]:
        """Returns what a job wrote; for a folder, the files that other jobs read."""
        own = {*self.study.siblings(job)}
        wanted = {f: d for f, d in job.outputs.items() if f in own or f in self.read}
        return [self.file(file, digest) for file, digest in wanted.items()]

    def file(self, path: str, digest: str) -> Any:
        """Returns the entity of a file of the study or of a raw data file."""
        from rocrate.model import DataEntity

        if path in self.files:
            return self.files[path]
        inside = path in self.study.made
        place = self.study.folder / path if inside else self.study.find(path)
        properties: dict[str, Any] = {"@type": "File", "name": path, "sha256": digest}
        if form := mimetypes.guess_type(path)[0]:
            properties["encodingFormat"] = form
        if place is not None and place.is_file():
            properties["contentSize"] = str(place.stat().st_size)
        if self.copy_files and inside and place.is_file():
            entity = self.crate.add_file(place, path, properties=properties)
        else:
            number = base64.urlsafe_b64encode(bytes.fromhex(digest)).rstrip(b"=").decode()
            identifier = f"ni:///sha-256;{number}"
            if entity := self.crate.get(identifier):  # two files with the same content
                entity.append_to("alternateName", path)
            else:
                entity = self.crate.add(DataEntity(self.crate, identifier, properties))
        if inside:
            self.add_record(self.study.maker[path], entity)
        self.files[path] = entity
        return entity

    def add_record(self, artifact: str, entity: Any) -> None:
        """Copies the record of an artifact."""
        source = record_path(self.study.folder / artifact)
        name = f"records/{source.relative_to(self.study.folder).as_posix()}"
        about = {"name": f"record of {artifact}", "encodingFormat": "application/json"}
        record = self.crate.get(name) or self.crate.add_file(source, name, properties=about)
        record.append_to("about", entity)

    def unwrap(self) -> None:
        """Replaces lists of one element by the element, as RO-Crate recommends."""
        for entity in self.crate.get_entities():
            for key, value in list(entity.items()):
                if isinstance(value, list) and len(value) == 1 and not key.startswith("@"):
                    entity[key] = value[0]


def _end(record: Record) -> str:
    end = datetime.fromisoformat(record["started"]) + timedelta(seconds=record["seconds"])
    return end.isoformat(timespec="seconds")
