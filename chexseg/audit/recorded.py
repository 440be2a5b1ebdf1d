"""An artifact of a study with its record, with all paths relative to the study."""

from __future__ import annotations

import os
import shlex
from typing import NamedTuple

from chexseg.audit.files import is_in, place_from
from chexseg.provenance.form import Record
from chexseg.provenance.record import entries, flags_of


class Input(NamedTuple):
    """Describes a file that a job read."""

    role: str
    path: str
    """Path relative to the study; for raw data outside the study, the path passed to the job."""
    inside: bool
    sha256: str


class Recorded:
    """Combines an artifact of a study with the content of its record.

    Args:
        artifact: the file or folder next to the record, relative to the study.
        record: its record, which must be valid.

    Attributes:
        outputs: file -> digest, for everything that the job wrote; folders are listed file by file.
        own: the entries of `outputs` that belong to this artifact.
        given: path of the artifact as passed to the job; "" if the record has no such output.
        together: all artifacts that the job wrote, including this one.
        inputs: the files that the job read.
    """

    def __init__(self, artifact: str, record: Record):
        self.artifact, self.record, self.stage = artifact, record, record["stage"]
        flags = flags_of(shlex.split(record["command"])[2:])
        outputs, here = record["outputs"], os.path.dirname(artifact)
        self.outputs = {place_from(here, e["path"]): e["sha256"] for e in entries(outputs)}
        self.own = {f: d for f, d in self.outputs.items() if is_in(f, artifact)}
        places = {role: place_from(here, listed[0]["path"]) for role, listed in outputs.items()}
        self.together = list(places.values())
        roles = [role for role, place in places.items() if place == artifact]
        self.given = next((flags[r][0] for r in roles if flags.get(r)), "")
        self.inputs: list[Input] = []
        for role, listed in record["inputs"].items():
            words = flags.get(role, [])
            for number, entry in enumerate(listed):
                path = place_from(here, entry["path"])
                inside = not (os.path.isabs(path) or path.startswith(".."))
                if not inside and len(words) == len(listed):
                    path = words[number]
                self.inputs.append(Input(role, path, inside, entry["sha256"]))

    @property
    def job(self) -> tuple[str, str]:
        """Key that all records of one job share."""
        return self.record["command"], self.record["started"]

    @property
    def misplaced(self) -> bool:
        """Whether the record belongs to an artifact of another name."""
        given = os.path.normpath(self.given) if self.given else self.artifact
        fits = is_tail(self.artifact, given) or is_tail(given, self.artifact)
        return not self.own or not fits

    @property
    def prefix(self) -> str:
        """Folder of the study as passed to the job, such as `results/demo`; "" if it was not."""
        given = os.path.normpath(self.given)
        whole = is_tail(self.artifact, given) and given != self.artifact
        return given.removesuffix(self.artifact).rstrip("/") if whole else ""


def is_tail(tail: str, path: str) -> bool:
    """Returns whether a path equals `tail` or ends with it, comparing whole names."""
    return path == tail or path.endswith("/" + tail)
