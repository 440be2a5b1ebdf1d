"""Makes the phantom: synthetic X-rays, labels and masks in CheXpert's layout."""

from __future__ import annotations

from chexseg.config.phantom import PhantomSettings
from chexseg.data.phantom.release import make_release
from chexseg.files.artifacts import Output


def run(*, out: Output, settings: PhantomSettings) -> None:
    """Write a synthetic release in the format of the real data sets.

    Args:
        out: Folder of the release: `CheXpert/`, `CheXlocalize/`, `anatomy/`.
        settings: Counts, sizes, label noise and the seed.
    """
    make_release(out, settings)
