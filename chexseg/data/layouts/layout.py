"""The base of all layouts: what a layout says of a data set without reading it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, get_args, get_type_hints

from pydantic import Field

from chexseg.config.settings import Settings
from chexseg.errors import Problems

if TYPE_CHECKING:
    from chexseg.data.layouts.release import Release

# A command takes '-x' for a flag, and Snakemake '{x}' for a wildcard.
File = Annotated[str, Field(pattern=r"^[^-/{}\n\r][^{}\n\r]*$")]
"""Path of a file below the folder of the data."""

PARTS = ("train", "validation", "test")
"""The splits that a layout knows. The index takes `expert` out of `validation`."""

FIXED_COLUMNS = (
    *("cxr_id", "path", "patient", "study", "split", "shard", "height", "width"),
    "sha256",
)
"""Columns of an index; all others are findings."""


class Layout(Settings):
    """How the files of a data set lie in its folder, and how they are read.

    A layout is a settings model. Each field of type `File`, `File | None` or `tuple[File, ...]` is
    a role: a key of the config's section `data`, an input of the rules that read the data, and a
    flag of their commands (`train_csv`: `--train-csv FILE`). `None` and `()` are no file.

    To add one: a module with a subclass, and its line in `METHODS["layout"]` of the catalog (or an
    entry point of the group `chexseg.layout`). The module is imported whenever a config is read,
    so pandas and the like are imported inside `read`.

    Attributes:
        roles: fields that are files, in their order -> what they are; filled in by this class.
        optional_roles: those that may have no file; filled in by this class.
        findings: label columns that a study reads unless its config names others.
        pathologies: classes of masks that it segments unless its config names others.
        selecting_findings: those whose mean AUROC selects the epoch of a classifier; (): all.
        selecting_pathologies: those whose mean IoU selects the epoch of a segmenter; (): all.
        renamed: label column -> the name that its finding has in masks, so in a study.
        masks: part -> roles of the files of its masks, the truth first, other readers behind.
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
        """Returns role -> its files below `root`, in the order of the roles; [] for no file."""
        named = {role: getattr(self, role) or () for role in self.roles}
        return {
            role: [Path(root, name) for name in ([names] if isinstance(names, str) else names)]
            for role, names in named.items()
        }

    def count(self, root: str | Path) -> dict[str, int]:
        """Estimates the number of frontal X-rays of each of PARTS, for the cost model.

        Called when a config is read, so it must be quick and import nothing heavy. An absent file
        counts as 0. A layout that does not say is taken to hold none.
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
            root: folder of the data; no X-ray may lie outside it.
            files: role -> its files. Those of this object's own fields are not looked at.
            findings: the labels to read, by the names that they have in a study.
            pathologies: classes that must have a mask wherever masks are given.
        """
        raise NotImplementedError

    @classmethod
    def check_given(cls, files: Mapping[str, Sequence[Path]]) -> None:
        """Checks that each role has as many files as it takes.

        Raises:
            InputError: a role has no file and needs one, or has several and takes one.
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
