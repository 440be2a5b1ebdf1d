"""The command line: one command per stage, with flags generated from the stage's signature."""

from __future__ import annotations

import ast
import importlib.util
import os
import select
import signal
import sys
from pathlib import Path

from chexseg import __version__
from chexseg.catalog import COMMANDS, STAGES
from chexseg.errors import InputError, format_problems, near

NAMES = tuple(stage.name for stage in STAGES)
"""Commands of the stages."""


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and returns its exit code: 0, or 2 for invalid input."""
    arguments = sys.argv[1:] if arguments is None else arguments
    command, rest = (arguments[0], arguments[1:]) if arguments else ("--help", [])
    if command in ("-h", "--help"):
        print(_overview())
        return 0
    if command == "--version":
        print(f"chexseg {__version__}")
        return 0
    if command not in NAMES + COMMANDS:
        meant = near(command, NAMES + COMMANDS)
        remedy = f"Did you mean {meant!r}?" if meant else "See chexseg --help."
        print(f"chexseg: no command {command!r}. {remedy}", file=sys.stderr)
        return 2

    import tyro

    from chexseg.provenance.record import recorded
    from chexseg.stages import load

    config = [tyro.conf.OmitArgPrefixes]
    try:
        run = load(command, rest)
        if command in NAMES:  # rules pass a value to every flag; people type `--plan`
            run = recorded(command, run, rest)
            config.append(tyro.conf.FlagConversionOff)
        tyro.cli(run, prog=f"chexseg {command}", args=rest, config=config)
    except InputError as error:
        n = len(error.problems)
        print(f"chexseg {command}: {n} problem{'s' * (n > 1)}", file=sys.stderr)
        print(format_problems(error.problems, most=20), file=sys.stderr)
        return 2
    return 0


def console() -> None:
    """Runs the installed command `chexseg`.

    On SIGTERM, the process removes partially written files before it exits. If its output is no
    longer read (`| head`), it exits silently.
    """
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    if sys.stdout is not None:  # names may contain characters that the terminal's encoding lacks
        sys.stdout.reconfigure(errors="backslashreplace")
    code = 0
    try:
        try:
            code = main()
        finally:
            print(end="", flush=True)
    except BrokenPipeError:
        if not _unread():
            raise
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):  # Python flushes remaining output at exit
            os.dup2(nowhere, stream)
        code = 128 + signal.SIGPIPE
    sys.exit(code)


def _unread() -> bool:
    """Returns whether the reader of this process's output has closed it."""
    streams = select.poll()
    for stream in (1, 2):
        streams.register(stream, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in streams.poll(0))


def _module(command: str) -> str:
    return f"chexseg.stages.{command.replace('-', '_')}"


def _overview() -> str:
    """Lists the commands with the first lines of their modules, without importing them."""
    lines = ["usage: chexseg COMMAND [--help] ...", "", "Stages, in the order of the pipeline:"]
    lines += [_line(command) for command in NAMES]
    lines += ["", "For people:"] + [_line(command) for command in COMMANDS]
    return "\n".join(lines)


def _line(command: str) -> str:
    source = Path(importlib.util.find_spec(_module(command)).origin).read_text(encoding="utf-8")
    summary = ast.get_docstring(ast.parse(source)).splitlines()[0]
    return f"  {command:<20} {summary}"
