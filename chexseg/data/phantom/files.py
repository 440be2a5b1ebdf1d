"""Paths of the phantom's files, relative to its folder."""

from __future__ import annotations

PHANTOM_FILES = {
    "chexpert": {
        "train_csv": ("CheXpert/train.csv",),
        "val_csv": ("CheXpert/val_labels.csv", "CheXpert/val.csv"),
        "test_csv": ("CheXpert/test_labels.csv",),
        "val_masks": ("CheXlocalize/gt_segmentations_val.json",),
        "test_masks": ("CheXlocalize/gt_segmentations_test.json",),
        "radiologist_masks": ("CheXlocalize/hb_segmentations_test.json",),
    },
    "vindr": {
        "train_boxes": ("annotations/annotations_train.csv",),
        "test_boxes": ("annotations/annotations_test.csv",),
        "train_labels": ("annotations/image_labels_train.csv",),
        "test_labels": ("annotations/image_labels_test.csv",),
        "sizes": (),
        "test_masks": ("masks/segmentations_test.json",),
    },
}
"""Layout -> role -> its files; () for a role that the phantom has no file for."""

PHANTOM_ANATOMY = {
    "chexpert": {
        "val_masks": "anatomy/segmentations_val.json",
        "test_masks": "anatomy/segmentations_test.json",
    },
    "vindr": {},
}
"""Layout -> role -> its file of organs instead of pathologies, in CheXlocalize's format."""

PHANTOM_ORGANS = (*("Left Lung", "Right Lung", "Heart", "Ribs", "Spine", "Clavicles", "Diaphragm"),)
"""Classes of the masks in PHANTOM_ANATOMY."""
