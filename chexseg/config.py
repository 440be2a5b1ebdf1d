"""A study's config: sections of named entries that refer to each other by name.

`read_study` turns the mapping that Snakemake loaded into a checked `Study`. Every problem is
reported at once with the file, row and column of the key. Nothing heavy is imported here, since
the Snakefile reads this module in every job.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from chexseg.data.pathologies import PATHOLOGIES, nearest
from chexseg.errors import InputError, Problems
from chexseg.settings import (
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
EXPERT = "expert"
HUMAN = "radiologists"
UNNAMED_WEIGHTS = ("none", "imagenet")


class DataSection(Settings):
    """Where the X-rays are, and which of them take part. Paths are relative to `root`."""

    root: str | None = Field(
        None, description="Folder of the data; absent: the phantom's own folder."
    )
    train_csv: str = Field("CheXpert/train.csv", description="Labels of the train X-rays.")
    val_csv: str = Field("CheXpert/val_labels.csv", description="Labels of the validation X-rays.")
    test_csv: str = Field("CheXpert/test_labels.csv", description="Labels of the test X-rays.")
    val_masks: str = Field(
        "CheXlocalize/gt_segmentations_val.json", description="Expert masks, validation."
    )
    test_masks: str = Field(
        "CheXlocalize/gt_segmentations_test.json", description="Expert masks, test."
    )
    radiologist_masks: str | None = Field(
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
        """Fills in `defaults` and the study's seed, which every seeded settings inherits."""
        if not isinstance(config, Mapping):
            return config
        config = dict(config)
        defaults = config.get("defaults")
        for section, shared in defaults.items() if isinstance(defaults, Mapping) else ():
            entries = config.get(section)
            if isinstance(entries, Mapping) and isinstance(shared, Mapping):
                config[section] = {
                    name: {**shared, **entry} if isinstance(entry, Mapping) else entry
                    for name, entry in entries.items()
                }
        seed = config.get("seed", 0)
        data = config.get("data", {})
        if isinstance(data, Mapping) and isinstance(data.get("index", {}), Mapping):
            config["data"] = {**data, "index": {"seed": seed, **data.get("index", {})}}
        for section in ("classifiers", "segmenters"):
            entries = config.get(section)
            if isinstance(entries, Mapping):
                config[section] = {
                    name: {"seed": seed, **entry} if isinstance(entry, Mapping) else entry
                    for name, entry in entries.items()
                }
        masks = config.get("pseudo_masks")
        if isinstance(masks, Mapping):
            config["pseudo_masks"] = {name: _seed_irnet(e, seed) for name, e in masks.items()}
        for section in ("phantom", "evaluation"):
            if isinstance(config.get(section, {} if section == "evaluation" else None), Mapping):
                config[section] = {"seed": seed, **config.get(section, {})}
        return config


def _seed_irnet(entry: Any, seed: Any) -> Any:
    if not isinstance(entry, Mapping) or entry.get("method") != "irnet":
        return entry
    training = entry.get("training", {})
    if not isinstance(training, Mapping):
        return entry
    return {**entry, "training": {"seed": seed, **training}}


def read_study(config: Mapping[str, Any], files: tuple[str | Path, ...] = ()) -> Study:
    """Checks a study's config.

    Args:
        config: the mapping, as loaded (and overridden on the command line) by Snakemake.
        files: the config files that it came from, the last wins; they give rows and columns.

    Raises:
        InputError: a key or a reference is unknown, or a value is not what it must be.
    """
    positions = Positions(files)
    problems = Problems()
    try:
        study = Study.model_validate(dict(config))
    except ValidationError as error:
        for detail in error.errors():
            _add_problem(problems, positions, detail, config)
        raise InputError(problems.found) from error
    _check_references(study, positions, problems)
    problems.raise_if_any()
    return study


def load_study(*files: str | Path) -> Study:
    """Reads config files, later ones overriding earlier ones key by key, and checks them."""
    merged: dict[str, Any] = {}
    for file in files:
        _merge(merged, load_yaml(file))
    return read_study(merged, files)


def load_yaml(path: str | Path) -> dict[str, Any]:
    """Reads one YAML mapping; a key that stands twice is an error, as it would hide the first."""
    problems = Problems()
    try:
        text = Path(path).read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        problems.add(path, str(error), "a readable YAML file", "Correct the path.")
        raise InputError(problems.found) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else path
        found = getattr(error, "problem", None) or str(error)
        problems.add(where, found, "valid YAML", "Correct the syntax there.")
        raise InputError(problems.found) from error
    if not isinstance(content, dict):
        problems.add(path, type(content).__name__, "a mapping of sections", "See config/README.md.")
    for node in _walk(root) if root else ():
        if isinstance(node, yaml.MappingNode):
            seen: dict[str, int] = {}
            for key, _ in node.value:
                if key.value in seen:
                    where = f"{path}:{key.start_mark.line + 1}:{key.start_mark.column + 1}"
                    found = f"{key.value!r} again (first in row {seen[key.value]})"
                    problems.add(where, found, "each key once", "Delete one of the two.")
                seen.setdefault(key.value, key.start_mark.line + 1)
    problems.raise_if_any()
    return content


class Positions:
    """Where each key of the config stands: `file:row:column`."""

    def __init__(self, files: tuple[str | Path, ...]):
        self.files = list(files)
        self._roots = []
        for file in self.files:
            try:
                self._roots.append(yaml.compose(Path(file).read_text(), Loader=yaml.SafeLoader))
            except (OSError, yaml.YAMLError):
                self._roots.append(None)

    def of(self, *location: str | int) -> str:
        """Returns the place of the key at `location`, or of its nearest parent in a file."""
        for depth in range(len(location), 0, -1):
            for file, root in reversed(list(zip(self.files, self._roots, strict=True))):
                mark = _find(root, location[:depth])
                if mark is not None:
                    return f"{file}:{mark.line + 1}:{mark.column + 1}"
        return str(self.files[-1]) if self.files else "config"


def _find(node: yaml.Node | None, location: tuple[str | int, ...]) -> yaml.Mark | None:
    mark = None
    for step in location:
        if isinstance(node, yaml.MappingNode):
            pairs = {key.value: (key, value) for key, value in node.value}
            if str(step) not in pairs:
                return None
            key, node = pairs[str(step)]
            mark = key.start_mark
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            if step >= len(node.value):
                return None
            node = node.value[step]
            mark = node.start_mark
        else:
            return None
    return mark


def _walk(node: yaml.Node) -> Iterator[yaml.Node]:
    yield node
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _walk(key)
            yield from _walk(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _walk(value)


def _merge(target: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, Mapping) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = value


def _models_at(location: tuple[str | int, ...]) -> list[type[BaseModel]]:
    """The models whose fields may stand at `location`, for proposing the nearest key."""
    sections = {
        "data": [DataSection],
        "phantom": [PhantomSettings],
        "classifiers": [ClassifierSettings],
        "saliency": [SaliencyEntry],
        "pseudo_masks": [ThresholdEntry, IRNetEntry],
        "segmenters": [SegmenterEntry],
        "prediction": [PredictionSettings],
        "evaluation": [EvaluationSettings],
        "figures": [FigureSettings],
    }
    models = sections.get(str(location[0]), []) if location else [Study]
    for step in location:
        nested = [m.model_fields[step].annotation for m in models if step in m.model_fields]
        models = [m for m in nested if isinstance(m, type) and issubclass(m, BaseModel)] or models
    if "irnet" in location:
        return [model for model in models if model is not ThresholdEntry]
    if "threshold" in location:
        return [model for model in models if model is not IRNetEntry]
    return models


def _add_problem(
    problems: Problems, positions: Positions, detail: Mapping[str, Any], config: Mapping[str, Any]
) -> None:
    """Translates one of pydantic's errors."""
    location = tuple(detail["loc"])
    in_file = _drop_tags(location, config)
    where, key = positions.of(*in_file), ".".join(str(step) for step in in_file)
    kind = detail["type"]
    if kind == "extra_forbidden":
        names = [name for model in _models_at(location[:-1]) for name in model.model_fields]
        near = nearest(str(location[-1]), tuple(names))
        problems.add(where, f"unknown key {key!r}", "a known key", f"Did you mean {near!r}?")
    elif kind == "missing":
        problems.add(where, f"no {key!r}", "this key", f"Add {location[-1]!r}.")
    elif kind == "string_pattern_mismatch":
        expected = "a name of letters, digits, '_', '-' and '.', starting with a letter or digit"
        problems.add(where, repr(detail["input"]), expected, "Rename it.")
    else:
        expected = re.sub(r"^Input should be ", "", detail["msg"])
        remedy = f"Correct {key!r}."
        allowed = (detail.get("ctx") or {}).get("expected")
        if kind == "literal_error" and isinstance(detail["input"], str) and allowed:
            near = nearest(detail["input"], tuple(re.findall(r"'([^']*)'", allowed)) or ("",))
            remedy = f"Did you mean {near!r}?" if near else remedy
        problems.add(where, f"{detail['input']!r} for {key!r}", expected, remedy)


def _drop_tags(location: tuple[str | int, ...], config: Any) -> tuple[str | int, ...]:
    """Removes the steps of pydantic's location that stand in no file (union tags, '[key]')."""
    kept: list[str | int] = []
    for number, step in enumerate(location):
        last = number == len(location) - 1
        if (
            isinstance(config, Mapping)
            and step in config
            or isinstance(config, (list, tuple))
            and isinstance(step, int)
            and step < len(config)
        ):
            config = config[step]
            kept.append(step)
        elif last and step != "[key]":
            kept.append(step)
    return tuple(kept)


def _check_references(study: Study, positions: Positions, problems: Problems) -> None:
    def check(name: str, names: tuple[str, ...], what: str, *location: str | int) -> None:
        if name not in names:
            near = f"Did you mean {nearest(name, names)!r}?" if names else f"Define {what} first."
            expected = f"{what}: {', '.join(names) or 'there is none'}"
            problems.add(positions.of(*location), repr(name), expected, near)

    classifiers, saliency = tuple(study.classifiers), tuple(study.saliency)
    masks = (EXPERT, *study.pseudo_masks)
    if study.data.root is None and study.phantom is None:
        where = positions.of("data")
        problems.add(where, "neither data.root nor phantom", "one of them", "Set 'data.root'.")
    for name, entry in study.saliency.items():
        for i, classifier in enumerate(entry.classifiers):
            here = ("saliency", name, "classifiers", i)
            check(classifier, classifiers, "a classifier", *here)
    for name, entry in study.pseudo_masks.items():
        check(entry.saliency, saliency, "a saliency entry", "pseudo_masks", name, "saliency")
        if name == EXPERT:
            where = positions.of("pseudo_masks", name)
            problems.add(where, repr(name), "another name", "'expert' means the expert masks.")
        if isinstance(entry, IRNetEntry):
            here = ("pseudo_masks", name, "backbone")
            _check_weights(study, entry.backbone, entry.backbone_architecture, check, here)
    for name, entry in study.segmenters.items():
        for i, mask in enumerate(entry.masks):
            check(mask, masks, "'expert' or pseudo masks", "segmenters", name, "masks", i)
        if name == HUMAN:
            where = positions.of("segmenters", name)
            problems.add(where, repr(name), "another name", "It means the human benchmark.")
        if len(entry.masks) == 2 and (entry.masks.count(EXPERT) != 1):
            where = positions.of("segmenters", name, "masks")
            problems.add(where, str(list(entry.masks)), "'expert' and one other", "Correct it.")
        outside = [p for p in entry.selection if p not in study.data.pathologies]
        if len(outside) == len(entry.selection):
            where = positions.of("segmenters", name, "selection")
            expected = "at least one of data.pathologies"
            problems.add(where, str(outside), expected, "Set 'selection'.")
        here = ("segmenters", name, "initial_weights")
        _check_weights(study, entry.initial_weights, entry.encoder, check, here)
    for name, entry in study.classifiers.items():
        here = ("classifiers", name, "initial_weights")
        _check_weights(study, entry.initial_weights, entry.architecture, check, here, names=())


def _check_weights(study, weights, architecture, check, location, names=None) -> None:
    """`weights` is 'none', 'imagenet', a path (it has a '/' or a suffix) or a fitting classifier."""
    if weights in UNNAMED_WEIGHTS or "/" in weights or Path(weights).suffix in (".pt", ".pth"):
        return
    fitting = [n for n, c in study.classifiers.items() if c.architecture == architecture]
    fitting = fitting if names is None else list(names)
    what = f"'none', 'imagenet', a path or a {architecture} classifier"
    check(weights, (*UNNAMED_WEIGHTS, *fitting), what, *location)


def json_schema() -> dict[str, Any]:
    """The closed JSON schema of a config, as `workflow/schemas/config.schema.yaml` holds it."""
    return Study.model_json_schema()
