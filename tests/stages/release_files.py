"""The files of a phantom release, under the names by which stages ask for them."""


def release_files(root):
    tables, masks = root / "CheXpert", root / "CheXlocalize"
    return {
        "root": root,
        "train_csv": tables / "train.csv",
        "val_csv": tables / "val_labels.csv",
        "test_csv": tables / "test_labels.csv",
        "val_masks": masks / "gt_segmentations_val.json",
        "test_masks": masks / "gt_segmentations_test.json",
    }
