"""Evaluation of masks: overlaps, metrics with intervals, comparisons, thresholds."""
