"""A comparison: ours and a peer on the same work, and the bar that the two must meet."""

from __future__ import annotations


def comparison(
    work: str,
    peer: str,
    *,
    ours_seconds: float,
    peer_seconds: float,
    difference: float,
    most_difference: float,
    least_ratio: float | None = None,
) -> dict:
    """Returns a row of the table of benchmarks.

    Args:
        work: what was computed, and of what size.
        peer: what computed it instead.
        ours_seconds: ours, for one unit of the work.
        peer_seconds: the peer's, for the same.
        difference: largest difference of the two results, or the share that differs.
        most_difference: the bar for it.
        least_ratio: the bar for peer_seconds / ours_seconds; None if the row only informs.
    """
    ratio = peer_seconds / ours_seconds
    bars = [f"max_abs_diff <= {most_difference:.3g}"]
    if least_ratio is not None:
        bars.insert(0, f"ratio >= {least_ratio:g}")
    return {
        "work": work,
        "peer": peer,
        "ours_seconds": ours_seconds,
        "peer_seconds": peer_seconds,
        "ratio": ratio,
        "max_abs_diff": difference,
        "bar": " and ".join(bars),
        "held": difference <= most_difference and ratio >= (least_ratio or 0),
    }
