"""Orders to stop, which a training obeys where it can go on from later."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""What Ctrl-C sends, Slurm before it kills or requeues a job, Snakemake when told to stop."""


class Stopped(SystemExit):
    """Ends the process as its signal would have done, with exit code 128 + number of the signal.

    Attributes:
        name: of the signal, such as SIGTERM.
    """

    def __init__(self, number: int):
        super().__init__(128 + number)
        self.name = signal.Signals(number).name


class Signals:
    """While it is entered, SIGNALS are noted and do nothing else.

    Args:
        active: False changes nothing: signals do what they always do.

    Attributes:
        caught: number of the last signal; 0 if there was none.
    """

    def __init__(self, active: bool = True) -> None:
        self.caught, self._at_once, self._before = 0, False, {}
        self._heeded = SIGNALS if active else ()

    def __enter__(self) -> Signals:
        self._before = {number: signal.signal(number, self._note) for number in self._heeded}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Raises Stopped at a signal, wherever the block is; for blocks that change no state."""
        self._at_once = True
        try:
            self._obey()
            yield
            self._obey()  # a signal in a destructor raises nothing
        finally:
            self._at_once = False

    def _note(self, number: int, _: FrameType | None) -> None:
        self.caught = number
        if self._at_once:
            self._obey()

    def _obey(self) -> None:
        if self.caught:
            self._at_once = False  # what comes now must not be interrupted
            raise Stopped(self.caught)


def ignore_signals(_: int = 0) -> None:
    """Makes a loader process leave SIGNALS to the process that trains; a `worker_init_fn`.

    Slurm signals every process of a job, and a training whose loaders died could save nothing.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
