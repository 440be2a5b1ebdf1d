"""A study as described by its records: which job made which file, from which inputs.

This module does not need Snakemake, and works the same for a study copied to another machine.
"""

from __future__ import annotations

import csv
import os
import re
import shlex
from collections import Counter
from functools import cached_property
from pathlib import Path

from chexseg.audit.files import is_companion, is_in, list_files, place_from, reason_of
from chexseg.audit.recorded import Input, Recorded, is_tail
from chexseg.errors import InputError, Problem
from chexseg.provenance.form import SUFFIX, load
from chexseg.provenance.record import record_path

INDEX = "index.csv"
_SHARD = re.compile(r"(^|/)\d{4}(\.\w+)$")


class Study:
    """Holds the records of a study.

    Args:
        folder: folder of the study.

    Attributes:
        recorded: artifact -> its record, in the order of paths.
        damaged: record -> what is wrong with it.
        closed: folder or record -> why it was not read.
        made: file -> digest, according to the record of its artifact.
        maker: file -> artifact that it belongs to.

    Raises:
        InputError: the folder does not exist or has no record.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.recorded: dict[str, Recorded] = {}
        self.damaged: dict[str, str] = {}
        self._places, self.closed = list_files(self.folder)
        for place in self._places:
            if place.endswith(SUFFIX):
                artifact = place.removesuffix(SUFFIX)
                try:
                    self.recorded[artifact] = Recorded(artifact, load(self.folder / place))
                except OSError as error:
                    self.closed[place] = reason_of(error)
                except ValueError as error:
                    self.damaged[place] = str(error)
        if not self.recorded or all("/" in place for place in [*self.recorded, *self.damaged]):
            wrong = [*self.closed.values(), *self.damaged.values()]
            found = "no valid record at the top level" + (f" ({wrong[0]})" if wrong else "")
            remedy = "Pass the folder of one study, and restore or permit reading its records."
            expected = "the folder of a study, such as results/demo"
            raise InputError([Problem(str(folder), found, expected, remedy)])
        self.made = {file: digest for r in self._placed() for file, digest in r.own.items()}
        self.maker = {file: r.artifact for r in self._placed() for file in r.own}

    def _placed(self) -> list[Recorded]:
        return [r for r in self.recorded.values() if not r.misplaced]

    @cached_property
    def prefix(self) -> str:
        """Folder of the study as passed to most jobs."""
        prefixes = Counter(r.prefix for r in self.recorded.values() if r.prefix)
        return prefixes.most_common(1)[0][0] if prefixes else ""

    @cached_property
    def jobs(self) -> list[Recorded]:
        """One record per job, in the order in which the jobs began."""
        jobs: dict[tuple[str, str], Recorded] = {}
        for recorded in self.recorded.values():
            jobs.setdefault(recorded.job, recorded)
        return sorted(jobs.values(), key=lambda r: (r.record["started"], r.artifact))

    def is_stranger(self, recorded: Recorded) -> bool:
        """Returns whether an artifact was made in the folder of another study."""
        return bool(recorded.prefix and self.prefix and recorded.prefix != self.prefix)

    def siblings(self, recorded: Recorded) -> list[str]:
        """Returns the artifacts that the same job made, including this one."""
        return [a for a, other in self.recorded.items() if other.job == recorded.job]

    def files(self) -> list[str]:
        """Returns the files in the folder of the study, without records and companions.

        They include dangling links.
        """
        return [
            place
            for place in self._places
            if not place.endswith(SUFFIX) and (place in self.made or not is_companion(place))
        ]

    def x_rays(self, root: Path | None = None) -> list[Input]:
        """Returns the X-rays that the index lists; empty if there is no valid index.

        Args:
            root: current folder of the data, if they have moved.
        """
        if INDEX not in self.recorded:
            return []
        given = self.recorded[INDEX].record["folders"].get("root", "")
        inside = is_in(os.path.normpath(given), self.prefix) if self.prefix else False
        place = os.path.relpath(given, self.prefix) if inside else str(root or given)
        try:
            with open(self.folder / INDEX, newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
        except (OSError, ValueError, csv.Error):
            return []
        return [
            Input("X-ray", place_from(place, row["path"]), inside, row["sha256"])
            for row in rows
            if row.get("sha256") and row.get("path")
        ]

    def find(self, path: str, root: Path | None = None) -> Path | None:
        """Finds a raw data file by the path passed to the job; None if it does not exist.

        Args:
            path: absolute, or relative to the folder in which Snakemake ran.
            root: current folder of the data, if they have moved.
        """
        places = [Path(path)]
        home = os.path.abspath(self.folder)
        if self.prefix and is_tail(self.prefix, home):
            places.insert(0, Path(home.removesuffix(self.prefix)) / path)
        if root is not None and INDEX in self.recorded:
            before = self.recorded[INDEX].record["folders"].get("root", "")
            if before and is_in(path, before):
                places.insert(0, root / os.path.relpath(path, before))
        return next((place for place in places if os.path.isfile(place)), None)


def study_of(path: str | Path) -> tuple[Study, str]:
    """Returns the study that contains an artifact, and the artifact's path in it.

    Raises:
        InputError: the artifact does not exist, or has no record.
    """
    path = Path(path)
    folders = [f for f in path.absolute().parents if os.path.exists(record_path(f / INDEX))]
    if not (os.path.exists(path) and folders):
        found = "no such file, or one outside a study"
        expected = f"an artifact of a study (a folder with {INDEX} and its record)"
        raise InputError([Problem(str(path), found, expected, "Correct the path.")])
    folder = os.path.relpath(folders[0]) if not path.is_absolute() else folders[0]
    study, place = Study(folder), path.absolute().relative_to(folders[0]).as_posix()
    place = study.maker.get(place, place)
    if place not in study.recorded:
        remedy = f"To see what is wrong, run: chexseg audit {shlex.quote(str(folder))}"
        raise InputError([Problem(str(path), "no valid record", "a record next to it", remedy)])
    return study, place


def store_of(path: str) -> str:
    """Returns the display name of a file: `images/*.h5` for a shard, else its path."""
    return _SHARD.sub(r"\1*\2", path)


def entry_of(path: str) -> str:
    """Returns the name of the entry that an artifact belongs to: `full`, `gradcam`, `images`."""
    parts = Path(store_of(path)).parts
    name = parts[1] if len(parts) > 1 and "*" not in parts[1] else parts[0]
    return name if len(parts) > 2 else Path(name).stem  # a folder may have dots in its name
