"""From masks to scores: overlaps, IoU with confidence intervals, thresholds, pictures."""
