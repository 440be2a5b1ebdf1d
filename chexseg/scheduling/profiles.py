"""Snakemake command lines: which profiles they use, where jobs run, and how to write one."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from chexseg.config.study import merged
from chexseg.errors import InputError, format_problems


def profiles_of(words: Sequence[str] | None = None) -> list[str]:
    """Returns the profiles of a command line, without profiles/default, which is always used.

    Args:
        words: the command line after the program; None for the one of this process.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--profile", action="append")
    chosen = parser.parse_known_args(sys.argv[1:] if words is None else words)[0].profile
    names = chosen or [os.environ.get("SNAKEMAKE_PROFILE", "none")]
    return [name for name in names if name != "none"]


def jobs_run_here() -> bool:
    """Returns whether the current `snakemake` command runs its jobs on this machine.

    It does unless a profile or the command line sets another executor.
    """
    from snakemake.cli import get_profile_dir

    words = sys.argv[1:]
    chosen = re.findall(r"(?:-e|--executor)[ =](\S+)", " ".join(words))
    for name in profiles_of(words):
        if found := get_profile_dir(name):
            chosen += re.findall(r"(?m)^executor: *(\S+)", found[1].read_text())
    return not set(chosen) - {"local"}


def check_configs() -> None:
    """Ends this process if a config file of the current `snakemake` command cannot be read.

    Snakemake reads config files before any Snakefile, and its own words name no row. Profiles are read
    earlier still.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--configfile", "--configfiles", nargs="+", action="extend", default=[])
    try:
        merged(parser.parse_known_args(sys.argv[1:])[0].configfile)
    except argparse.ArgumentError:
        return  # Snakemake says what is wrong with its flags
    except InputError as error:
        print(format_problems(error.problems), file=sys.stderr)
        sys.exit(1)


def makes_report() -> bool:
    """Returns whether the current `snakemake` command only makes a report."""
    words = [word.partition("=")[0] for word in sys.argv[1:]]
    return bool({"--report", "--reporter"} & {*words}) and "--report-after-run" not in words


def snakemake_command(
    profiles: Iterable[str] = (),
    snakefile: str = "Snakefile",
    configs: Iterable[str | Path] = (),
    overrides: Iterable[str] = (),
    *flags: str,
) -> str:
    """Returns the command that runs a workflow: `snakemake --configfile ...`.

    Args:
        profiles: names of profiles.
        snakefile: Snakefile of the workflow; it is omitted if it is `Snakefile`.
        configs: config files.
        overrides: `key=value`, as after `--config`.
        flags: flags to put first.
    """
    words = ["snakemake", *flags, *(word for name in profiles for word in ("--profile", name))]
    words += ["--snakefile", snakefile] if snakefile != "Snakefile" else []
    for flag, values in (("--configfile", configs), ("--config", overrides)):
        words += [flag, *map(str, values)] if values else []
    return shlex.join(words)


def command_of_workflow(workflow: Any) -> str:
    """Returns the command that resumes a workflow, to be run in its working directory."""

    def shown(path: str | Path) -> str:
        relative = os.path.relpath(path)
        return str(path) if relative.startswith("..") else relative

    chosen = workflow.config_settings
    return snakemake_command(
        profiles_of(),
        shown(workflow.main_snakefile),
        [shown(path) for path in chosen.configfiles],
        chosen.config_args or (),
    )
