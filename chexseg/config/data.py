"""The section `data` of a config: keys that all layouts share, and those of the layout it names.

The layout is looked up in the catalog when a config is read, so that one of another package works
like those of this one, and only the one that is named is imported.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from copy import copy
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import AfterValidator, Field, create_model, model_validator
from pydantic_core import (
    InitErrorDetails,
    PydanticCustomError,
    PydanticKnownError,
    PydanticUndefined,
    ValidationError,
)

from chexseg import catalog
from chexseg.config.settings import Folder, ImageSettings, IndexSettings, Settings
from chexseg.data.layouts.layout import FIXED_COLUMNS, Layout
from chexseg.data.phantom.files import (
    PHANTOM_ANATOMY,
    PHANTOM_FILES,
    PHANTOM_ORGANS,
)
from chexseg.errors import Problems, near

if TYPE_CHECKING:
    from chexseg.config.links import Place
    from chexseg.config.study import Study

DEFAULT_LAYOUT = "chexpert"
RESERVED = (*FIXED_COLUMNS, "mean")
"""No finding or class: columns of the index, and the row of the mean in tables of scores."""


def _class_name(name: str) -> str:
    if name in RESERVED or not re.fullmatch(r"\w[^{}\x00-\x1f\x7f]{0,99}(?<!\s)", name):
        expected = "a name that begins with a letter or digit, without braces, no column of the "
        expected += f"index ({', '.join(FIXED_COLUMNS)}) and not 'mean'"
        raise PydanticCustomError("class_name", "{expected}", {"expected": expected})
    return name


ClassName = Annotated[str, AfterValidator(_class_name)]
"""Name of a finding (a label of an X-ray) or of a pathology (a class of masks)."""


class DataSection(Settings):
    """Where the X-rays are, and which of them take part. Paths are relative to `root`."""

    # `model_validate` returns an object of a subclass that has the layout's keys too: `section_of`.
    layout: str = Field(DEFAULT_LAYOUT, description="How the files of the data lie, and are read.")
    root: Folder | None = Field(None, description="Folder of the data; absent: the phantom's own.")
    pathologies: tuple[ClassName, ...] = Field(
        (),
        min_length=1,
        description="What is segmented: classes of the masks. Absent: the layout's.",
    )
    findings: tuple[ClassName, ...] = Field(
        (),
        description="What classifiers learn: label columns. Absent: the layout's. A pathology "
        "of which saliency maps are made must be among them.",
    )
    index: IndexSettings = Field(IndexSettings(), description="Which X-rays, which split.")
    images: ImageSettings = Field(ImageSettings(), description="How X-rays are stored.")

    @property
    def layout_settings(self) -> Layout:
        """The layout, with the settings that this section gives it."""
        kind = catalog.load("layout", self.layout)
        return kind(**{name: getattr(self, name) for name in kind.model_fields})

    def files(self, root: str | Path) -> dict[str, list[Path]]:
        """Returns role -> its files below `root`, in the order of the layout's roles."""
        return self.layout_settings.files(root)

    def mask_files(self, root: str | Path, part: str) -> list[Path]:
        """Returns the files of masks of a part of the data: the truth first, other readers behind.

        Args:
            root: folder of the data.
            part: one of `chexseg.data.layouts.layout.PARTS`.
        """
        roles, files = self.layout_settings.masks.get(part, ()), self.files(root)
        return [path for role in roles for path in files[role]]

    def unused_of_index(self) -> tuple[str, ...]:
        """Returns the settings of the index that change nothing, given the data's own splits."""
        divided = self.layout_settings.divided
        unused = {"validation": "validation_fraction", "test": "test_fraction"}
        of_others = (name for part, name in unused.items() if part not in divided)
        return (*of_others, *(["expert_fraction"] if "validation" in divided else []))

    @model_validator(mode="wrap")
    @classmethod
    def _of_its_layout(cls, data: Any, handler: Callable[[Any], Self]) -> Self:
        if cls is not DataSection or not isinstance(data, Mapping):
            return handler(data)
        name = data.get("layout", DEFAULT_LAYOUT)
        if name in catalog.names("layout"):
            return section_of(name).model_validate(dict(data))
        # Of a layout that is not known, no key can be checked.
        expected = {"expected": ", ".join(map(repr, catalog.names("layout")))}
        detail = InitErrorDetails(type="literal_error", loc=("layout",), input=name, ctx=expected)
        raise ValidationError.from_exception_data(cls.__name__, [detail])

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: Any, handler: Callable[[Any], dict[str, Any]]
    ) -> dict[str, Any]:
        """Describes the section by the layouts of this package, not by those of others."""
        if cls is not DataSection:
            return handler(core_schema)
        sections = [section_of(name) for name in catalog.METHODS["layout"]]
        schemas = [handler(section.__pydantic_core_schema__) for section in sections]
        return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def section_of(layout: Any) -> type[DataSection]:
    """Returns the model of the section `data` for a layout, by its name in the catalog.

    A name that the catalog does not have gives the keys that all layouts share.
    """
    if layout not in catalog.names("layout"):
        return DataSection
    return _with_files_of(catalog.load("layout", layout))


@cache
def _with_files_of(layout: type[Layout]) -> type[DataSection]:
    if shared := set(layout.model_fields) & set(DataSection.model_fields):
        raise TypeError(f"{layout.__name__}: {sorted(shared)} are keys of every layout")

    def as_masks_call_it(name: str) -> str:
        if name in layout.renamed:
            raise PydanticKnownError("literal_error", {"expected": repr(layout.renamed[name])})
        return name

    names = tuple[Annotated[ClassName, AfterValidator(as_masks_call_it)], ...]
    fields = {key: (field.annotation, field) for key, field in layout.model_fields.items()}
    for key in ("pathologies", "findings"):
        field = copy(DataSection.model_fields[key])
        # A layout without classes of its own leaves them to the study.
        own = getattr(layout, key)
        field.default = PydanticUndefined if key == "pathologies" and not own else own
        fields[key] = names, field
    documented = {"__doc__": DataSection.__doc__, "__module__": __name__}
    return create_model(f"{layout.__name__}Data", __base__=DataSection, **documented, **fields)


def with_selections(study: Study) -> Study:
    """Returns a study whose trainings name what selects their epochs.

    A training whose config does not say gets the layout's own, as far as the study has them. None
    left, and an empty list in the config, mean all.
    """
    layout = study.data.layout_settings
    sections = {
        "classifiers": (layout.selecting_findings, study.data.findings),
        "segmenters": (layout.selecting_pathologies, study.data.pathologies),
    }
    filled = {}
    for section, (own, there) in sections.items():
        selection = tuple(name for name in own if name in there)
        filled[section] = {
            name: entry
            if "selection" in entry.model_fields_set
            else entry.model_copy(update={"selection": selection})
            for name, entry in getattr(study, section).items()
        }
    return study.model_copy(update=filled)


def check_data(study: Study, place: Place, problems: Problems) -> None:
    """Adds what is wrong with the names of findings and pathologies, and with a phantom's files."""
    data = study.data
    for key in ("pathologies", "findings"):
        names = getattr(data, key)
        for name in dict.fromkeys(name for name in names if names.count(name) > 1):
            where = place("data", key)
            problems.add(where, f"{name!r} twice", "each once", "Delete one of the two.")
    if study.classifiers and not data.findings:
        where, remedy = place("data", "findings"), "Name the label columns that they learn."
        problems.add(where, "classifiers, but no findings", "one or more findings", remedy)
    elif any(not entry.classes for entry in study.saliency.values()):
        check_names(data.pathologies, data.findings, "data.findings", place, problems)
    for section, key in (("classifiers", "selection"), ("saliency", "classes")):
        for name, entry in getattr(study, section).items():
            here, named = (section, name, key), getattr(entry, key)
            check_names(named, data.findings, "data.findings", place, problems, here)
    if study.phantom is not None:
        _check_phantom(study, place, problems)


def check_names(
    names: tuple[str, ...],
    among: tuple[str, ...],
    what: str,
    place: Place,
    problems: Problems,
    here: tuple[str, ...] = ("data", "pathologies"),
) -> None:
    """Adds names that are not `among` those of the key `what`."""
    for number, name in enumerate(names):
        if name not in among:
            remedy = f"Add it to {what}."
            if meant := near(name, among):
                remedy = f"Did you mean {meant!r}? Otherwise add it to {what}."
            problems.add(place(*here, number), repr(name), f"one of {what}", remedy)


def _check_phantom(study: Study, place: Place, problems: Problems) -> None:
    """Adds files and names that the phantom does not write: it has its own."""
    data, written_in = study.data, study.phantom.layout
    if data.layout != written_in:
        remedy = f"Set 'layout: {written_in}', or name your own data by 'root'."
        where, expected = place("data", "layout"), f"{written_in}, in which the phantom is written"
        problems.add(where, repr(data.layout), expected, remedy)
        return
    anatomy, files = PHANTOM_ANATOMY[written_in], PHANTOM_FILES[written_in]
    with_masks = {role for roles in data.layout_settings.masks.values() for role in roles}
    organs = {role for role, file in anatomy.items() if getattr(data, role) == file}
    for role in data.layout_settings.roles:
        named, written = getattr(data, role), files[role]
        if named is not None and role not in organs and named not in written:
            where, expected = (
                place("data", role),
                f"{(*written, 'none')[0]}, as the phantom writes it",
            )
            problems.add(where, repr(named), expected, f"Delete {role!r}, or write this name.")
        if organs and named is not None and role in with_masks - organs:
            where, found = place("data", role), "masks of pathologies beside those of organs"
            problems.add(
                where, found, "masks of organs", f"Name the file of organs, or delete {role!r}."
            )
    layout = catalog.load("layout", written_in)
    classes = PHANTOM_ORGANS if organs else layout.pathologies
    for key, written in (("pathologies", classes), ("findings", layout.findings)):
        for number, name in enumerate(getattr(data, key)):
            if name not in written:
                where, meant = place("data", key, number), near(name, written)
                remedy = f"Did you mean {meant!r}?" if meant else "Delete it."
                what = "organs" if written is PHANTOM_ORGANS else key
                problems.add(where, repr(name), f"one of the {what} of the phantom", remedy)
