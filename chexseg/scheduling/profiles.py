"""Command lines of Snakemake: the profiles that one names, where its jobs run, what to type."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


def named_profiles(words: Sequence[str] | None = None) -> list[str]:
    """Returns the profiles of a command line, without profiles/default, which is always read.

    Args:
        words: of the command line behind the program; this process's own if None.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--profile", action="append")
    chosen = parser.parse_known_args(sys.argv[1:] if words is None else words)[0].profile
    names = chosen or [os.environ.get("SNAKEMAKE_PROFILE", "none")]
    return [name for name in names if name != "none"]


def jobs_run_here() -> bool:
    """Says whether the `snakemake` that was typed runs its jobs on this machine.

    It does unless a profile, or the command line, names another executor.
    """
    from snakemake.cli import get_profile_dir

    words = sys.argv[1:]
    chosen = re.findall(r"(?:-e|--executor)[ =](\S+)", " ".join(words))
    for name in named_profiles(words):
        if found := get_profile_dir(name):
            chosen += re.findall(r"(?m)^executor: *(\S+)", found[1].read_text())
    return not set(chosen) - {"local"}


def snakemake_command(
    profiles: Iterable[str] = (),
    snakefile: str = "Snakefile",
    configs: Iterable[str | Path] = (),
    overrides: Iterable[str] = (),
    *flags: str,
) -> str:
    """Returns what to type to run a workflow: `snakemake --configfile ...`.

    Args:
        profiles: names of profiles.
        snakefile: of the workflow; `Snakefile` is found without its name.
        configs: config files.
        overrides: `key=value`, as behind `--config`.
        flags: to stand first.
    """
    words = ["snakemake", *flags, *(word for name in profiles for word in ("--profile", name))]
    words += ["--snakefile", snakefile] if snakefile != "Snakefile" else []
    for flag, values in (("--configfile", configs), ("--config", overrides)):
        words += [flag, *map(str, values)] if values else []
    return shlex.join(words)


def command_of_workflow(workflow: Any) -> str:
    """Returns what to type to go on with a workflow of Snakemake, where its paths begin."""

    def shown(path: str | Path) -> str:
        relative = os.path.relpath(path)
        return str(path) if relative.startswith("..") else relative

    chosen = workflow.config_settings
    return snakemake_command(
        named_profiles(),
        shown(workflow.main_snakefile),
        [shown(path) for path in chosen.configfiles],
        [f"{key}={_plain(value)}" for key, value in chosen.config.items()],
    )


def _plain(value: Any) -> str:
    """Writes a value of the config as `--config` reads it."""
    if value is None:
        return ""
    if isinstance(value, bool) or (isinstance(value, str) and value.isidentifier()):
        return str(value)
    return json.dumps(value, ensure_ascii=False)
