"""The sections of named entries of a config, and the model of each entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Union

from pydantic import ConfigDict, Discriminator, Field, StrictBool, Tag

from chexseg import catalog
from chexseg.config.settings import (
    WORDS,
    ClassifierSettings,
    Metric,
    Name,
    Reference,
    SegmenterSettings,
    Settings,
)

Weight = Annotated[float, Field(ge=0)]
Text = Annotated[str, Field(min_length=1, pattern=r"^[^\n\r{}]*$")]
"""A line of text; Snakemake would take braces for a placeholder."""
MaskName = Annotated[Name, Reference("masks")]


class SegmenterEntry(SegmenterSettings):
    """A segmenter, and the masks that it learns from."""

    masks: Annotated[
        Annotated[tuple[MaskName, ...], Field(min_length=1), Tag("list")]
        | Annotated[dict[MaskName, Weight], Field(min_length=1), Tag("weights")],
        Discriminator(lambda value: "weights" if isinstance(value, Mapping) else "list"),
    ] = Field(
        description="Names of masks: a list, whose X-rays are laid end to end and shuffled; or "
        "names with weights, by which the source of each sample is drawn (CheXseg's rho); they are "
        "divided by their sum.",
    )
    leave_out: dict[MaskName, Annotated[tuple[str, ...], Field(min_length=1)]] = Field(
        {}, description="Names of masks -> pathologies of which they teach nothing."
    )
    validation: Annotated[Name, Reference("masks", swept=False)] = Field(
        "expert",
        description="The masks by which epoch and thresholds are chosen; a class that they lack has "
        "the threshold 0.5.",
    )
    scored: StrictBool = Field(
        True,
        description="Predict the test X-rays, and score them; false: the segmenter only starts or "
        "teaches others, and may have other classes than the study's pathologies.",
    )

    initial_epoch: int | None = Field(
        None,
        ge=1,
        description="Which of the `keep_epochs` of the segmenter that `initial_weights` names; "
        "none: its best epoch.",
    )

    def unused(self) -> set[str]:
        unused = super().unused()
        return unused | ({"initial_epoch"} if self.initial_weights in WORDS else set())

    def left_out(self) -> tuple[str, ...]:
        """Returns `masks:pathology` for each pathology of which masks teach nothing."""
        names, _ = self.mixture()
        return tuple(f"{name}:{each}" for name in names for each in self.leave_out.get(name, ()))

    def mixture(self) -> tuple[tuple[str, ...], tuple[float, ...]]:
        """Returns the masks that teach, in the order of their names, and their weights.

        The weights sum to 1; there are none for a list, and none for a single source. Masks of
        weight 0 do not teach.
        """
        names = tuple(sorted(self.masks))
        if not isinstance(self.masks, Mapping):
            return names, ()
        names = tuple(name for name in names if self.masks[name] > 0)
        if len(names) == 1:
            return names, ()
        total = sum(self.masks[name] for name in names)
        return names, tuple(self.masks[name] / total for name in names)


Names = Annotated[
    Annotated[Name, Tag("name")] | Annotated[tuple[Name, ...], Field(min_length=1), Tag("list")],
    Discriminator(lambda value: "list" if isinstance(value, (list, tuple)) else "name"),
]
"""One name or several: on a side of a contrast, of runs that differ in nothing but their training
seed; in a sweep, of segmenters."""


class ContrastEntry(Settings):
    """Two runs, or two groups of seeds, whose scores are compared on the same resamples."""

    run: Names = Field(
        description="Name of a segmenter, or radiologists; or a list of segmenters that differ in "
        "their seed."
    )
    against: Names = Field(
        description="The run whose score is subtracted; or a list, paired with that of `run` by "
        "position."
    )
    all_seeds: StrictBool = Field(
        False,
        description="Take for each run all runs that differ from it only in their seed, such as "
        "those of a sweep with `seeds`.",
    )


class PublishedEntry(Settings):
    """A published score, shown beside those of this study and marked as published."""

    run: Name | None = Field(
        None, description="The run beside which it is shown; none: it has a row without one."
    )
    metric: Metric = Field(
        "iou_dataset", description="What was scored, as a mean over pathologies."
    )
    value: float = Field(description="The published score.")
    data: Text = Field(description="The data on which it was measured.")
    source: Text = Field(description="Where it was published.")


FACTOR_KEY = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,200}$"
"""What a factor of a sweep may be called: a setting, a source of masks, the path of a key, a name."""

Values = Annotated[list[Any], Field(min_length=1)]
Factor = Annotated[
    Annotated[Values, Tag("values")]
    | Annotated[
        dict[Annotated[str, Field(pattern=FACTOR_KEY)], Values],
        Field(min_length=1),
        Tag("together"),
    ],
    Discriminator(lambda value: "together" if isinstance(value, Mapping) else "values"),
]
"""A list of values; or keys that are set together, each with a list of as many values."""


class SweepEntry(Settings):
    """Runs that differ from a segmenter in the values of some factors, in all combinations.

    Every further key is a factor: see `chexseg.config.sweeps`.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Factor]

    of: Names = Field(
        description="Name of the segmenter; or a list of segmenters, each with all combinations."
    )
    seeds: int | None = Field(
        None,
        ge=1,
        le=500,
        description="Train with so many seeds: the segmenter's own, and those that follow it.",
    )

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
        """Describes factors by the pattern of their keys, so that the schema is closed."""
        schema = handler.resolve_ref_schema(handler(core_schema))
        factor = schema["additionalProperties"]
        for kind in factor["oneOf"]:
            if "patternProperties" in kind:
                kind["additionalProperties"] = False
        others = FACTOR_KEY.replace("^", f"^(?!({'|'.join(schema['properties'])})$)")
        schema |= {"patternProperties": {others: factor}, "additionalProperties": False}
        return schema


KINDS = {"saliency": ("saliency", "method"), "masks": ("mask_source", "source")}
"""Section -> the kind of its methods in the catalog, and the key that names the method."""

MODELS: dict[str, type[Settings]] = {
    "classifiers": ClassifierSettings,
    "segmenters": SegmenterEntry,
    "contrasts": ContrastEntry,
    "sweeps": SweepEntry,
    "published": PublishedEntry,
}
"""The other sections -> the model of their entries."""

SECTIONS = ("classifiers", "saliency", "masks", "segmenters")
"""The sections whose entries are artifacts, in the order of the pipeline."""


def methods(section: str) -> dict[str, type[Settings]]:
    """Returns the methods of a section: name -> the model of an entry."""
    kind = KINDS[section][0]
    return {name: catalog.load(kind, name) for name in catalog.names(kind)}


def union(section: str) -> Any:
    """Returns the type of an entry of a section: one of the models of its methods."""
    models = tuple(methods(section).values())
    if len(models) == 1:
        return models[0]
    return Annotated[Union[models], Field(discriminator=KINDS[section][1])]  # noqa: UP007


def model_of(section: str, method: str | None = None) -> type[Settings]:
    """Returns the model of an entry of a section, for a section of methods by its method."""
    if section in MODELS:
        return MODELS[section]
    models = methods(section)
    return models.get(method, next(iter(models.values())))
