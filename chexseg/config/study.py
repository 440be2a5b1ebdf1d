"""A study's config: sections of named entries that refer to each other by name.

`read_study` turns the mapping that Snakemake loaded into a checked `Study`. Every problem is
reported at once with the file, row and column of the key. Nothing heavy is imported here, since
the Snakefile reads this module in every job.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field, ValidationError, model_validator

from chexseg.config.defaults import inherited, origin
from chexseg.config.links import UNNAMED_WEIGHTS, Place, check_references
from chexseg.config.settings import (
    AffinityLabelSettings,
    AffinitySettings,
    ClassifierSettings,
    EvaluationSettings,
    FigureSettings,
    ImageSettings,
    IndexSettings,
    IRNetSettings,
    Pathology,
    PhantomSettings,
    PredictionSettings,
    SaliencySettings,
    Seed,
    SegmenterSettings,
    Settings,
    ThresholdSettings,
    WalkSettings,
)
from chexseg.config.yaml_marks import Positions, load_yaml
from chexseg.data.pathologies import PATHOLOGIES
from chexseg.errors import InputError, Problems, nearest

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
# A command takes '-x' for a flag, and Snakemake '{x}' for a wildcard.
Folder = Annotated[str, Field(pattern=r"^[^-{}\n\r][^{}\n\r]*$")]
File = Annotated[str, Field(pattern=r"^[^-/{}\n\r][^{}\n\r]*$")]
WithDefaults = Literal["classifiers", "segmenters"]
_QUOTED = r"'([^']*)'"


class DataSection(Settings):
    """Where the X-rays are, and which of them take part. Paths are relative to `root`."""

    root: Folder | None = Field(None, description="Folder of the data; absent: the phantom's own.")
    train_csv: File = Field("CheXpert/train.csv", description="Labels of the train X-rays.")
    val_csv: File = Field("CheXpert/val_labels.csv", description="Labels of the validation X-rays.")
    test_csv: File = Field("CheXpert/test_labels.csv", description="Labels of the test X-rays.")
    val_masks: File = Field(
        "CheXlocalize/gt_segmentations_val.json", description="Expert masks, validation."
    )
    test_masks: File = Field(
        "CheXlocalize/gt_segmentations_test.json", description="Expert masks, test."
    )
    radiologist_masks: File | None = Field(
        None, description="A second reader's masks of the test X-rays: the human benchmark."
    )
    pathologies: tuple[Pathology, ...] = Field(
        PATHOLOGIES, min_length=1, description="What is segmented."
    )
    index: IndexSettings = Field(IndexSettings(), description="Which X-rays, which split.")
    images: ImageSettings = Field(ImageSettings(), description="How X-rays are stored.")


class SaliencyEntry(SaliencySettings):
    """Saliency maps, averaged over the classifiers named."""

    classifiers: tuple[Name, ...] = Field(min_length=1, description="Names of classifiers.")


class ThresholdEntry(ThresholdSettings):
    """Pseudo masks: saliency maps cut at a share of their maximum."""

    method: Literal["threshold"] = Field(description="'threshold' or 'irnet'.")
    saliency: Name = Field(description="Name of a saliency entry.")


class IRNetEntry(Settings):
    """Pseudo masks: saliency maps spread up to the edges that an IRNet sees."""

    method: Literal["irnet"] = Field(description="'threshold' or 'irnet'.")
    saliency: Name = Field(description="Name of a saliency entry.")
    backbone: str = Field(
        "imagenet", description="'none', 'imagenet', a path, or a ResNet classifier by name."
    )
    backbone_architecture: Literal["resnet18", "resnet50"] = Field(
        "resnet50", description="The backbone."
    )
    labels: AffinityLabelSettings = Field(
        AffinityLabelSettings(), description="Dense CRF labels that train the IRNet."
    )
    training: IRNetSettings = Field(IRNetSettings(), description="Training of the IRNet.")
    affinity: AffinitySettings = Field(AffinitySettings(), description="Its edge maps.")
    walk: WalkSettings = Field(WalkSettings(), description="The random walk to masks.")


class SegmenterEntry(SegmenterSettings):
    """A segmenter, and the masks that it learns from."""

    masks: tuple[Name, ...] = Field(
        min_length=1, max_length=2, description="'expert', the name of pseudo masks, or both."
    )


class ContrastEntry(Settings):
    """Two runs whose scores are compared on the same resamples of the patients."""

    run: Name = Field(description="Name of a segmenter, or radiologists.")
    against: Name = Field(description="The run whose score is subtracted.")


class Study(Settings):
    """One config file: one study: one folder `results/<study>/`."""

    study: Name = Field(description="Name of the study, and of its folder in results/.")
    seed: Seed = Field(0, description="Seed of all that does not set its own.")
    data: DataSection = Field(DataSection(), description="Input data.")
    phantom: PhantomSettings | None = Field(
        None, description="Generate the phantom data set and study it."
    )
    defaults: dict[WithDefaults, dict[str, Any]] = Field(
        {}, description="Settings shared by the entries of a section; an entry's own come first."
    )
    classifiers: dict[Name, ClassifierSettings] = Field({}, description="Image-level models.")
    saliency: dict[Name, SaliencyEntry] = Field({}, description="Saliency maps.")
    pseudo_masks: dict[
        Name, Annotated[ThresholdEntry | IRNetEntry, Field(discriminator="method")]
    ] = Field({}, description="Masks made from saliency maps.")
    segmenters: dict[Name, SegmenterEntry] = Field({}, description="The models compared.")
    prediction: PredictionSettings = Field(PredictionSettings(), description="Test masks.")
    evaluation: EvaluationSettings = Field(EvaluationSettings(), description="Scores.")
    contrasts: dict[Name, ContrastEntry] = Field(
        {}, description="Runs that are compared; none: every two, if there are at most 6 runs."
    )
    figures: FigureSettings = Field(FigureSettings(), description="Figures of the report.")

    @model_validator(mode="before")
    @classmethod
    def _apply_defaults(cls, config: Any) -> Any:
        return inherited(config)


ENTRIES = {
    "classifiers": ClassifierSettings,
    "saliency": SaliencyEntry,
    "pseudo_masks": IRNetEntry,
    "segmenters": SegmenterEntry,
    "contrasts": ContrastEntry,
}
"""Section -> the model of its entries; pseudo masks by threshold are ThresholdEntry."""


def read_study(config: Mapping[str, Any], files: tuple[str | Path, ...] = ()) -> Study:
    """Checks a study's config.

    Args:
        config: the mapping, as loaded (and overridden on the command line) by Snakemake.
        files: the config files that it came from, the last wins; they give rows and columns.

    Raises:
        InputError: a key or a reference is unknown, or a value is not what it must be.
    """
    positions = Positions(files)
    problems, study = positions.problems, None

    def place(*location: str | int) -> str:
        return positions.of(*origin(location, config))

    try:
        study = Study.model_validate(dict(config))
        check_references(study, place, problems)
    except ValidationError as error:
        _add_problems(problems, place, error, config)
    _check_defaults(config, place, problems)
    # What is inherited from `defaults`, or from the study's seed, is wrong once for each heir.
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
    return read_study(_merged(*map(load_yaml, files), overrides or {}), files)


def load_data(*files: str | Path) -> DataSection | None:
    """Reads the section `data` alone, of a config that may be wrong elsewhere.

    Returns:
        The section; None if it is wrong itself, or names no folder of data.
    """
    try:
        config = _merged(*map(load_yaml, files))
        data = DataSection.model_validate(inherited(config)["data"])
    except (InputError, ValidationError):
        return None
    return data if data.root is not None and config.get("phantom") is None else None


def files_of_weights(study: Study) -> list[tuple[str, str]]:
    """Returns the files of initial weights that a study names, each with its architecture."""
    named = {(e.initial_weights, e.architecture): None for e in study.classifiers.values()}
    named |= {(e.initial_weights, e.encoder): None for e in study.segmenters.values()}
    for entry in study.pseudo_masks.values():
        if isinstance(entry, IRNetEntry):
            named[entry.backbone, entry.backbone_architecture] = None
    others = (*UNNAMED_WEIGHTS, *study.classifiers)
    return [(weights, network) for weights, network in named if weights not in others]


def _merged(*configs: Mapping[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for config in configs:
        _merge(merged, config)
    return merged


def _merge(target: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, Mapping) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = value


def _model_at(location: tuple[str | int, ...], method: str | None) -> type[BaseModel]:
    """Returns the model whose fields may stand behind `location`."""
    section, *steps = location or ("",)
    model, steps = (ENTRIES[section], steps[1:]) if section in ENTRIES else (Study, location)
    model = ThresholdEntry if method == "threshold" else model
    for step in steps:
        annotation = model.model_fields[step].annotation
        model = next(part for part in (*get_args(annotation), annotation) if isinstance(part, type))
    return model


def _check_defaults(config: Mapping[str, Any], place: Place, problems: Problems) -> None:
    """Settings shared by the entries of a section are checked even if no entry inherits them."""
    defaults = config.get("defaults")
    for section, shared in defaults.items() if isinstance(defaults, Mapping) else ():
        if section in get_args(WithDefaults) and isinstance(shared, Mapping):
            try:
                ENTRIES[section].model_validate(dict(shared))
            except ValidationError as error:
                _add_problems(problems, place, error, config, heir=(section, ""))


def _add_problems(
    problems: Problems,
    place: Place,
    error: ValidationError,
    config: Mapping[str, Any],
    heir: tuple[str, ...] = (),
) -> None:
    """Translates pydantic's errors; those of defaults are told as those of an heir.

    An heir may have what is missing, and a key that is no text is told by the study itself.
    """
    details = error.errors()
    lists = {detail["loc"][:-1] for detail in details}
    for detail in details:
        # Pydantic counts only the right entries of a list.
        short = detail["type"] == "too_short" and detail["loc"] in lists
        if not short and not (heir and detail["type"] in ("missing", "invalid_key")):
            detail["loc"] = (*heir, *detail["loc"])
            _add_problem(problems, place, detail, config)


def _add_problem(
    problems: Problems, place: Place, detail: Mapping[str, Any], config: Mapping[str, Any]
) -> None:
    """Translates one of pydantic's errors."""
    kind, context = detail["type"], detail.get("ctx") or {}
    location, method = _without_tags(detail["loc"])
    fields = (
        tuple(_model_at(location[:-1], method).model_fields) if kind == "extra_forbidden" else ()
    )
    if kind.startswith("union_tag"):
        location = (*location, "method")
    where, key = place(*location), ".".join(str(step) for step in origin(location, config))
    if kind == "extra_forbidden":
        near = nearest(str(location[-1]), fields)
        problems.add(where, f"unknown key {key!r}", "a known key", f"Did you mean {near!r}?")
    elif kind in ("missing", "union_tag_not_found"):
        problems.add(where, f"no {key!r}", "this key", f"Add {location[-1]!r}.")
    elif kind == "string_pattern_mismatch":
        expected = "a name of letters, digits, '_', '-' and '.', starting with a letter or digit"
        if location[0] == "data":
            expected = "a path without braces that begins with no '-'; all but root, with no '/'"
        problems.add(where, repr(detail["input"]), expected, "Rename it.")
    else:
        found, remedy = detail["input"], f"Correct {key!r}."
        expected = re.sub(r"^Input should be ", "", detail["msg"])
        if kind == "union_tag_invalid":
            found, expected = context["tag"], context["expected_tags"]
        if kind in ("union_tag_invalid", "literal_error") and isinstance(found, str):
            remedy = f"Did you mean {nearest(found, tuple(re.findall(_QUOTED, expected)))!r}?"
        problems.add(where, f"{found!r} for {key!r}", expected, remedy)


def _without_tags(location: tuple[str | int, ...]) -> tuple[tuple[str | int, ...], str | None]:
    """Splits pydantic's location into the steps of the config, and the method of pseudo masks.

    Pydantic puts the method behind the name of an entry of `pseudo_masks`, and "[key]" behind a
    key that is itself wrong.
    """
    steps = tuple(step for step in location if step != "[key]")
    if steps[:1] == ("pseudo_masks",) and len(steps) > 2:
        return (*steps[:2], *steps[3:]), steps[2]
    return steps, None
