"""A study's config: sections of named entries that refer to each other by name.

`read_study` turns the mapping that Snakemake loaded into a checked `Study`. Every problem is
reported at once with the file, row and column of the key. Nothing heavy is imported here, since
the Snakefile reads this module in every job.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from chexseg.config.commands import check_commands
from chexseg.config.contrasts import check_contrasts
from chexseg.config.data import DataSection, with_selections
from chexseg.config.defaults import inherited, origin
from chexseg.config.empty import removed_entries, without_empty
from chexseg.config.entries import (
    ContrastEntry,
    PublishedEntry,
    SegmenterEntry,
    SweepEntry,
    union,
)
from chexseg.config.links import check_links, check_published
from chexseg.config.overrides import merge
from chexseg.config.problems import add_problems, check_defaults
from chexseg.config.settings import (
    ClassifierSettings,
    EvaluationSettings,
    FigureSettings,
    Name,
    PhantomSettings,
    PredictionSettings,
    Seed,
    Settings,
)
from chexseg.config.sweeps import Unfolded, unfold
from chexseg.config.yaml_marks import Positions, load_yaml
from chexseg.errors import InputError

WithDefaults = Literal["classifiers", "segmenters"]


class Study(Settings):
    """One config file: one study: one folder `results/<study>/`."""

    study: Name = Field(description="Name of the study, and of its folder in results/.")
    seed: Seed = Field(0, description="Seed of all that does not set its own.")
    data: DataSection = Field({}, description="Input data.")
    phantom: PhantomSettings | None = Field(
        None, description="Generate the phantom data set and study it."
    )
    defaults: dict[WithDefaults, dict[str, Any]] = Field(
        {}, description="Settings shared by the entries of a section; an entry's own come first."
    )
    classifiers: dict[Name, ClassifierSettings] = Field({}, description="Image-level models.")
    saliency: dict[Name, union("saliency")] = Field({}, description="Saliency maps.")
    masks: dict[Name, union("masks")] = Field(
        {}, description="Sources of masks. 'expert', the data's own masks, is always there."
    )
    segmenters: dict[Name, SegmenterEntry] = Field({}, description="The models compared.")
    sweeps: dict[Name, SweepEntry] = Field(
        {}, description="Runs in which factors vary; they unfold into entries like those above."
    )
    prediction: PredictionSettings = Field(PredictionSettings(), description="Test masks.")
    evaluation: EvaluationSettings = Field(EvaluationSettings(), description="Scores.")
    contrasts: dict[Name, ContrastEntry] = Field(
        {}, description="What is compared; none: every two runs, if there are at most 6 runs."
    )
    published: dict[Name, PublishedEntry] = Field(
        {}, description="Published scores, shown beside those of the study."
    )
    figures: FigureSettings = Field(FigureSettings(), description="Figures of the report.")
    _unfolded: Unfolded = PrivateAttr(default_factory=lambda: unfold({}))

    @property
    def unfolded(self) -> Unfolded:
        """What the sweeps have made; their entries are among the others."""
        return self._unfolded

    @model_validator(mode="before")
    @classmethod
    def _inherit(cls, config: Any) -> Any:
        return inherited(config)


def read_study(
    config: Mapping[str, Any],
    files: tuple[str | Path, ...] = (),
    overrides: Mapping[str, Any] | None = None,
) -> Study:
    """Checks a study's config.

    Args:
        config: the mapping, as loaded (and overridden on the command line) by Snakemake.
        files: the config files that it came from, the last wins; they give rows and columns.
        overrides: what of it came from the command line.

    Raises:
        InputError: a key or a reference is unknown, or a value is not what it must be.
    """
    positions = Positions(files, overrides)
    problems, study = positions.problems, None
    if not config and not problems.found:
        remedy = "Name a file: --configfile FILE. config/README.md describes it."
        problems.add("config", "no config", "that of a study", remedy)
        problems.raise_if_any()
    for entry in removed_entries(config):
        if positions.count(*entry) == 1:  # it removes nothing
            key, expected = ".".join(map(str, entry)), "its settings, or {} if it has none"
            remedy = "Write them, or delete it; null removes an entry of an earlier file."
            problems.add(positions.of(*entry), f"nothing for {key!r}", expected, remedy)
    config = without_empty(config, Study)
    unfolded = unfold(config)

    def written_at(location: tuple[str | int, ...]) -> tuple[str | int, ...]:
        return origin(unfolded.copies.written_at(location), config)

    def place(*location: str | int) -> str:
        return positions.of(*written_at(location))

    for location, *told in unfolded.mistakes:
        problems.add(place(*location), *told)
    try:
        study = with_selections(Study.model_validate(unfolded.config))
        study._unfolded = unfolded
        check_links(study, place, problems)
        check_contrasts(study, place, problems)
        check_published(study, place, problems)
        if not problems.found:
            check_commands(study, place, problems)
    except ValidationError as error:
        add_problems(problems, positions, written_at, error, config, Study)
    check_defaults(config, positions, written_at, problems, Study)
    # A wrong value in `defaults`, or a wrong seed of the study, is found in every entry that
    # inherits it: report it once.
    problems.found = list(dict.fromkeys(problems.found))
    problems.raise_if_any()
    return study


def load_study(*files: str | Path, overrides: Mapping[str, Any] | None = None) -> Study:
    """Reads config files, later ones overriding earlier ones key by key, and checks them.

    Args:
        files: the config files.
        overrides: what was given on the command line; it overrides them all.

    Raises:
        InputError: see `read_study`.
    """
    return read_study(merged(files, overrides), files, overrides)


def load_data(*files: str | Path, overrides: Mapping[str, Any] | None = None) -> DataSection | None:
    """Reads the section `data` alone, of a config that may be wrong elsewhere.

    Returns:
        The section; None if it is wrong itself, or names no folder of data.
    """
    try:
        config = without_empty(merged(files, overrides), Study)
        data = DataSection.model_validate(inherited(config)["data"])
    except (InputError, ValidationError):
        return None
    return data if data.root is not None and config.get("phantom") is None else None


def merged(
    files: Iterable[str | Path], overrides: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Reads config files, later ones overriding earlier ones key by key.

    Args:
        files: the config files.
        overrides: what was given on the command line; it overrides them all.

    Raises:
        InputError: a file cannot be read, or is not a config.
    """
    config: dict[str, Any] = {}
    for each in (*map(load_yaml, files), overrides or {}):
        merge(config, each)
    return config
