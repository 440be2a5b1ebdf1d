"""Writes the record of every artifact: how it was made, with its inputs, settings and code.

The command line wraps the `run` of every stage in `recorded`. A record is a JSON file next to its
artifact, with the suffix `.provenance.json`; docs/provenance.md lists its keys. Paths inside the
study are relative to the record's folder, so a study can be moved.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import inspect
import json
import os
import platform
import resource
import shlex
import time
import typing
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chexseg.files.artifacts import EXECUTION, FOLDER, INPUT, OUTPUT, WORKFLOW, Execution
from chexseg.files.atomic import atomic, clear_leftovers
from chexseg.provenance.code import code_of
from chexseg.provenance.digests import Digests, Stamp, sha256_of_files, stamp
from chexseg.provenance.form import SUFFIX, VERSION, Record, load, seal_of
from chexseg.provenance.git import git_state
from chexseg.provenance.machine import machine

RUNNING = ".running.json"
PACKAGES = (
    *("chexseg", "torch", "torchvision", "lightning", "segmentation-models-pytorch", "numpy"),
    *("pandas", "scikit-image", "h5py", "pycocotools", "pillow", "torchmetrics", "snakemake"),
    *("scipy", "statsmodels"),
)
RANKS = ("RANK", "NODE_RANK", "LOCAL_RANK", "SLURM_PROCID")
"""Environment variables that hold the rank of a process in a distributed training."""


def record_path(artifact: str | Path) -> Path:
    """Returns the path of the record of an artifact."""
    artifact = Path(artifact)
    return artifact.with_name(artifact.name + SUFFIX)


def running_path(artifact: str | Path) -> Path:
    """Returns the path of the file that marks an artifact as being made."""
    artifact = Path(artifact)
    return artifact.with_name(f".{artifact.name}{RUNNING}")


def read_record(artifact: str | Path) -> tuple[Path, Record] | None:
    """Returns the record of an artifact, or of the artifact folder that contains the file.

    Returns:
        The path of the record and the record; None if there is no readable record.
    """
    for place in (Path(artifact), *Path(artifact).parents):
        path = record_path(place) if place.name else None
        if path and os.path.isfile(path):
            record = _load(path, stamp(path))
            return (path, record) if record else None
    return None


@functools.lru_cache(maxsize=256)
def _load(path: Path, _: Stamp) -> Record | None:
    with contextlib.suppress(OSError, ValueError):
        return load(path)
    return None


def known_content(path: Path) -> tuple[Stamp, str] | None:
    """Returns the stamp and digest of the file `path` according to its artifact's record, if any."""
    found = read_record(path)
    if found is None:
        return None
    place, record = found
    here = os.path.relpath(path, place.parent)
    for entry in entries(record["outputs"]):
        if entry["path"] == here:
            return tuple(entry["stamp"]), entry["sha256"]
    return None


def entries(files: dict[str, list[dict]]) -> Iterator[dict]:
    """Yields the entries of all files in `inputs` or `outputs`, with folders listed file by file."""
    for listed in files.values():
        for entry in listed:
            if "files" in entry:
                for name, (digest, *seen) in entry["files"].items():
                    yield {"path": f"{entry['path']}/{name}", "sha256": digest, "stamp": seen}
            else:
                yield entry


def recorded(stage: str, run: Callable[..., None], arguments: Sequence[str]) -> Callable[..., None]:
    """Wraps the `run` of a stage so that its outputs get a record when it has finished.

    Args:
        stage: command of the stage.
        run: its function; the types of its parameters mark outputs (`chexseg.files.artifacts`).
        arguments: the command line after the stage, from which settings are read.

    Returns:
        A function with the signature of `run`.
    """
    marks = marks_of(run)

    @functools.wraps(run)
    def run_and_record(**values: Any) -> None:
        if any(os.environ.get(rank, "0") != "0" for rank in RANKS):
            run(**values)
            return  # in a distributed training, only the first process writes records
        digests, began, start = Digests(), datetime.now(UTC), time.perf_counter()
        outputs = {k: _paths(values[k]) for k, m in marks.items() if m == OUTPUT and values.get(k)}
        inputs = {k: _paths(values[k]) for k, m in marks.items() if m == INPUT and k in values}
        before = {
            k: [_entry(p, digests) for p in paths if p.exists()] for k, paths in inputs.items()
        }
        # Taken now, when the code was loaded, since it may be edited while the stage runs.
        code, git = code_of(stage, flags_of(arguments)), git_state()
        digest = hashlib.sha256(json.dumps(code).encode()).hexdigest()
        with _running([path for paths in outputs.values() for path in paths], began):
            run(**values)
        settings = settings_of(arguments, without=(*marks, *EXECUTION))
        record: Record = {
            "version": VERSION,
            "stage": stage,
            "command": shlex.join(["chexseg", stage, *arguments]),
            "workflow": os.environ.get(WORKFLOW),
            "settings": settings,
            "seed": int(settings["seed"]) if "seed" in settings else None,
            "execution": {k: str(v) for k, v in _execution(values).items()},
            "folders": {k: str(values[k]) for k, m in marks.items() if m == FOLDER},
            "inputs": before,
            "outputs": {k: [_entry(p, Digests()) for p in paths] for k, paths in outputs.items()},
            "code": {"digest": digest, "definitions": code},
            "git": git,
            "software": software(),
            "machine": machine(),
            "started": began.isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - start, 3),
            "peak_memory_mb": _peak_memory(),
        }
        for artifact in (path for paths in outputs.values() for path in paths):
            _write(record_path(artifact), record)

    return run_and_record


@contextlib.contextmanager
def _running(artifacts: list[Path], began: datetime) -> Iterator[None]:
    """Marks artifacts as being made, for `chexseg status`; a killed job leaves its mark behind.

    A read-only folder raises an error here, before anything is computed.
    """
    mark = {"pid": os.getpid(), "started": began.isoformat(timespec="seconds"), **machine()}
    try:
        for artifact in artifacts:
            with atomic(running_path(artifact)) as temporary:
                temporary.write_text(json.dumps(mark))
            for target in (artifact, record_path(artifact), running_path(artifact)):
                clear_leftovers(target)  # left by a killed job: only this job writes them
        yield
    finally:
        for artifact in artifacts:
            with contextlib.suppress(OSError):
                running_path(artifact).unlink(missing_ok=True)


def flags_of(arguments: Sequence[str]) -> dict[str, list[str]]:
    """Returns the flags of a command line with their values, named as in the stage's signature."""
    flags: dict[str, list[str]] = {}
    name = ""
    for word in arguments:
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            name = name.replace("-", "_")
            flags[name] = [value] if value else []
        elif name:
            flags[name].append(word)
    return flags


def settings_of(arguments: Sequence[str], without: Sequence[str]) -> dict[str, str]:
    """Returns the settings on a command line: its flags except those in `without`."""
    flags = flags_of(arguments)
    return {name: shlex.join(words) for name, words in flags.items() if name not in without}


def marks_of(run: Callable[..., None]) -> dict[str, str]:
    """Returns the kind of each parameter that is a file: name -> INPUT, OUTPUT or FOLDER."""
    hints, marks = typing.get_type_hints(run, include_extras=True), {}
    for name in inspect.signature(run).parameters:
        hint = hints[name]
        kinds = (hint, *typing.get_args(hint))  # Path, `Path | None` or `tuple[Path, ...]`
        marked = {mark for kind in kinds for mark in getattr(kind, "__metadata__", ())}
        if marked & {OUTPUT, FOLDER}:
            marks[name] = (marked & {OUTPUT, FOLDER}).pop()
        elif name not in EXECUTION and Path in kinds:
            marks[name] = INPUT
    return marks


def _execution(values: dict[str, Any]) -> dict[str, Any]:
    """Returns the execution parameters of a stage, whether they are separate or an `Execution`."""
    for value in values.values():
        if isinstance(value, Execution):
            return vars(value)
    return {name: values[name] for name in EXECUTION if name in values}


def _paths(value: Any) -> list[Path]:
    return [value] if isinstance(value, Path) else list(value or ())


def _entry(path: Path, digests: Digests) -> dict[str, Any]:
    """Describes an input or output by path, content, stamp and number of X-rays."""
    if path.is_dir():
        names = sorted(str(p.relative_to(path)) for p in path.rglob("*") if p.is_file())
        files = {n: [digests.of(path / n), *stamp(path / n)] for n in names}
        digest = sha256_of_files({name: digest for name, (digest, *_) in files.items()})
        return {"path": str(path), "sha256": digest, "files": files}
    entry = {"path": str(path), "sha256": digests.of(path, known_content(path))}
    entry["stamp"] = list(stamp(path))
    if (images := count_images(path)) is not None:
        entry["images"] = images
    return entry


def count_images(path: Path) -> int | None:
    """Returns the number of X-rays in a store, an index or a mask file; None for other files.

    It also returns None for a damaged file, which the stage that reads it reports.
    """
    with contextlib.suppress(OSError, ValueError, RuntimeError, RecursionError):
        if path.suffix == ".h5":
            import h5py

            with h5py.File(path, locking=False) as file:
                return len(file["id"]) if "id" in file else None
        if path.name == "index.csv":
            with open(path, "rb") as file:
                return sum(1 for _ in file) - 1
        if path.suffix == ".json":
            masks = json.loads(path.read_bytes())
            return len(masks) if isinstance(masks, dict) else None
    return None


def _write(path: Path, record: Record) -> None:
    """Writes a record, with paths relative to its folder."""
    folder = path.parent

    def placed(files: dict[str, list[dict]]) -> dict[str, list[dict]]:
        return {
            role: [{**e, "path": os.path.relpath(e["path"], folder)} for e in listed]
            for role, listed in files.items()
        }

    record = {**record, **{key: placed(record[key]) for key in ("inputs", "outputs")}}
    record["seal"] = seal_of(record)
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def software() -> dict[str, str]:
    """Returns the versions of Python and of the packages that can affect a result."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _peak_memory() -> int:
    peaks = (
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return round(max(peaks) / 1024)
