"""Which masks of a study are compared with what they were made from, and with what experts drew."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chexseg.config.study import Study


def voted_masks(study: Study) -> dict[str, tuple[str, ...]]:
    """Returns the masks on which several voters agree, and the voters: saliency entries."""
    return {name: source.voters() for name, source in study.masks.items() if source.voters()}


def drawn_masks(study: Study) -> tuple[str, ...]:
    """Returns the masks that experts drew, without the copies that sweeps made."""
    copied = study.unfolded.copies.made
    return tuple(
        name
        for name, source in study.masks.items()
        if not source.made and ("masks", name) not in copied
    )
