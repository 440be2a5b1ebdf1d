import os
import signal

import pytest

from chexseg.inference.signals import SIGNALS, Signals, Stopped, ignore_signals


@pytest.fixture(autouse=True)
def handlers():
    """The handlers are what they were before."""
    before = [signal.getsignal(number) for number in SIGNALS]
    yield before
    for number, handler in zip(SIGNALS, before, strict=True):
        signal.signal(number, handler)


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS)
def test_signals_are_noted(handlers, number):
    with Signals() as signals:
        assert signals.caught == 0
        send(number)
        assert signals.caught == number
    assert [signal.getsignal(each) for each in SIGNALS] == handlers


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 138)]
)
def test_a_block_that_changes_nothing_ends_at_once(number, code):
    done = []

    def block(signals):
        with signals.at_once():
            done.append("before")
            send(number)
            done.append("after")

    with Signals() as signals:
        with pytest.raises(Stopped) as stopped:
            block(signals)
        send(number)  # is noted again: nothing interrupts what must be saved now
    assert done == ["before"]
    assert stopped.value.code == code
    assert stopped.value.name == number.name


def test_a_signal_noted_before_ends_the_block_before_it_begins():
    with Signals() as signals:
        send(signal.SIGTERM)
        with pytest.raises(Stopped), signals.at_once():
            raise AssertionError


def test_inactive_signals_are_left_alone(handlers):
    with Signals(active=False) as signals, signals.at_once():
        assert [signal.getsignal(each) for each in SIGNALS] == handlers


def test_loader_processes_ignore_them():
    ignore_signals(0)
    for number in SIGNALS:
        send(number)
