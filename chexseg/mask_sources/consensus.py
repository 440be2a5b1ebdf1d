"""Masks on which the explanations of several classifiers agree.

DoLL (Chen et al. 2024, arXiv 2401.08469) and, before it, PSSL (Li et al. 2022, arXiv 2207.03335) make
pseudo labels so: labels 1 and 0, and pixels between them of which nothing is said. The consensus is
that of Li et al. 2021 (arXiv 2109.00707): see `chexseg.saliency.consensus`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import AfterValidator, Discriminator, Field, StrictBool, Tag, model_validator
from pydantic_core import PydanticCustomError

from chexseg.config.classes import classes_of_saliency
from chexseg.config.data import ClassName
from chexseg.config.paths import Paths
from chexseg.config.settings import NUMBER, WORD, Fraction, Settings, misfit
from chexseg.errors import nearest
from chexseg.mask_sources.gate import GateSettings, partly_known
from chexseg.mask_sources.source import Inputs, Masks, MaskSource, Misfit, Saliency, Shard

if TYPE_CHECKING:
    import numpy as np
    import torch

    from chexseg.config.study import Study


def _word_of_a_cut(word: str) -> str:
    if word != "otsu" and not re.fullmatch(r"quantile (0(\.\d+)?|1(\.0+)?)", word):
        raise PydanticCustomError("cut", "a share from 0 to 1, otsu, or such as: quantile 0.9")
    return word


Cut = Annotated[
    Annotated[Fraction, Tag(NUMBER)] | Annotated[str, AfterValidator(_word_of_a_cut), Tag(WORD)],
    Discriminator(lambda value: WORD if isinstance(value, str) else NUMBER),
]
NONE = "none"


class ConsensusSettings(GateSettings):
    """How maps become a consensus, and where it is cut, for each class in the order of the maps."""

    certain_background: None = None
    weighted: bool = Field(False, description="Weight voters by their likeness to the mean.")
    blur: Fraction = Field(0.2, description="Side of the box that blurs maps, as a share.")
    least_agreement: Fraction = Field(0.0, description="Agreement below which nothing is known.")
    thresholds: tuple[str, ...] = Field((), description="Where masks begin.")
    certain_backgrounds: tuple[str, ...] = Field((), description="Where background ends, or none.")

    def unused(self) -> set[str]:
        return {"certain_background"}

    @property
    def graded(self) -> bool:
        """Whether masks may have pixels of which nothing is known."""
        bands = set(self.certain_backgrounds) - {NONE}
        return partly_known(self) or bool(bands) or self.least_agreement > 0


class Consensus(MaskSource, GateSettings):
    """What the maps of several classifiers have in common."""

    source: Literal["consensus"] = Field(description="The source of the masks.")
    saliency: tuple[Saliency, ...] = Field(
        min_length=1,
        description="Names of saliency entries; each is one voter, however many classifiers it has.",
    )
    weighted: StrictBool = Field(
        False,
        description="Weight each voter by the likeness of its map to the mean of all: their rank "
        "correlation.",
    )
    blur: Fraction = Field(
        0.2, description="Side of the box that blurs each map, as a share of the X-ray's; 0: none."
    )
    threshold: Cut = Field(
        "otsu",
        description="Where a mask begins: a share of the map's maximum; otsu: where Otsu's method "
        "finds it for each map; or `quantile 0.9`: at this quantile of the map's pixels.",
    )
    certain_background: Cut | None = Field(
        None,
        description="Pixels between this and where the mask begins are not known; none: all are. A "
        "share, otsu or a quantile likewise.",
    )
    threshold_of: dict[ClassName, Cut] = Field(
        {}, description="Classes -> where their masks begin, instead of `threshold`."
    )
    certain_background_of: dict[ClassName, Cut] = Field(
        {}, description="Classes -> where their background ends, instead of `certain_background`."
    )
    least_agreement: Fraction = Field(
        0.0,
        description="A mask is not known if its voters agree less: the mean rank correlation of "
        "their maps with the mean of all.",
    )
    roles: ClassVar = {"saliency": "The same shard of the saliency store of each voter."}
    core_seconds: ClassVar = 0.07

    def unused(self) -> set[str]:
        return {"weighted"} if len(self.saliency) == 1 else set()

    @model_validator(mode="after")
    def _fits_together(self) -> Consensus:
        if len(set(self.saliency)) < len(self.saliency):
            raise misfit("a voter twice", "each voter once", "Delete one of the two.")
        if self.least_agreement > 0 and len(self.saliency) == 1:
            found = "least_agreement of a single voter"
            raise misfit(found, "several voters", "Name more saliency entries, or delete it.")
        for name in ("", *self.threshold_of, *self.certain_background_of):
            _check_band(*self._cuts_of(name), f" of {name}" if name else "")
        return self

    def _cuts_of(self, name: str) -> tuple[str, str]:
        """Returns where the mask of a class begins, and where its background ends, as words."""
        begins = self.threshold_of.get(name, self.threshold)
        ends = self.certain_background_of.get(name, self.certain_background)
        return str(begins), NONE if ends is None else str(ends)

    @property
    def graded(self) -> bool:
        bands = bool(self.certain_background_of)
        return partly_known(self) or bands or self.least_agreement > 0

    def voters(self) -> tuple[str, ...]:
        return self.saliency

    def classes_of(self, study: Study) -> tuple[str, ...]:
        return classes_of_saliency(study, self.saliency[0])

    def find_misfits(self, study: Study) -> Iterator[Misfit]:
        classes, first = self.classes_of(study), self.saliency[0]
        for number, name in enumerate(self.saliency):
            if name in study.saliency and classes_of_saliency(study, name) != classes:
                expected, remedy = f"the classes of {first!r}, in their order", "Explain the same."
                yield ("saliency", number), f"{name!r} with other classes", expected, remedy
        for key in ("threshold_of", "certain_background_of"):
            for name in getattr(self, key):
                if name not in classes:
                    expected = f"a class of its maps: {', '.join(classes)}"
                    yield (
                        (key, name),
                        repr(name),
                        expected,
                        f"Did you mean {nearest(name, classes)!r}?",
                    )

    def inputs(self, paths: Paths, name: str, shard: str) -> dict[str, list[str]]:
        return {"saliency": [paths.shard(f"saliency/{each}", shard) for each in self.saliency]}

    @classmethod
    def command_settings(cls) -> type[Settings]:
        return ConsensusSettings

    def settings(self, study: Study) -> ConsensusSettings:
        cuts = [self._cuts_of(name) for name in self.classes_of(study)]
        return ConsensusSettings(
            uncertain=self.uncertain,
            blank=self.blank,
            weighted=self.weighted and len(self.saliency) > 1,
            blur=self.blur,
            least_agreement=self.least_agreement,
            thresholds=tuple(begins for begins, _ in cuts),
            certain_backgrounds=tuple(ends for _, ends in cuts),
        )

    @staticmethod
    def make_masks(settings: ConsensusSettings, inputs: Inputs, shard: Shard) -> Masks:
        """Makes the masks of a shard.

        A mask whose maps are all 0, and one on which the voters agree too little, is not known; or
        empty, if nothing in the settings makes anything unknown.

        Raises:
            InputError: the maps have different classes, or not as many as there are cuts.
        """
        import numpy as np
        import torch

        from chexseg.files.store_format import CERTAIN
        from chexseg.mask_sources.votes import Votes
        from chexseg.saliency.consensus import consensus, likeness, vote

        stores, classes = _open(settings, inputs)
        votes = Votes(len(stores), len(classes))
        teaches = shard.rows["split"] == "train"

        def masks_of(ids: list[str], positive: torch.Tensor) -> torch.Tensor:
            made = np.zeros((*positive.shape, shard.size, shard.size), np.uint8)
            places = positive.numpy()
            if places.any():
                maps = [store.batch(ids)[places] for store in stores]
                cast = np.stack([vote(each, size=shard.size, blur=settings.blur) for each in maps])
                alike = likeness(cast)
                together = consensus(cast, alike if settings.weighted else None)
                silent = ~cast.any((2, 3))
            for number, (row, channel) in enumerate(np.argwhere(places)):
                too_little = bool(alike[:, number].mean() < settings.least_agreement)
                if teaches[ids[row]]:
                    votes.add(channel, alike[:, number], silent[:, number], too_little)
                made[row, channel] = _cut(settings, channel, together[number], too_little)
            return torch.from_numpy(made if settings.graded else made == CERTAIN)

        masks = shard.masks_by_label(classes, masks_of, settings, graded=settings.graded)
        return replace(masks, notes=votes.notes)


def _cut(
    settings: ConsensusSettings, channel: int, values: np.ndarray, too_little: bool
) -> np.ndarray:
    """Returns the levels of a consensus [S, S] of a class."""
    import numpy as np

    from chexseg.files.store_format import UNKNOWN
    from chexseg.saliency.consensus import levels

    if too_little:
        return np.full(values.shape, UNKNOWN, np.uint8)
    ends = settings.certain_backgrounds[channel]
    return levels(values, settings.thresholds[channel], None if ends == NONE else ends)


def _open(settings: ConsensusSettings, inputs: Inputs) -> tuple[list, tuple[str, ...]]:
    """Opens the stores of the voters, and returns them and their classes."""
    from chexseg.errors import Problems
    from chexseg.files.store import Store

    problems = Problems()
    stores = [Store([path], "saliency") for path in inputs["saliency"]]
    classes = tuple(stores[0].meta["classes"])
    for store in stores[1:]:
        if tuple(store.meta["classes"]) != classes:
            found = f"maps of {', '.join(store.meta['classes'])}"
            expected = f"maps of {', '.join(classes)}, as in {stores[0].paths[0]}"
            problems.add(store.paths[0], found, expected, "Explain the same classes.")
    for flag, cuts in (
        ("--thresholds", settings.thresholds),
        ("--certain-backgrounds", settings.certain_backgrounds),
    ):
        if len(cuts) != len(classes):
            expected = f"one for each of {', '.join(classes)}"
            problems.add(flag, f"{len(cuts)} cuts", expected, "Give as many.")
    problems.raise_if_any()
    return stores, classes


def _check_band(begins: str, ends: str, of: str) -> None:
    """Raises a misfit if no pixel can lie between the background and where a mask begins."""
    kinds, numbers = zip(*(_parts(cut) for cut in (begins, ends)), strict=True)
    if ends == NONE or kinds[0] != kinds[1] or numbers[1] < numbers[0]:
        return
    found = f"certain_background{of} at {ends}, where a mask begins at {begins}"
    raise misfit(found, "certain_background below that", "Lower it, or delete it.")


def _parts(cut: str) -> tuple[str, float]:
    """Returns the kind of a cut and its number."""
    kind, _, number = cut.rpartition(" ")
    return (kind, float(number)) if number not in ("otsu", NONE) else (number, 0)
