"""The base class of layouts: what is known about a data set before reading it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, get_args, get_type_hints

from chexseg.config.settings import File, Settings
from chexseg.errors import Problems

if TYPE_CHECKING:
    from chexseg.data.layouts.release import Release

PARTS = ("train", "validation", "test")
"""The splits of a release. The index later takes `expert` out of `validation`."""

FIXED_COLUMNS = (
    *("cxr_id", "path", "patient", "study", "split", "shard", "height", "width"),
    "sha256",
)
"""Fixed columns of an index; all others are findings."""


class Layout(Settings):
    """Describes where the files of a data set are and how to read them.

    A layout is a settings model. Each field of type `File`, `File | None` or `tuple[File, ...]` is
    a role: a key of the config's section `data`, an input of the rules that read the data, and a
    flag of their commands (`train_csv`: `--train-csv FILE`). It may name a folder, which stands for all
    files in it. `None` and `()` mean no file.

    To add a layout, write a module with a subclass and add a line to `METHODS["layout"]` of the
    catalog (or an entry point of the group `chexseg.layout`). The module is imported whenever a
    config is read, so import pandas and other heavy packages inside `read`.

    Attributes:
        roles: fields that are files, in order -> their description; filled in by this class.
        optional_roles: roles that may have no file; filled in by this class.
        findings: label columns that a study reads by default.
        pathologies: mask classes that a study segments by default.
        selecting_findings: findings whose mean AUROC selects a classifier's epoch; () means all.
        selecting_pathologies: pathologies whose mean IoU selects a segmenter's epoch; () means all.
        renamed: label column -> name of its finding in masks, and so in a study.
        masks: part -> roles of its mask files: the truth first, then other readers.
    """

    roles: ClassVar[Mapping[str, str]] = {}
    optional_roles: ClassVar[tuple[str, ...]] = ()
    findings: ClassVar[tuple[str, ...]] = ()
    pathologies: ClassVar[tuple[str, ...]] = ()
    selecting_findings: ClassVar[tuple[str, ...]] = ()
    selecting_pathologies: ClassVar[tuple[str, ...]] = ()
    renamed: ClassVar[Mapping[str, str]] = {}
    masks: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        hints = get_type_hints(cls, include_extras=True)
        cls.roles = {
            name: field.description or ""
            for name, field in cls.model_fields.items()
            if File in (hints[name], *get_args(hints[name]))
        }
        optional = (name for name in cls.roles if cls.model_fields[name].default in (None, ()))
        cls.optional_roles = tuple(optional)

    def files(self, root: str | Path) -> dict[str, list[Path]]:
        """Returns role -> paths of its files in `root`, in the order of the roles; [] for none."""
        names_of = {role: getattr(self, role) or () for role in self.roles}
        return {
            role: [Path(root, name) for name in ([names] if isinstance(names, str) else names)]
            for role, names in names_of.items()
        }

    def count(self, root: str | Path) -> dict[str, int]:
        """Estimates the number of frontal X-rays of each of PARTS, for the cost model.

        It is called whenever a config is read, so it must be fast and import nothing heavy. A
        missing file counts as 0. The default is 0 for every part.
        """
        return dict.fromkeys(PARTS, 0)

    @abstractmethod
    def read(
        self,
        root: Path,
        files: Mapping[str, Sequence[Path]],
        *,
        findings: tuple[str, ...],
        pathologies: tuple[str, ...],
    ) -> Release:
        """Reads a release and collects everything that is wrong with it.

        Args:
            root: data folder; every X-ray must be inside it.
            files: role -> its files. The fields of this object are ignored.
            findings: the labels to read, under their names in a study.
            pathologies: classes for which every X-ray in a mask file must have a mask.
        """
        raise NotImplementedError

    @classmethod
    def check_given(cls, files: Mapping[str, Sequence[Path]]) -> None:
        """Checks the number of files of each role.

        Raises:
            InputError: a required file is missing, or there are several files for a single one.
        """
        problems, hints = Problems("tables"), get_type_hints(cls, include_extras=True)
        for role in cls.roles:
            flag, number, kinds = (
                f"--{role.replace('_', '-')}",
                len(files.get(role, ())),
                hints[role],
            )
            if kinds is File and number == 0:
                problems.add(flag, "no file", "one file", "Name the file.")
            elif number > 1 and not (kinds is not File and Ellipsis in get_args(kinds)):
                problems.add(flag, f"{number} files", "one file", "Name one of them.")
        problems.raise_if_any()
