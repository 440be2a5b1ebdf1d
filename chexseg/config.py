"""A study's config: sections of named entries that refer to each other by name.

`read_study` turns the mapping that Snakemake loaded into a checked `Study`. Every problem is
reported at once with the file, row and column of the key. Nothing heavy is imported here, since
the Snakefile reads this module in every job.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field, ValidationError, model_validator

from chexseg.data.pathologies import PATHOLOGIES, nearest
from chexseg.errors import Problems
from chexseg.inheritance import EXPERT, inherited, origin
from chexseg.positions import Positions, load_yaml
from chexseg.settings import (
    UNTRAINED,
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
    SegmenterSettings,
    Settings,
    ThresholdSettings,
    WalkSettings,
)

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
# A command takes '-x' for a flag, and Snakemake '{x}' for a wildcard.
Folder = Annotated[str, Field(pattern=r"^[^-{}\n\r][^{}\n\r]*$")]
File = Annotated[str, Field(pattern=r"^[^-/{}\n\r][^{}\n\r]*$")]
HUMAN = "radiologists"
UNNAMED_WEIGHTS = ("none", "imagenet")
LONGEST_COMMAND = 120_000
"""Characters; Linux takes 131,072 (MAX_ARG_STRLEN), and there is more than shards in a command."""
WEIGHT_SUFFIXES = (".pt", ".pth", ".tar", ".ckpt")
_QUOTED = r"'([^']*)'"
Place = Callable[..., str]
"""Steps of a location in the config -> `file:row:column`."""


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


class Study(Settings):
    """One config file: one study: one folder `results/<study>/`."""

    study: Name = Field(description="Name of the study, and of its folder in results/.")
    seed: int = Field(0, ge=0, description="Seed of all that does not set its own.")
    data: DataSection = Field(DataSection(), description="Input data.")
    phantom: PhantomSettings | None = Field(
        None, description="Generate the phantom data set and study it."
    )
    defaults: dict[Literal["classifiers", "segmenters"], dict[str, Any]] = Field(
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
    figures: FigureSettings = Field(FigureSettings(), description="Figures of the report.")

    @model_validator(mode="before")
    @classmethod
    def _apply_defaults(cls, config: Any) -> Any:
        return inherited(config)


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
        _check_references(study, place, problems)
    except ValidationError as error:
        for detail in error.errors():
            _add_problem(problems, place, detail, config)
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
    merged: dict[str, Any] = {}
    for file in files:
        _merge(merged, load_yaml(file))
    _merge(merged, overrides or {})
    return read_study(merged, files)


def _merge(target: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, Mapping) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = value


def _model_at(location: tuple[str | int, ...], method: str | None) -> type[BaseModel]:
    """Returns the model whose fields may stand behind `location`."""
    section, *steps = location or ("",)
    entries = {
        "classifiers": ClassifierSettings,
        "saliency": SaliencyEntry,
        "pseudo_masks": ThresholdEntry if method == "threshold" else IRNetEntry,
        "segmenters": SegmenterEntry,
    }
    model, steps = (entries[section], steps[1:]) if section in entries else (Study, location)
    for step in steps:
        annotation = model.model_fields[step].annotation
        model = next(part for part in (*get_args(annotation), annotation) if isinstance(part, type))
    return model


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


def _check_shards(study: Study, place: Place, problems: Problems) -> None:
    """The command that draws the figures names every shard, and Linux takes no longer one."""
    stores = ["images", *(f"saliency/{name}" for name in [*study.saliency][:1])]
    stores += [f"pseudo_masks/{name}/masks" for name in study.pseudo_masks]
    paths = [f"results/{study.study}/{store}/0000.h5" for store in stores]
    most = LONGEST_COMMAND // sum(len(word) + 1 for word in [*paths, *study.pseudo_masks])
    if (shards := study.data.index.shards) > most:
        where, expected = place("data", "index", "shards"), f"at most {most}"
        remedy = "Take fewer: commands that name more shards are too long for Linux."
        problems.add(where, f"{shards} shards", expected, remedy)


def _check_references(study: Study, place: Place, problems: Problems) -> None:
    def check(name: str, names: tuple[str, ...], what: str, *location: str | int) -> None:
        if name not in names:
            near = f"Did you mean {nearest(name, names)!r}?" if names else f"Define {what} first."
            expected = f"{what}: {', '.join(names) or 'there is none'}"
            problems.add(place(*location), repr(name), expected, near)

    classifiers, saliency = tuple(study.classifiers), tuple(study.saliency)
    masks = (EXPERT, *study.pseudo_masks)
    if study.data.root is None and study.phantom is None:
        where = place("data")
        problems.add(where, "neither data.root nor phantom", "one of them", "Set 'data.root'.")
    if study.data.root is not None and study.phantom is not None:
        where = place("phantom")
        remedy = "Delete 'phantom', or 'data.root' to study the phantom."
        problems.add(where, "both data.root and phantom", "one of them", remedy)
    _check_shards(study, place, problems)
    twice = [p for p in study.data.pathologies if study.data.pathologies.count(p) > 1]
    for pathology in dict.fromkeys(twice):
        where = place("data", "pathologies")
        problems.add(where, f"{pathology!r} twice", "each once", "Delete one of the two.")
    for name, entry in study.saliency.items():
        for i, classifier in enumerate(entry.classifiers):
            here = ("saliency", name, "classifiers", i)
            check(classifier, classifiers, "a classifier", *here)
    for name, entry in study.pseudo_masks.items():
        check(entry.saliency, saliency, "a saliency entry", "pseudo_masks", name, "saliency")
        if name == EXPERT:
            where = place("pseudo_masks", name)
            problems.add(where, repr(name), "another name", "'expert' means the expert masks.")
        if isinstance(entry, IRNetEntry) and entry.labels.background > entry.labels.foreground:
            where = place("pseudo_masks", name, "labels")
            found = (
                f"background {entry.labels.background:g}, foreground {entry.labels.foreground:g}"
            )
            problems.add(where, found, "background at most foreground", "Correct one of them.")
        if isinstance(entry, IRNetEntry):
            here = ("pseudo_masks", name, "backbone")
            _check_weights(study, entry.backbone, entry.backbone_architecture, check, here)
    for name, entry in study.segmenters.items():
        for i, mask in enumerate(entry.masks):
            check(mask, masks, "'expert' or pseudo masks", "segmenters", name, "masks", i)
        if name == HUMAN:
            where = place("segmenters", name)
            problems.add(where, repr(name), "another name", "It means the human benchmark.")
        if len(entry.masks) == 2 and (entry.masks.count(EXPERT) != 1):
            where = place("segmenters", name, "masks")
            problems.add(where, str(list(entry.masks)), "'expert' and one other", "Correct it.")
        outside = [p for p in entry.selection if p not in study.data.pathologies]
        if entry.selection and len(outside) == len(entry.selection):
            where = place("segmenters", name, "selection")
            expected = "at least one of data.pathologies"
            problems.add(where, str(outside), expected, "Set 'selection'.")
        here = ("segmenters", name, "initial_weights")
        _check_weights(study, entry.initial_weights, entry.encoder, check, here)
    for name, entry in study.classifiers.items():
        here = ("classifiers", name, "initial_weights")
        _check_weights(study, entry.initial_weights, entry.architecture, check, here, names=())
        if entry.architecture in UNTRAINED and entry.initial_weights == "imagenet":
            found = f"ImageNet weights for {entry.architecture}"
            remedy = "Set 'initial_weights' to none or a path."
            problems.add(place(*here), found, "an architecture that has them", remedy)
        if name in UNNAMED_WEIGHTS:
            where = place("classifiers", name)
            problems.add(where, repr(name), "another name", "It means initial weights.")


def _check_weights(study, weights, architecture, check, location, names=None) -> None:
    """`weights` is 'none', 'imagenet', a path (it has a '/' or a suffix) or a fitting classifier."""
    a_path = "/" in weights or Path(weights).suffix in WEIGHT_SUFFIXES
    safe = not re.search(r"^-|[{}\n\r]", weights)
    if weights in UNNAMED_WEIGHTS or (a_path and safe and weights not in study.classifiers):
        return
    fitting = [n for n, c in study.classifiers.items() if c.architecture == architecture]
    fitting = fitting if names is None else list(names)
    what = f"'none', 'imagenet', a path or a {architecture} classifier"
    check(weights, (*UNNAMED_WEIGHTS, *fitting), what, *location)
