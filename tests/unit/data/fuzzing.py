"""How damaged files are made, and how a reader is watched that reads them."""

import os
import resource
import signal
from contextlib import contextmanager, suppress

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from chexseg.errors import InputError

EXAMPLES = int(os.environ.get("CHEXSEG_FUZZ_EXAMPLES", 0))
MOST_MEMORY = 2**30
"""Bytes that a reader may ask for, beyond what the process has."""

SECONDS = 20


def examples(number):
    """Settings of a test of so many examples, or of as many as the environment says."""
    return settings(
        max_examples=EXAMPLES or number, derandomize=not EXAMPLES, deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip


@contextmanager
def bounded():
    """Bounds the memory and the time of a block."""

    def stop(*_):
        raise TimeoutError(f"more than {SECONDS} s")

    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    old = signal.signal(signal.SIGALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (used + MOST_MEMORY, before[1]))
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_AS, before)
        signal.signal(signal.SIGALRM, old)


def try_to_read(path, content, read):
    """Reads a file of the given bytes; the folder must hold what it held before."""
    path.write_bytes(content)
    before = sorted(os.listdir(path.parent))
    with suppress(InputError), bounded():
        read(path)
    assert sorted(os.listdir(path.parent)) == before
    assert path.read_bytes() == content


@st.composite
def damaged(draw, valid):
    """One of some valid files with bits flipped, bytes changed, cut out, doubled or put in."""
    content = bytearray(draw(st.sampled_from(valid)))
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        end = min(len(content), at + draw(st.sampled_from((1, 2, 4, 8, 30, 1000))))
        way = draw(st.integers(0, 6))
        if way == 0 and content:
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif way == 1:
            content[at:end] = draw(st.binary(max_size=12))
        elif way == 2:
            del content[at:end]
        elif way == 3:
            content[at:at] = content[at:end]
        elif way == 4:
            del content[at:]
        elif way == 5:
            to = draw(st.integers(0, len(content)))
            content[to:to] = content[at:end]
        else:
            content[at:end] = draw(st.sampled_from(EXTREMES))
    return bytes(content)


EXTREMES = (b"\xff" * 8, b"\x00" * 8, b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"-1", b"1e999",
            b"9" * 30, b"\n", b'"', b",", b"\x00", b"[", b"{", b"&a [*a]", b"\xf0\x9f\xa9\xbb")  # fmt: skip
