"""The number of X-rays of a study, before any job has run."""

from __future__ import annotations

from typing import NamedTuple

from chexseg.config.study import Study
from chexseg.data.layouts.layout import PARTS


class XRays(NamedTuple):
    """Number of frontal X-rays in each table; `left_out` are excluded by `max_train_images`."""

    train: int
    validation: int
    test: int
    left_out: int = 0

    @property
    def number(self) -> int:
        """Number of X-rays that take part in the study."""
        return self.train + self.validation + self.test


def count_x_rays(study: Study) -> XRays:
    """Counts the frontal X-rays of a study with its layout.

    Nothing is validated, which is the task of `check-data`. A missing table counts as empty.
    """
    data, phantom = study.data, study.phantom
    if phantom:
        rows = [phantom.train_images, phantom.val_images, phantom.test_images]
    else:
        counts = data.layout_settings.count(data.root)
        rows = [counts[part] for part in PARTS]
    for part in data.layout_settings.divided:
        number, place = round(getattr(data.index, f"{part}_fraction") * rows[0]), PARTS.index(part)
        rows[0], rows[place] = rows[0] - number, number
    train = min(rows[0], data.index.max_train_images or rows[0])
    return XRays(train, *rows[1:], left_out=rows[0] - train)
