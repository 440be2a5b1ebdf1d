"""Paths of the phantom's files, relative to its folder."""

from __future__ import annotations

PHANTOM_LAYOUT = "chexpert"
"""The layout of the phantom."""

PHANTOM_FILES = {
    "train_csv": ("CheXpert/train.csv",),
    "val_csv": ("CheXpert/val_labels.csv", "CheXpert/val.csv"),
    "test_csv": ("CheXpert/test_labels.csv",),
    "val_masks": ("CheXlocalize/gt_segmentations_val.json",),
    "test_masks": ("CheXlocalize/gt_segmentations_test.json",),
    "radiologist_masks": ("CheXlocalize/hb_segmentations_test.json",),
}
"""Role in the layout -> its file."""

PHANTOM_ANATOMY = {
    "val_masks": "anatomy/segmentations_val.json",
    "test_masks": "anatomy/segmentations_test.json",
}
"""Role in the layout -> its file of organs instead of pathologies, in CheXlocalize's format."""

PHANTOM_ORGANS = (*("Left Lung", "Right Lung", "Heart", "Ribs", "Spine", "Clavicles", "Diaphragm"),)
"""Classes of the masks in PHANTOM_ANATOMY."""
