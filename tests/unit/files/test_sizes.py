import pytest

from chexseg.files.sizes import duration_text, size_text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        *((0, "0 B"), (999, "999 B"), (999.7, "1 kB"), (1000, "1 kB"), (80_123, "80 kB")),
        *((999_600, "1 MB"), (1_540_000_000, "1.5 GB"), (15.4e9, "15 GB"), (1.25e12, "1.2 TB")),
    ],
)
def test_sizes(size, text):
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (59.6, "1:00"), (3599, "59:59"), (3599.5, "1:00:00"), (360_061, "100:01:01")],
)
def test_durations(seconds, text):
    assert duration_text(seconds) == text
