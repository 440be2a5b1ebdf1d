"""From masks to scores: overlaps, metrics with intervals, comparisons, thresholds."""
