"""Index and tables of a release."""

import csv
import json

from chexseg.config.settings import IndexSettings
from chexseg.data.index import read_index
from chexseg.stages.build_index import run
from tests.stages.release_files import release_files

TABLES = {"train": "train.csv", "val": "val_labels.csv", "test": "test_labels.csv"}


def build(root, out, **settings):
    settings = {"expert_fraction": 0.5} | settings
    run(
        **release_files(root),
        out=out,
        settings=IndexSettings(**settings),
    )
    return read_index(out)


class Table:
    """A table of the release, to change and write back; rows count as in the file."""

    def __init__(self, root, split):
        self.path = root / "CheXpert" / TABLES[split]
        with self.path.open() as file:
            self.lines = list(csv.reader(file))

    def row_of(self, number):
        return self.lines[number - 1]

    def set(self, number, column, value):
        self.row_of(number)[self.lines[0].index(column)] = value

    def get(self, number, column):
        return self.row_of(number)[self.lines[0].index(column)]

    def write(self):
        with self.path.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(self.lines)


def masks_of(root, split):
    path = root / f"CheXlocalize/gt_segmentations_{split}.json"
    return path, json.loads(path.read_text())
