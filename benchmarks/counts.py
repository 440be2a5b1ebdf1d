"""Numbers of X-rays and steps of the study of config/chexpert.yaml."""

from __future__ import annotations

FRONTAL = 191_027
"""Frontal X-rays among the 223,414 of CheXpert's train table: those that take part."""
STEPS = {
    "train-classifier": (f"3 epochs of {FRONTAL:,} / 16", 3 * FRONTAL // 16),
    "train-irnet": (f"3 epochs of {FRONTAL:,} / 16", 3 * FRONTAL // 16),
    "train-segmenter": ("20 epochs of 10,000 / 8", 20 * 10_000 // 8),
}
"""Steps of the trainings of config/chexpert.yaml."""
FEW = {"make-masks drawn": 202, "predict-masks": 518}
"""Frontal X-rays of CheXlocalize's validation and test set."""
