"""Handles stop signals, so that a training stops at a point from which it can resume."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""The signals of Ctrl-C, of Slurm before it kills or requeues a job, of Snakemake when stopped."""


class Stopped(SystemExit):
    """Ends the process as the signal would, with exit code 128 + number of the signal.

    Attributes:
        name: name of the signal, such as SIGTERM.
    """

    def __init__(self, number: int):
        super().__init__(128 + number)
        self.name = signal.Signals(number).name


class Signals:
    """Context manager in which SIGNALS are recorded without any other effect.

    Args:
        active: if False, signals keep their usual effect.

    Attributes:
        caught: number of the last signal; 0 if there was none.
    """

    def __init__(self, active: bool = True) -> None:
        self.caught, self._at_once, self._before = 0, False, {}
        self._heeded = SIGNALS if active else ()

    def __enter__(self) -> Signals:
        self._before = {number: signal.signal(number, self._record) for number in self._heeded}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Raises Stopped immediately on a signal; for blocks that do not change the state."""
        self._at_once = True
        try:
            self._raise_stopped()
            yield
            self._raise_stopped()  # an exception raised in a destructor would be lost
        finally:
            self._at_once = False

    def _record(self, number: int, _: FrameType | None) -> None:
        self.caught = number
        if self._at_once:
            self._raise_stopped()

    def _raise_stopped(self) -> None:
        if self.caught:
            self._at_once = False  # the clean-up must not be interrupted
            raise Stopped(self.caught)


def ignore_signals(_: int = 0) -> None:
    """Makes a loader process ignore SIGNALS, as its `worker_init_fn`.

    Slurm signals every process of a job; without its loaders, a training could not save its state.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
