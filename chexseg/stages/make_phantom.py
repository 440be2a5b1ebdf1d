"""Makes the phantom release: synthetic X-rays, labels and masks in CheXpert's own layout."""

from __future__ import annotations

from chexseg.config.settings import PhantomSettings
from chexseg.data.phantom.release import make_release
from chexseg.files.artifacts import Output


def run(*, out: Output, settings: PhantomSettings) -> None:
    """Writes a synthetic release that every reader of the real data sets takes as it is.

    Args:
        out: folder of the release: `CheXpert/`, `CheXlocalize/`, `anatomy/`.
        settings: counts, sizes, label habits and the seed.
    """
    make_release(out, settings)
