"""A copy of the phantom release, to spoil."""

import csv
import json
from pathlib import Path

from PIL import Image

from chexseg.data.layouts.chexpert import PATHOLOGIES
from chexseg.stages import check_data

FILES = {
    "train_csv": "CheXpert/train.csv",
    "val_csv": "CheXpert/val_labels.csv",
    "test_csv": "CheXpert/test_labels.csv",
    "val_masks": "CheXlocalize/gt_segmentations_val.json",
    "test_masks": "CheXlocalize/gt_segmentations_test.json",
}


class Data:
    """A release in the layout of CheXpert: its tables, masks and X-rays."""

    def __init__(self, root):
        self.root = root
        self.files = {key: root / name for key, name in FILES.items()}
        self.pathologies = PATHOLOGIES

    @property
    def inputs(self):
        return {role: (path,) for role, path in self.files.items()}

    def check(self, out):
        check_data.run(
            root=self.root, inputs=self.inputs, out=out, pathologies=self.pathologies, threads=2
        )
        return out.read_text()

    def rows(self, table):
        with self.files[table].open(newline="") as file:
            return list(csv.reader(file))

    def write(self, table, rows):
        with self.files[table].open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)

    def x_ray(self, table="test_csv", row=2):
        """The file of the X-ray in a row; of the first frontal one of `train_csv`."""
        rows = self.rows(table)
        path = Path(rows[row - 1][0]).parts[-4:]
        folder = {"train_csv": "train", "val_csv": "val", "test_csv": "test"}[table]
        return self.root / "CheXpert" / folder / Path(*path[-3:])

    def masks(self, file="test_masks"):
        return json.loads(self.files[file].read_text())

    def with_masks(self):
        """An X-ray of the test set that has masks: its id and its file."""
        cxr_id = next(iter(self.masks()))
        return cxr_id, self.root / "CheXpert/test" / Path(*cxr_id.split("_", 2)).with_suffix(".jpg")

    def write_masks(self, masks, file="test_masks"):
        self.files[file].write_text(json.dumps(masks))


def change_image(data, change):
    path = data.with_masks()[1]
    with Image.open(path) as image:
        change(image).save(path)
