"""The Snakemake profiles that a command line names, and whether its jobs run on this machine."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence


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
